"""What is posted to the thread streaming protocol, as models: what the OpenAPI documents tell. It is read by
``filters.py`` and ``commands.py``, which take both spellings and answer in the protocol's own form."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from dragoman.agent_protocol.wire import Body

__all__ = ["EventStreamRequest", "StreamingCommand"]

_Number = Annotated[int, Field(ge=0, le=2**53 - 1)]


class EventStreamRequest(Body):
    """POST /threads/{thread_id}/stream and /threads/{thread_id}/stream/events"""

    channels: Annotated[list[str], Field(min_length=1, max_length=64)]
    namespaces: list[list[str]] | None = None
    depth: _Number | None = None
    since: _Number | None = None


class StreamingCommand(Body):
    """POST /threads/{thread_id}/commands"""

    id: _Number
    method: str
    params: dict[str, Any] | None = None
