"""What a request means to an agent: structured input as it is, prose where one string will do, questions where it will
not."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.agents.agent import Agent
from dragoman.engine.request import RunRequest, Unset
from dragoman.memory.ids import short_digest, uuid7
from dragoman.memory.model import Json

__all__ = ["input_of"]


def input_of(agent: Agent, request: RunRequest) -> tuple[Json, Mapping[str, Json] | None]:
    """The structured input of a request (None: to be asked for) and its message. Raises ``InputInvalid``."""
    message = request.message
    if message is None and request.text is not None:
        message = {"role": "user", "content": request.text, "id": short_digest(uuid7())}
    if not isinstance(request.input, Unset):
        given: Json = {} if request.input is None else request.input
        agent.validate(given)
        return given, message
    field = agent.signature.text_field
    if request.text is not None and field is not None:
        value = {field: request.text}
        agent.validate(value)
        return value, message
    if request.text is not None and agent.signature.missing({}) is not None:
        return None, message
    agent.validate({})
    return {}, message
