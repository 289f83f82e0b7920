"""From a body's ``input`` and ``messages`` to what the engine opens a run with. Pure.

What reaches the agent is the same from every face: an object is its structured input, a text or the last message of
the user is prose. ``messages`` within the input are prose too, unless the agent's own schema has that field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dragoman.agent_protocol.messages import last_said, looks_like_messages
from dragoman.agent_protocol.narrow import is_list, is_object
from dragoman.agents import Agent
from dragoman.engine import UNSET, Unset
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json

__all__ = ["Given", "given"]


class Given(NamedTuple):
    """What a client gives an agent: see ``RunRequest``."""

    input: Json | Unset = UNSET
    text: str | None = None
    message: Mapping[str, Json] | None = None


def given(agent: Agent, input: Json, messages: Sequence[Json] = ()) -> Given:
    """Read a body. Raises ``InputInvalid`` naming the message that cannot be read."""
    said: dict[str, Json] | None = None
    if messages:
        said = _said(list(messages), "messages")
    if input is None:
        return _with(UNSET, said)
    if isinstance(input, str):
        return Given(text=input) if said is None else _with(input, said)
    if is_list(input) and looks_like_messages(input):
        return _with(UNSET, said or _said(input, "input"))
    if not is_object(input) or "messages" not in input:
        return _with(input, said)
    if "messages" in (agent.input_schema.get("properties") or {}):
        # Such an agent judges itself what it is given: no message at all may well be what it takes.
        return _with(input, said or (_said(input["messages"], "input.messages") if input["messages"] else None))
    said = said or _said(input["messages"], "input.messages")
    rest = {k: v for k, v in input.items() if k != "messages"}
    return _with(rest or UNSET, said)


def _said(messages: Json, field: str) -> dict[str, Json]:
    """The last message of the user, which is what is said to the agent."""
    said = last_said(messages, field)
    if said is None or not said["content"]:
        problem = "needs a message of the user with text"
        raise InputInvalid(f"{field} {problem}.", ({"field": field, "problem": problem},))
    return said


def _with(input: Json | Unset, said: dict[str, Json] | None) -> Given:
    return Given(input) if said is None else Given(input, said["content"], said)
