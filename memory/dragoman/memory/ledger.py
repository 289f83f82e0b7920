"""The ledger: the contract of what stores runs. Two real implementations (SQLite, Postgres) pass one suite.

A ledger knows nothing of agents, protocols or coroutines: it keeps what the engine tells it, whole or not at all.
Every verb is one transaction. Every row carries its tenant, and a verb that takes a ``tenant`` sees that tenant's rows
alone: another tenant's run is ``RunNotFound``.

The rules a ledger must keep, whatever happens to the process:

1. What a verb returned is on disk. What it did not return may be there whole, or not at all.
2. A running run is written through ``commit`` alone, and only while the lease's attempt is still the run's; else
``LeaseLost``. 3. The events of a thread are numbered 1, 2, 3, ... without a gap, in commit order; what is committed is
what is replayed. 4. At most one run of a thread is ``running``; the queued ones of a thread start in the order of
their submission. 5. A finished step is never changed, nor its result.
6. An interrupt is answered at most once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from dragoman.memory.admission import ANY_RUN, AdmissionLedger, ClaimTerms
from dragoman.memory.assistants import AssistantLedger
from dragoman.memory.crons import Cron, CronLedger
from dragoman.memory.latest import LatestLedger
from dragoman.memory.model import (
    ApiKey,
    Checkpoint,
    Event,
    Json,
    Page,
    Run,
    RunView,
    Step,
    Thread,
)
from dragoman.memory.outbox import OutboxLedger
from dragoman.memory.replicas import ReplicaLedger
from dragoman.memory.retention import RetentionLedger
from dragoman.memory.store import StoreLedger
from dragoman.memory.threads import ThreadFilter, ThreadLedger
from dragoman.memory.writes import (
    Batch,
    Change,
    Committed,
    Lease,
    NewArtifact,
    NewEvent,
    NewInterrupt,
    NewStep,
    Renewed,
    RunFilter,
    Submission,
    Submitted,
)

__all__ = [
    "Batch",
    "Change",
    "Committed",
    "Lease",
    "Ledger",
    "NewArtifact",
    "NewEvent",
    "NewInterrupt",
    "NewStep",
    "Renewed",
    "RunFilter",
    "Submission",
    "Submitted",
    "ThreadFilter",
]


class Ledger(
    ThreadLedger,
    RetentionLedger,
    OutboxLedger,
    AssistantLedger,
    CronLedger,
    StoreLedger,
    ReplicaLedger,
    LatestLedger,
    AdmissionLedger,
    Protocol,
):
    """The store of runs. All verbs are coroutines, may be called from one event loop, and are safe under cancellation:
    a cancelled caller's write still lands whole or not at all."""

    # -- life ---------------------------------------------------------------------------------------------------------
    async def open(self) -> None:
        """Open and migrate. Raises ``LedgerLocked`` when another process has an embedded ledger open."""
        ...

    async def close(self) -> None:
        """Finish what was handed over, then close. Later writes raise ``LedgerBusy``."""
        ...

    async def ping(self) -> None:
        """Read once; raises ``LedgerBusy`` when the store does not answer."""
        ...

    # -- runs: the write path -----------------------------------------------------------------------------------------
    async def submit(self, submission: Submission, claim_for: str | None = None, lease_s: float = 30.0) -> Submitted:
        """Open a run: idempotency key, thread policy, queue limit, thread, run and the event ``run.queued`` at once.

        With ``claim_for`` (a worker's name) the run is born running if its thread is free, and ``run.started`` is
        written with it; if the thread is busy and the policy is enqueue it is queued and ``lease`` is None.
        Raises ``ThreadNotFound``, ``ThreadBusy`` (policy reject), ``QueueFull``.
        """
        ...

    async def record(self, submission: Submission, batch: Batch, began: int) -> Submitted:
        """Open a run that has ended already: its submission and its last batch at once, on a thread of its own.

        For short runs that nobody has heard of yet; ``began`` is when it was begun, in microseconds. It has no
        deliveries, and the batch holds a terminal change, and neither steps, nor interrupts, nor artifacts. The events
        are those of ``submit`` and ``commit``. A known idempotency key writes nothing and gives the first run.
        """
        ...

    async def fire_cron(
        self,
        cron: Cron,
        next_at: int | None,
        submission: Submission | None,
        claim_for: str | None = None,
        lease_s: float = 30.0,
    ) -> Submitted | None:
        """Move a cron on to ``next_at`` and, with a submission, open its run in the same transaction.

        None, and nothing is written, unless the cron is as it was read (``next_at`` and ``revision``); None too when
        it was moved without a submission. Raises as ``submit``, and then nothing is moved.
        """
        ...

    async def claim(
        self, worker: str, limit: int, lease_s: float = 30.0, terms: ClaimTerms = ANY_RUN
    ) -> Sequence[tuple[Lease, Run, tuple[Event, ...]]]:
        """Take up to ``limit`` due runs, of the tenants with the fewest runs at work, and of a tenant by priority and
        age; raises their attempt and writes ``run.started`` for each.

        A run is due when queued, ``wake_at`` has passed, no run of its thread is running, and no older run of its
        thread is queued.
        """
        ...

    async def renew(self, worker: str, held: Iterable[str], lease_s: float = 30.0) -> Renewed:
        """Extend the worker's leases and tell which of ``held`` are lost or were asked to cancel."""
        ...

    async def sweep(self, max_crashes: int) -> Sequence[tuple[Run, tuple[Event, ...]]]:
        """Take back what is overdue: runs whose lease ran out go back to the queue, or fail when they crashed
        ``max_crashes`` times without a finished step between; waiting runs whose interrupt expired go back to the
        queue. Some of the facts and store items that have expired are removed."""
        ...

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        """Write a batch of a running run: whole, or not at all. Raises ``LeaseLost``."""
        ...

    async def cancel(
        self, tenant: str, run_id: str, reason: str = "", *, rollback: bool = False
    ) -> tuple[Run, tuple[Event, ...]]:
        """Cancel: queued and waiting runs end at once, a running one gets ``cancel_requested``. Idempotent on a
        cancelled run. With ``rollback`` the run is forgotten when it ends, and the thread's values are those that it
        began from. Raises ``RunNotFound``; ``RunEnded`` when it succeeded or failed."""
        ...

    async def answer(
        self, tenant: str, run_id: str, answers: Mapping[str, Json], by: str
    ) -> tuple[Run, tuple[Event, ...]]:
        """Answer open interrupts by key; the run goes back to the queue. All keys or none.

        Values are not checked against the schema here; the engine does. Raises ``RunNotFound``; ``RunEnded``;
        ``Conflict`` when a key is unknown, answered already, expired or withdrawn.
        """
        ...

    async def wake(self, tenant: str, run_id: str) -> None:
        """Make a sleeping run due now; does nothing to others."""
        ...

    async def fork(
        self, tenant: str, run_id: str, at_step: int, new_run_id: str, patch: Mapping[str, Json] | None = None
    ) -> Submitted:
        """A new queued run on a new thread: the old one's input, journal up to the finished step ``at_step`` (its
        ``position``; 0 for none) and the thread's values of then, with ``patch`` merged into the values."""
        ...

    async def delete_run(self, tenant: str, run_id: str) -> None:
        """Forget an ended run, its steps, interrupts and artifacts. Its events stay, so that the log has no gap.
        Raises ``RunNotFound``; ``Conflict`` while it is active."""
        ...

    # -- runs: reading ------------------------------------------------------------------------------------------------
    async def load(self, tenant: str, run_id: str) -> RunView:
        """A run with its interrupts and artifacts. Raises ``RunNotFound``."""
        ...

    async def find_run(self, tenant: str, idempotency_key: str) -> Run | None:
        """The run that was submitted with this key, or None."""
        ...

    async def journal(self, tenant: str, run_id: str) -> Mapping[str, Step]:
        """The run's steps by key."""
        ...

    async def runs(
        self, tenant: str, where: RunFilter, limit: int = 50, cursor: str | None = None, *, bare: bool = False
    ) -> Page[RunView]:
        """Runs, newest first; ``bare`` ones come without their interrupts and artifacts, which may be large.

        Raises ``InputInvalid`` for a cursor that is not ours.
        """
        ...

    async def events(
        self, tenant: str, thread_id: str, after: int = 0, limit: int = 1000, run_id: str | None = None
    ) -> Sequence[Event]:
        """Events of a thread with ``seq > after``, in order; with ``run_id`` only that run's."""
        ...

    async def next_due(self) -> int | None:
        """When the next thing is due that no submission will announce: the earliest ``wake_at``, interrupt expiry or
        lease end, in microseconds."""
        ...

    async def queue_depth(self) -> int:
        """How many runs are queued and due."""
        ...

    # -- threads ------------------------------------------------------------------------------------------------------
    async def thread(self, tenant: str, thread_id: str) -> Thread:
        """One thread. Raises ``ThreadNotFound``."""
        ...

    async def update_thread(
        self,
        tenant: str,
        thread_id: str,
        *,
        metadata: Mapping[str, Json] | None = None,
        values: Mapping[str, Json] | None = None,
        messages: Sequence[Mapping[str, Json]] = (),
    ) -> Thread:
        """Merge metadata (key by key) and values (see ``Batch``); new values make a checkpoint. Raises
        ``ThreadNotFound``."""
        ...

    async def copy_thread(self, tenant: str, thread_id: str) -> Thread:
        """An independent thread with the same values, metadata and checkpoints; no runs, no events."""
        ...

    async def delete_thread(self, tenant: str, thread_id: str) -> None:
        """Forget a thread with its runs and events. Raises ``ThreadNotFound``; ``Conflict`` while a run is active."""
        ...

    async def checkpoints(
        self, tenant: str, thread_id: str, limit: int = 10, before: int | None = None
    ) -> Sequence[Checkpoint]:
        """A thread's checkpoints, newest first, with ``number < before``. Raises ``ThreadNotFound``."""
        ...

    # -- facts --------------------------------------------------------------------------------------------------------
    async def remember(
        self, tenant: str, kind: str, key: str, value: Json, ttl_s: float, only_new: bool = False
    ) -> bool:
        """Keep something small for ``ttl_s`` seconds, in place of what is there; whether it was kept.

        With ``only_new`` one that is there and has not expired stays, and the answer is False: of several who ask at
        once one alone is told True.
        """
        ...

    async def recall(self, tenant: str, kind: str, key: str) -> Json | None:
        """What is kept and has not expired, or None."""
        ...

    async def prolong(self, tenant: str, kind: str, key: str, ttl_s: float) -> bool:
        """Let what is kept expire in ``ttl_s`` seconds; whether it is there. What has expired or was forgotten does not
        come back by it."""
        ...

    async def forget(self, tenant: str, kind: str, key: str) -> bool:
        """Remove it; whether it was there and had not expired."""
        ...

    # -- keys ---------------------------------------------------------------------------------------------------------
    async def add_key(self, key: ApiKey, secret_hash: bytes) -> None:
        """Keep a new key by the SHA-256 of its secret."""
        ...

    async def find_key(self, secret_hash: bytes) -> ApiKey | None:
        """The key with this hash that is not revoked."""
        ...

    async def keys(self, tenant: str | None = None) -> Sequence[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        ...

    async def revoke_key(self, key_id: str) -> bool:
        """Revoke; whether it was there and valid."""
        ...
