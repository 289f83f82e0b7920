"""From domain errors to JSON-RPC errors and tool errors, as tables.

The domain knows no codes; this is the one place that gives them. A message goes out as the error has it, and what is
not a domain error goes out as an internal error that tells nothing: its trace is for the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman.agents.errors import CannotAsk, Declined, InterruptExpired, Rejected, RequestError
from dragoman.mcp.eras import SUPPORTED
from dragoman.memory.errors import (
    AgentNotFound,
    Conflict,
    DragomanError,
    InputInvalid,
    LedgerBusy,
    NotFound,
    NotPermitted,
    QueueFull,
)
from dragoman.memory.model import Json
from dragoman.memory.sealing import Unreadable

__all__ = [
    "CAPABILITY_MISSING",
    "HEADER_MISMATCH",
    "HTTP_STATUS",
    "INTERNAL",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "PARSE_ERROR",
    "VERSION_UNSUPPORTED",
    "ProtocolError",
    "capability_missing",
    "protocol_error",
    "tool_error",
    "version_unsupported",
]

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL: Final = -32603
HEADER_MISMATCH: Final = -32020
CAPABILITY_MISSING: Final = -32021
VERSION_UNSUPPORTED: Final = -32022

HTTP_STATUS: Final[Mapping[int, int]] = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    CAPABILITY_MISSING: 400,
    VERSION_UNSUPPORTED: 400,
    METHOD_NOT_FOUND: 404,
}
"""JSON-RPC code → HTTP status in the modern era (Streamable HTTP, "Server Validation"); 200 for the others."""

_CODES: Final[tuple[tuple[type[DragomanError], int], ...]] = (
    (NotFound, INVALID_PARAMS),
    (InputInvalid, INVALID_PARAMS),
    (Conflict, INVALID_PARAMS),
    (NotPermitted, INVALID_PARAMS),
    (Rejected, INVALID_PARAMS),
    (Declined, INVALID_PARAMS),
    (InterruptExpired, INVALID_PARAMS),
    (QueueFull, INTERNAL),
    (LedgerBusy, INTERNAL),
    (Unreadable, INTERNAL),
)

_TOLD_TO_THE_MODEL: Final = (InputInvalid, NotFound, Conflict, NotPermitted, QueueFull)
"""What a model can act upon: a result with ``isError``, so that it is seen and corrected (tools, "Error
Handling")."""


class ProtocolError(Exception):
    """A JSON-RPC error to answer with. ``id`` is the request's where it could be read."""

    def __init__(self, code: int, message: str, data: Json = None, id: str | int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.id = id


def protocol_error(error: Exception) -> ProtocolError | None:
    """A domain error as a JSON-RPC error; None for what is no domain error."""
    if isinstance(error, ProtocolError):
        return error
    if isinstance(error, RequestError):
        return ProtocolError(error.code, error.message, error.data)
    if isinstance(error, CannotAsk) and error.capability:
        return capability_missing({error.capability: {}}, error.message)
    for kind, code in _CODES:
        if isinstance(error, kind):
            data = {"retryAfter": error.retry_after} if isinstance(error, QueueFull) else None
            return ProtocolError(code, _text(error), data)
    return None


def tool_error(error: Exception) -> str | None:
    """What a tool result tells of a domain error, or None where a JSON-RPC error is due (an unknown tool, a
    fault)."""
    if isinstance(error, _TOLD_TO_THE_MODEL) and not isinstance(error, AgentNotFound):
        return _text(error)
    return None


def _text(error: DragomanError) -> str:
    if isinstance(error, QueueFull):
        return f"{error.message} Try again in {max(1, round(error.retry_after))} s."
    return error.message


def version_unsupported(requested: str) -> ProtocolError:
    """The version is none of ours, or one that begins with ``initialize`` and has no ``_meta``."""
    why = "it begins with initialize" if requested in SUPPORTED else f"this server speaks {', '.join(SUPPORTED)}"
    return ProtocolError(
        VERSION_UNSUPPORTED,
        f"Unsupported protocol version {requested[:40]!r} on this request: {why}.",
        {"supported": list(SUPPORTED), "requested": requested},
    )


def capability_missing(required: Mapping[str, Json], why: str) -> ProtocolError:
    """The client did not declare what this needs."""
    return ProtocolError(CAPABILITY_MISSING, why, {"requiredCapabilities": required})
