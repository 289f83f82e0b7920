"""From what clients change of a thread's state to revisions. Pure.

Messages are joined: one with a known id takes that one's place, LangChain's ``remove`` takes it away. Other keys are
put in place of what was there, null deleting one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.agent_protocol.messages import heard
from dragoman.agent_protocol.narrow import is_list, is_object
from dragoman.agent_protocol.unkept import refuse
from dragoman.agent_protocol.wire_sdk import Superstep, SuperstepUpdate
from dragoman.memory.conversation import REMOVE
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json
from dragoman.memory.threads import Revision

__all__ = ["command_update", "revision", "superstep"]


def revision(values: Json, field: str, as_node: str | None = None) -> Revision:
    """A revision from the values of an update: an object, or null for none. Raises ``InputInvalid``."""
    told: dict[str, Json] = {"source": "update"}
    if as_node is not None:
        told["as_node"] = as_node
    if values is None:
        return Revision(metadata=told)
    if not is_object(values):
        raise _wrong(field, "must be an object")
    messages: Json = values.get("messages")
    given = [] if messages is None else messages if is_list(messages) else [messages]
    new = [_message(message, f"{field}.messages.{n}") for n, message in enumerate(given)]
    return Revision({k: v for k, v in values.items() if k != "messages"}, new, told)


def command_update(update: Json) -> Revision:
    """The revision of a ``command.update``: an object, or a list of pairs."""
    if is_list(update) and all(is_list(pair) and len(pair) == 2 and isinstance(pair[0], str) for pair in update):
        update = {pair[0]: pair[1] for pair in update}
    return revision(update, "command.update")


def superstep(step: Superstep, field: str) -> Revision:
    """The one revision that the updates of a superstep make."""
    each = [_of_update(update, f"{field}.updates.{n}") for n, update in enumerate(step.updates)]
    values: dict[str, Json] = {}
    messages: list[Mapping[str, Json]] = []
    for part in each:
        values |= part.values
        messages += part.messages
    nodes: Sequence[Any] = [part.metadata["as_node"] for part in each if "as_node" in part.metadata]
    told: dict[str, Json] = {"source": "update"}
    if nodes:
        told["as_node"] = nodes[0] if len(nodes) == 1 else list(nodes)
    return Revision(values, messages, told)


def _of_update(update: SuperstepUpdate, field: str) -> Revision:
    if update.command is None:
        return revision(update.values, f"{field}.values", update.as_node)
    if update.command.resume is not None or update.command.goto is not None:
        raise refuse(f"{field}.command", "a state is made of values alone; a command here holds update")
    both: dict[str, Json] = dict(update.values) if is_object(update.values) else {}
    if is_object(update.command.update):
        both |= update.command.update
    return revision(both, f"{field}.command.update", update.as_node)


def _message(given: Json, field: str) -> dict[str, Json]:
    if is_object(given) and given.get("role", given.get("type")) == REMOVE:
        if not isinstance(given.get("id"), str):
            raise _wrong(f"{field}.id", "must be a string")
        return {"role": REMOVE, "id": given["id"]}
    return heard(given, field)


def _wrong(field: str, problem: str) -> InputInvalid:
    return InputInvalid(f"Invalid body: {field}: {problem}.", ({"field": field, "problem": problem},))
