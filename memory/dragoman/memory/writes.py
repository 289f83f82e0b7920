"""What the ledger's write path takes and gives: a submission, a lease, a batch and its parts. Part of the contract of
``ledger.py``, which hands these names on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dragoman.memory.model import (
    Event,
    Failure,
    InterruptKind,
    Json,
    Run,
    RunStatus,
    StepStatus,
    ThreadPolicy,
)
from dragoman.memory.outbox import NewDelivery
from dragoman.memory.setup import RunSetup

__all__ = [
    "Batch",
    "Change",
    "Committed",
    "Lease",
    "NewArtifact",
    "NewEvent",
    "NewInterrupt",
    "NewStep",
    "Renewed",
    "RunFilter",
    "Submission",
    "Submitted",
]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append; the ledger numbers and dates it."""

    type: str
    data: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step to journal. A finished or failed row replaces the started one of its key, and is final.
    A started row replaces an earlier started one; its ``result`` is what the step needs to go on."""

    key: str
    status: StepStatus
    digest: str = ""
    result: Json = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class NewInterrupt:
    """A question to open. A key that is open already stays as it is, with its first id and date."""

    key: str
    kind: InterruptKind
    message: str
    schema: Mapping[str, Json]
    payload: Json = None
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """An artifact to keep; an id that exists in the run is replaced (a later version of the same file)."""

    id: str
    name: str
    mime_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """The one status change of a batch.

    ``queued`` with ``wake_at`` is a run asleep until then (microseconds; it is also woken when a child run settles);
    ``queued`` without it is a run handed back. ``waiting`` withdraws the open interrupts that the batch does not name.
    A terminal status withdraws them all, and so does ``queued`` with ``withdraws``: a run asleep that asks nothing.
    """

    status: RunStatus
    output: Json = None
    failure: Failure | None = None
    wake_at: int | None = None
    withdraws: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """All that a running run writes at once.

    ``values`` merges into the thread's values key by key, None deleting a key; ``messages`` are appended to
    ``values["messages"]``. Either makes a checkpoint. ``input`` (when not None) is the run's input, settled late.
    ``emitted`` is added to the run's count. ``deltas_only`` promises that the batch holds nothing but events that
    may be lost in a power failure (never in a crash of the process).
    """

    events: Sequence[NewEvent] = ()
    steps: Sequence[NewStep] = ()
    interrupts: Sequence[NewInterrupt] = ()
    artifacts: Sequence[NewArtifact] = ()
    values: Mapping[str, Json] | None = None
    messages: Sequence[Mapping[str, Json]] = ()
    change: Change | None = None
    input: Json = None
    emitted: int = 0
    deltas_only: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a running run. The attempt is the fence."""

    tenant: str
    run_id: str
    thread_id: str
    worker: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit wrote: the run as it is now, the batch's events with their numbers, and the thread's values where
    the batch changed them."""

    run: Run
    events: tuple[Event, ...]
    values: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """A run to open.

    ``idempotency_key`` is unique in the tenant: a second submission with it returns the first run, and writes nothing.
    ``thread_id`` None makes a thread for this run; an unknown id is ``ThreadNotFound`` unless ``create_thread``.
    ``new_thread`` says that the id was made for this run: no thread has it, and none is looked for.
    ``queue_limit`` bounds the queue of runs that wait for a worker, ``tenant_queue_limit`` the tenant's own; a run that
    is born claimed is not counted. It is born queued while ``agent_limit`` runs of its agent or ``tenant_limit`` of its
    tenant are running, and with ``in_turn`` while one of its tenant is due. ``priority`` is one of ``PRIORITIES``.
    ``run_id`` lets the engine choose the id. ``deliveries`` are kept with the run, due at once.
    """

    tenant: str
    agent: str
    agent_version: str
    run_id: str
    input: Json = None
    message: Mapping[str, Json] | None = None
    subject: str = ""
    thread_id: str | None = None
    create_thread: bool = True
    new_thread: bool = False
    thread_metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])
    policy: ThreadPolicy = ThreadPolicy.ENQUEUE
    idempotency_key: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])
    parent_run_id: str | None = None
    wake_at: int | None = None
    queue_limit: int | None = None
    tenant_queue_limit: int | None = None
    agent_limit: int | None = None
    tenant_limit: int | None = None
    in_turn: bool = False
    priority: int = 0
    deliveries: Sequence[NewDelivery] = ()
    setup: RunSetup | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """What ``submit`` did.

    ``lease`` is there when the run was born claimed. ``created`` is False when the idempotency key was known.
    ``displaced`` are the runs that the thread policy ended or asked to end: the ones still running carry
    ``cancel_requested``.
    """

    run: Run
    events: tuple[Event, ...]
    lease: Lease | None = None
    created: bool = True
    displaced: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewed:
    """``lost``: runs whose lease is gone. ``cancel``: runs that someone asked to cancel."""

    lost: tuple[str, ...] = ()
    cancel: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list; None means any. ``metadata`` matches runs that hold all of these top-level pairs."""

    agent: str | None = None
    thread_id: str | None = None
    statuses: frozenset[RunStatus] | None = None
    parent_run_id: str | None = None
    updated_after: int | None = None
    metadata: Mapping[str, Json] | None = None
