"""What is remembered: runs, threads, steps, events, interrupts, artifacts, store items, and who may see them.

Plain frozen values. Nothing here reads a database, knows a protocol or runs code; the ledger (``ledger.py``) stores
these, the engine above moves them, the faces project them. Times are integers: microseconds since the epoch, UTC.

The legal transitions of a run are one table in this file, ``TRANSITIONS``; everything that changes a status goes
through ``check_transition``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from dragoman.memory.errors import Conflict, RunEnded
from dragoman.memory.setup import RunSetup

__all__ = [
    "ACTIVE",
    "NO_RUN",
    "TERMINAL",
    "TRANSITIONS",
    "ApiKey",
    "Artifact",
    "Checkpoint",
    "Event",
    "Failure",
    "FailureKind",
    "Interrupt",
    "InterruptKind",
    "InterruptStatus",
    "Json",
    "Page",
    "Principal",
    "Run",
    "RunStatus",
    "RunView",
    "Step",
    "StepStatus",
    "StoreItem",
    "Thread",
    "ThreadPolicy",
    "ThreadStatus",
    "check_transition",
]

T = TypeVar("T")
Json = Any
"""A JSON value: None, bool, int, float, str, list[Json] or dict[str, Json]."""


class RunStatus(StrEnum):
    """Where a run is. ``queued`` with ``started_at`` set is a run between two activations (resumed, or asleep)."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})
ACTIVE = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING})

TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    # queued -> failed: a run that crashed its process too often, or whose agent is gone.
    RunStatus.QUEUED: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED, RunStatus.FAILED}),
    # running -> queued: handed back at shutdown, swept after a crash, or asleep until ``wake_at``.
    RunStatus.RUNNING: frozenset(
        {RunStatus.QUEUED, RunStatus.WAITING, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED}
    ),
    # waiting -> queued: an interrupt was answered or has expired.
    RunStatus.WAITING: frozenset({RunStatus.QUEUED, RunStatus.CANCELLED}),
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}


def check_transition(old: RunStatus, new: RunStatus) -> None:
    """Raise ``RunEnded`` or ``Conflict`` unless a run may go from ``old`` to ``new``."""
    if new in TRANSITIONS[old]:
        return
    if old in TERMINAL:
        raise RunEnded(f"The run has ended ({old}); it cannot become {new}.")
    raise Conflict(f"A run that is {old} cannot become {new}.")


class FailureKind(StrEnum):
    """Why a run failed: the agent's error, a refusal of the agent, a time-out, or a request that cannot be served,
    which is an error of the protocol where the protocol has such."""

    ERROR = "error"
    REQUEST = "request"
    REJECTED = "rejected"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run or a step failed. ``type`` is the exception's class name; ``message`` is for people. ``code`` and
    ``data`` are there for a ``REQUEST``: those of a JSON-RPC error."""

    kind: FailureKind
    message: str
    type: str = ""
    code: int | None = None
    data: Json = None


class ThreadPolicy(StrEnum):
    """What a new run does when its thread has an active one (``multitask_strategy`` in the LangGraph SDK)."""

    ENQUEUE = "enqueue"
    REJECT = "reject"
    INTERRUPT = "interrupt"
    ROLLBACK = "rollback"


class ThreadStatus(StrEnum):
    """Derived from the thread's runs."""

    IDLE = "idle"
    BUSY = "busy"
    INTERRUPTED = "interrupted"
    ERROR = "error"


class StepStatus(StrEnum):
    """``started`` rows are written only for steps whose crash policy needs them, and for sleeps and child runs."""

    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"


class InterruptKind(StrEnum):
    """What is asked of a person or peer."""

    INPUT = "input"
    APPROVAL = "approval"
    AUTH = "auth"


