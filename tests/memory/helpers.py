"""Short words for what the tests of the ledger do over and over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman.memory.ids import uuid7
from dragoman.memory.ledger import (
    Batch,
    Change,
    Committed,
    Lease,
    Ledger,
    NewEvent,
    NewInterrupt,
    NewStep,
    Submission,
    Submitted,
)
from dragoman.memory.model import Event, InterruptKind, Json, Run, RunStatus, StepStatus

TENANT = "acme"
WORKER = "worker-1"
FAR = 4_000_000_000_000_000


def submission(**fields: Any) -> Submission:
    """A submission with a new run id, of which any field may be given."""
    known: dict[str, Any] = {"tenant": TENANT, "agent": "refunds", "agent_version": "1", "run_id": uuid7()}
    return Submission(**{**known, **fields})


async def submit(ledger: Ledger, **fields: Any) -> Run:
    """A queued run."""
    return (await ledger.submit(submission(**fields))).run


async def start(ledger: Ledger, **fields: Any) -> tuple[Run, Lease]:
    """A run born running."""
    born = await ledger.submit(submission(**fields), WORKER)
    assert born.lease is not None
    return born.run, born.lease


async def claim_one(ledger: Ledger, worker: str = WORKER, lease_s: float = 30.0) -> tuple[Run, Lease]:
    """The one run that is due."""
    [(lease, run, _)] = await ledger.claim(worker, 1, lease_s)
    return run, lease


async def finish_step(ledger: Ledger, lease: Lease, key: str, result: Json = None) -> Committed:
    """Journal a finished step."""
    return await ledger.commit(lease, Batch(steps=[NewStep(key, StepStatus.FINISHED, result=result)]))


async def emit(ledger: Ledger, lease: Lease, type: str, **data: Json) -> Committed:
    """Commit one event of the agent."""
    return await ledger.commit(lease, Batch(events=[NewEvent(type, data)], emitted=1))


async def change(ledger: Ledger, lease: Lease, status: RunStatus, **fields: Any) -> Run:
    """Commit a change of status alone."""
    return (await ledger.commit(lease, Batch(change=Change(status, **fields)))).run


def question(key: str, expires_at: int | None = None) -> NewInterrupt:
    """A question that a yes or no answers."""
    return NewInterrupt(key, InterruptKind.APPROVAL, f"{key}?", {"type": "boolean"}, {"about": key}, expires_at)


async def ask(ledger: Ledger, lease: Lease, *keys: str, expires_at: int | None = None) -> Run:
    """Park a run with open questions."""
    batch = Batch(interrupts=[question(key, expires_at) for key in keys], change=Change(RunStatus.WAITING))
    return (await ledger.commit(lease, batch)).run


async def types(ledger: Ledger, thread_id: str, tenant: str = TENANT) -> list[str]:
    """The types of a thread's events, which are checked to be numbered without a gap."""
    events = await ledger.events(tenant, thread_id)
    assert_gapless(events)
    return [event.type for event in events]


def assert_gapless(events: Sequence[Event], after: int = 0) -> None:
    """Numbered 1, 2, 3, ... from ``after``."""
    assert [event.seq for event in events] == list(range(after + 1, after + 1 + len(events)))


def outcome(submitted: Submitted) -> tuple[RunStatus, bool]:
    """What became of a submission: its status, and whether it was born claimed."""
    return submitted.run.status, submitted.lease is not None
