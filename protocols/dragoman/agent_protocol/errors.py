"""From domain errors to HTTP answers, as tables: one status for both surfaces, a shape for each.

Agent Protocol: ``{"code", "message", "metadata"}`` (0.1.6, ErrorResponse). LangGraph SDK: ``{"detail"}``. What is no
domain error goes out as an internal error that tells nothing: its trace is for the log.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from dragoman.agent_protocol.surface import Surface
from dragoman.memory.assistants import AssistantNotFound
from dragoman.memory.crons import CronNotFound
from dragoman.memory.errors import (
    AgentNotFound,
    Conflict,
    DragomanError,
    InputInvalid,
    LedgerBusy,
    NotFound,
    NotPermitted,
    QueueFull,
    RunEnded,
    RunNotFound,
    ThreadBusy,
    ThreadNotFound,
)
from dragoman.memory.model import Json
from dragoman.memory.sealing import Unreadable
from dragoman.memory.threads import CheckpointNotFound

__all__ = ["CheckpointNotFound", "ItemNotFound", "MalformedBody", "error_answer"]


class MalformedBody(DragomanError):
    """The body is not JSON."""


class ItemNotFound(NotFound):
    """The store has no such item."""


# The first class that fits gives status and code: a subclass stands before its base.
_TABLE: Final[tuple[tuple[type[DragomanError], int, str], ...]] = (
    (MalformedBody, 422, "malformed_body"),
    (InputInvalid, 422, "invalid_input"),
    (AgentNotFound, 404, "agent_not_found"),
    (AssistantNotFound, 404, "assistant_not_found"),
    (CronNotFound, 404, "cron_not_found"),
    (RunNotFound, 404, "run_not_found"),
    (ThreadNotFound, 404, "thread_not_found"),
    (ItemNotFound, 404, "item_not_found"),
    (CheckpointNotFound, 404, "checkpoint_not_found"),
    (NotFound, 404, "not_found"),
    (ThreadBusy, 409, "thread_busy"),
    (RunEnded, 409, "run_ended"),
    (Conflict, 409, "conflict"),
    (NotPermitted, 403, "not_permitted"),
    (QueueFull, 429, "queue_full"),
    (LedgerBusy, 503, "ledger_busy"),
    (Unreadable, 500, "unreadable"),
)

_INTERNAL = "The server failed at this request; its log tells why."


def error_answer(error: Exception, surface: Surface) -> tuple[int, dict[str, Json], list[tuple[bytes, bytes]]]:
    """Status, body and headers that answer an error."""
    status, code, message = 500, "internal_error", _INTERNAL
    if isinstance(error, DragomanError):
        found = next((entry for entry in _TABLE if isinstance(error, entry[0])), None)
        if found is not None:
            _, status, code = found
            message = error.message
    headers = _retry_after(error)
    if surface is Surface.LANGGRAPH:
        return status, {"detail": message}, headers
    return status, {"code": code, "message": message, "metadata": _metadata(error)}, headers


def _metadata(error: Exception) -> Mapping[str, Json]:
    if isinstance(error, InputInvalid) and error.problems:
        return {"problems": list(error.problems)}
    if isinstance(error, QueueFull):
        return {"retry_after": error.retry_after}
    return {}


def _retry_after(error: Exception) -> list[tuple[bytes, bytes]]:
    """RFC 9110 section 10.2.3: whole seconds, rounded up, so that nobody comes back too early."""
    if isinstance(error, QueueFull):
        return [(b"retry-after", str(max(1, math.ceil(error.retry_after))).encode())]
    if isinstance(error, LedgerBusy):
        return [(b"retry-after", b"1")]
    return []
