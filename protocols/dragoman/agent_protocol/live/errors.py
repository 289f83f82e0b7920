"""Errors in the protocol's form (CDDL section 3, ErrorResponse), and which code a domain error is."""

from __future__ import annotations

import logging
from typing import Any, Final

from dragoman.agent_protocol.errors import CheckpointNotFound
from dragoman.memory.errors import (
    DragomanError,
    InputInvalid,
    LedgerBusy,
    NotPermitted,
    QueueFull,
    RunNotFound,
    ThreadNotFound,
)
from dragoman.memory.model import Json
from dragoman.memory.sealing import Unreadable

__all__ = ["CommandRefused", "error_response", "refused"]

_log = logging.getLogger("dragoman.agent_protocol")
_CODES: Final[tuple[tuple[type[DragomanError], str], ...]] = (
    (InputInvalid, "invalid_argument"),
    (RunNotFound, "no_such_run"),
    (ThreadNotFound, "no_such_run"),
    (CheckpointNotFound, "no_such_checkpoint"),
    (NotPermitted, "permission_denied"),
    (QueueFull, "unknown_error"),
    (LedgerBusy, "unknown_error"),
    (Unreadable, "unknown_error"),
)


class CommandRefused(DragomanError):
    """A command that is refused with a code of the protocol."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def error_response(id: Json, code: str, message: str) -> dict[str, Json]:
    """An ErrorResponse; ``id`` is the command's, or None where it has none that can be told."""
    return {"type": "error", "id": id, "error": code, "message": message}


def refused(id: Json, error: Exception) -> dict[str, Any]:
    """The answer to a command that failed."""
    if isinstance(error, CommandRefused):
        return error_response(id, error.code, error.message)
    if isinstance(error, DragomanError):
        code = next((code for kind, code in _CODES if isinstance(error, kind)), "invalid_argument")
        return error_response(id, code, error.message)
    _log.exception("a command failed", exc_info=error)
    return error_response(id, "unknown_error", "The server failed at this command; its log tells why.")
