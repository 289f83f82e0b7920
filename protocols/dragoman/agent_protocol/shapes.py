"""What both surfaces make of the domain in the same way: times, checkpoint ids, statuses, values, questions. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from dragoman.agent_protocol.messages import told
from dragoman.agent_protocol.surface import Surface
from dragoman.memory.model import FailureKind, Interrupt, Json, Run, RunStatus

__all__ = [
    "asked",
    "checkpoint_id",
    "checkpoint_number",
    "is_uuid",
    "messages_of",
    "question",
    "run_status",
    "stamp",
    "state_of",
    "statuses_named",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOW: Final = (1 << 62) - 1

_STATUS: Final[Mapping[RunStatus, str]] = {
    RunStatus.QUEUED: "pending",
    RunStatus.RUNNING: "pending",
    RunStatus.WAITING: "interrupted",
    RunStatus.SUCCEEDED: "success",
    RunStatus.FAILED: "error",
    RunStatus.CANCELLED: "interrupted",
}


def stamp(micros: int) -> str:
    """A time of the domain (microseconds, UTC) as RFC 3339."""
    seconds, fraction = divmod(micros, 1_000_000)
    return f"{_second(seconds)}.{fraction:06d}+00:00"


@lru_cache(256)  # most of what is shown happened in the same few seconds
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in its canonical form."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def run_status(run: Run, surface: Surface) -> str:
    """0.1.6, RunStatus; the SDK tells ``running`` from ``pending``."""
    if run.status is RunStatus.RUNNING and surface is Surface.LANGGRAPH:
        return "running"
    if run.failure is not None and run.failure.kind is FailureKind.TIMEOUT:
        return "timeout"
    return _STATUS[run.status]


def statuses_named(name: str, surface: Surface) -> frozenset[RunStatus]:
    """The statuses of the domain that may go by a name on the wire; ``run_status`` tells error from timeout."""
    if surface is Surface.LANGGRAPH and name in ("pending", "running"):
        return frozenset({RunStatus.QUEUED if name == "pending" else RunStatus.RUNNING})
    wanted = "error" if name == "timeout" else name
    return frozenset(status for status, told_as in _STATUS.items() if told_as == wanted)


def checkpoint_id(thread_id: str, number: int) -> str:
    """A checkpoint's id: a UUIDv8 (RFC 9562 section 5.8) of its number and a digest of its thread, so that ids of a
    thread sort as its checkpoints do."""
    digest = int.from_bytes(hashlib.sha256(thread_id.encode()).digest()[:10], "big")
    return str(UUID(int=number << 80 | 0x8 << 76 | (digest >> 62 & 0xFFF) << 64 | 0b10 << 62 | digest & _LOW))


def checkpoint_number(thread_id: str, name: str) -> int | None:
    """The number of a checkpoint of this thread, or None for an id that is not one of its checkpoints'."""
    try:
        number = UUID(name).int >> 80
    except ValueError:
        return None
    return number if number and checkpoint_id(thread_id, number) == name.lower() else None


def messages_of(values: Mapping[str, Json], surface: Surface) -> list[dict[str, Json]]:
    """The messages among a thread's values."""
    found: Sequence[Mapping[str, Json]] = values.get("messages") or ()
    return [told(message, surface) for message in found]


def state_of(values: Mapping[str, Json], surface: Surface, run: Run | None = None) -> dict[str, Json]:
    """A thread's values as one state, ``messages`` among them. As a run's result it has that run's ``output`` too,
    which the thread does not keep."""
    state: dict[str, Json] = {**values, "messages": messages_of(values, surface)}
    if run is not None and run.status is RunStatus.SUCCEEDED:
        state["output"] = run.output
    return state


def asked(interrupt: Interrupt) -> dict[str, Json]:
    """A question as events have it."""
    return {
        "key": interrupt.key,
        "id": interrupt.id,
        "kind": interrupt.kind.value,
        "message": interrupt.message,
        "schema": dict(interrupt.schema),
        "payload": interrupt.payload,
    }


def question(data: Mapping[str, Any], surface: Surface) -> dict[str, Json]:
    """An open question (``asked``, or one of the event ``run.waiting``) on the wire. Agent Protocol has none: it is
    shown with the run; the SDK's Interrupt has an ``id``, a ``value`` and the ``response_schema`` that an answer must
    fit."""
    if surface is Surface.AGENT_PROTOCOL:
        return {name: data.get(name) for name in ("id", "key", "kind", "message", "schema", "payload")}
    value = {name: data.get(name) for name in ("key", "kind", "message", "payload")}
    return {"id": data["id"], "value": value, "response_schema": data.get("schema") or {}}