class InterruptStatus(StrEnum):
    """``withdrawn``: the run went on or ended without the answer."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling. ``scopes`` holds ``*`` for everything; the tenant bounds all that the caller can see."""

    tenant: str
    subject: str
    scopes: frozenset[str] = frozenset({"*"})

    def may(self, scope: str) -> bool:
        """Whether the caller holds this scope."""
        return "*" in self.scopes or scope in self.scopes


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of an agent on a thread.

    ``message`` is the message that opened the run where there was one: ``{"role", "content", "parts", "id"}``;
    ``input`` is the structured input, already validated, or None while it is still to be asked for.
    ``attempt`` counts the claims and is the fence of every write; ``crashes`` counts claims lost without progress.
    ``emitted`` counts the events that the agent has committed outside of steps, so that a replay does not repeat them;
    ``base_checkpoint`` is the thread's checkpoint that the run began from. ``setup`` is None where it says
    nothing. ``interrupts`` and ``artifacts`` are counts. ``held`` is not kept: the engine tells by it why a run that is
    due is not taken.
    """

    tenant: str
    id: str
    thread_id: str
    agent: str
    agent_version: str
    status: RunStatus
    created_at: int
    updated_at: int
    input: Json = None
    message: Json = None
    output: Json = None
    failure: Failure | None = None
    subject: str = ""
    attempt: int = 0
    crashes: int = 0
    started_at: int | None = None
    ended_at: int | None = None
    wake_at: int | None = None
    cancel_requested: bool = False
    parent_run_id: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])
    ordinal: int = 0
    interrupts: int = 0
    artifacts: int = 0
    emitted: int = 0
    base_checkpoint: int = 0
    setup: RunSetup | None = None
    held: str = ""

    @property
    def ended(self) -> bool:
        """Whether the run is in a terminal status."""
        return self.status in TERMINAL

    @property
    def settled(self) -> bool:
        """Whether nothing happens until someone acts: ended, or waiting for an answer."""
        return self.status in TERMINAL or self.status is RunStatus.WAITING


@dataclass(frozen=True, slots=True)
class Step:
    """One journaled unit of a run. ``key`` is its name, with ``#n`` from the second of that name on.

    ``digest`` is a hash of the arguments, so that a journal that no longer fits the code is found out.
    ``position`` counts the finished steps of a run from 1; 0 while only started.
    """

    run_id: str
    key: str
    status: StepStatus
    digest: str = ""
    result: Json = None
    failure: Failure | None = None
    position: int = 0
    at: int = 0


NO_RUN: Final = ""
"""Whose events those of no run are."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, in order. ``seq`` is gapless and unique in the thread, from 1. ``run_id`` is ``NO_RUN`` for what
    was done to the thread itself: ``values`` with the number of the ``checkpoint``, its ``parent`` and ``source``."""

    thread_id: str
    run_id: str
    seq: int
    type: str
    data: Mapping[str, Json]
    at: int


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A durable question of a run.

    ``key`` is unique over the run's life; ``id`` is a digest of run and key, unique everywhere. ``schema`` is the JSON
    Schema (2020-12) that an answer must fit.
    """

    run_id: str
    thread_id: str
    key: str
    id: str
    kind: InterruptKind
    message: str
    schema: Mapping[str, Json]
    payload: Json = None
    status: InterruptStatus = InterruptStatus.OPEN
    answer: Json = None
    answered_by: str = ""
    created_at: int = 0
    answered_at: int | None = None
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something a run made: a file or a document. ``data`` holds its bytes."""

    run_id: str
    id: str
    name: str
    mime_type: str
    data: bytes
    created_at: int = 0


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation: its values (``messages`` and what agents set), and its metadata."""

    tenant: str
    id: str
    status: ThreadStatus
    values: Mapping[str, Json]
    metadata: Mapping[str, Json]
    created_at: int
    updated_at: int
    last_seq: int = 0
    checkpoint: int = 0
    ordinal: int = 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A thread's values at a step boundary. ``number`` counts from 1 in the thread; ``parent`` is the number of the one
    that it was made of, 0 for none. ``metadata`` is what its maker told of it."""

    thread_id: str
    number: int
    run_id: str | None
    values: Mapping[str, Json]
    created_at: int
    step: str | None = None
    parent: int = 0
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True)
class StoreItem:
    """A remembered value under a namespace. ``score`` is how well it answers the words it was searched by."""

    namespace: tuple[str, ...]
    key: str
    value: Mapping[str, Json]
    created_at: int
    updated_at: int
    score: float | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as stored: never its secret, only the SHA-256 of it."""

    id: str
    tenant: str
    subject: str
    scopes: frozenset[str]
    created_at: int
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its interrupts and artifacts (oldest first): what a face projects."""

    run: Run
    interrupts: tuple[Interrupt, ...] = ()
    artifacts: tuple[Artifact, ...] = ()

    @property
    def open_interrupts(self) -> tuple[Interrupt, ...]:
        """The questions that take an answer: also those that are left while a run works with another's answer."""
        if self.run.ended:
            return ()
        return tuple(i for i in self.interrupts if i.status is InterruptStatus.OPEN)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. ``cursor`` asks for the next one and is None on the last."""

    items: tuple[T, ...]
    cursor: str | None = None
