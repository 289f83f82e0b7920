"""Reading runs, steps and events."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from dragoman.memory.errors import RunNotFound
from dragoman.memory.ids import now_micros
from dragoman.memory.model import Event, Run, RunView, Step
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.rows import artifact_of, event_of, interrupt_of, run_of, step_of

__all__ = [
    "ping",
    "read_depth",
    "read_events",
    "read_journal",
    "read_next_due",
    "read_run",
    "read_run_by_key",
    "read_view",
    "view_of",
]

_BY_ID = SQL["run_by_id"]
_BY_KEY = SQL["run_by_idempotency_key"]
_INTERRUPTS = SQL["interrupts_of_run"]
_ARTIFACTS = SQL["artifacts_of_run"]
_STEPS = SQL["steps_of_run"]
_EVENTS = SQL["events_of_thread"]
_EVENTS_OF_RUN = SQL["events_of_run"]
_NEXT_DUE = SQL["next_due"]
_COUNT_DUE = SQL["count_due"]
_MAX_INT = 2**63 - 1
_LAST_OF_RUN = frozenset({"run.succeeded", "run.failed", "run.cancelled"})


def ping(db: sqlite3.Connection) -> None:
    """Read once."""
    db.execute("SELECT 1 FROM migrations LIMIT 1").fetchone()


def read_run(db: sqlite3.Connection, tenant: str, run_id: str) -> Run:
    """The run alone. Raises ``RunNotFound``."""
    row = db.execute(_BY_ID, (tenant, run_id)).fetchone()
    if row is None:
        raise RunNotFound(f"No run {run_id!r}.")
    return run_of(row)


def read_run_by_key(db: sqlite3.Connection, tenant: str, idempotency_key: str) -> Run | None:
    """See ``Ledger.find_run``."""
    row = db.execute(_BY_KEY, (tenant, idempotency_key)).fetchone()
    return None if row is None else run_of(row)


def read_view(db: sqlite3.Connection, tenant: str, run_id: str) -> RunView:
    """See ``Ledger.load``. Within one snapshot, so that a status never meets another moment's questions."""
    db.execute("BEGIN")
    try:
        return view_of(db, read_run(db, tenant, run_id))
    finally:
        db.execute("COMMIT")


def view_of(db: sqlite3.Connection, run: Run) -> RunView:
    """A run with what hangs on it, read only where there is something."""
    key = (run.tenant, run.id)
    return RunView(
        run,
        tuple(map(interrupt_of, db.execute(_INTERRUPTS, key))) if run.interrupts else (),
        tuple(map(artifact_of, db.execute(_ARTIFACTS, key))) if run.artifacts else (),
    )


def read_journal(db: sqlite3.Connection, tenant: str, run_id: str) -> Mapping[str, Step]:
    """See ``Ledger.journal``."""
    return {step.key: step for step in map(step_of, db.execute(_STEPS, (tenant, run_id)))}


def read_events(
    db: sqlite3.Connection, tenant: str, thread_id: str, after: int, limit: int, run_id: str | None
) -> list[Event]:
    """See ``Ledger.events``."""
    if run_id is None:
        return [event_of(thread_id, row) for row in db.execute(_EVENTS, (tenant, thread_id, after, limit))]
    found: list[Event] = []
    for row in db.execute(_EVENTS_OF_RUN, (tenant, run_id, thread_id, after, limit)):
        found.append(event_of(thread_id, row))
        if found[-1].type in _LAST_OF_RUN:
            break
    return found


def read_next_due(db: sqlite3.Connection) -> int | None:
    """See ``Ledger.next_due``."""
    (at,) = db.execute(_NEXT_DUE).fetchone()
    return None if at is None else int(at)


def read_depth(db: sqlite3.Connection) -> int:
    """See ``Ledger.queue_depth``."""
    (depth,) = db.execute(_COUNT_DUE, (now_micros(), _MAX_INT)).fetchone()
    return int(depth)
