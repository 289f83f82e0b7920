"""The verbs from outside a run: ``cancel``, ``answer``, ``wake``, ``delete_run``."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.memory.codec import dumps
from dragoman.memory.errors import Conflict, RunEnded, RunNotFound
from dragoman.memory.ids import now_micros
from dragoman.memory.model import TERMINAL, Event, Json, Run, RunStatus
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.rows import RunRow
from dragoman.memory.verbs.thread_log import ThreadLog
from dragoman.memory.verbs.transition import end, forget, requeue, store
from dragoman.memory.verbs.tx import Tx

__all__ = ["answer", "cancel", "cancel_row", "delete_run", "find_row", "wake"]

_STATE_BY_ID = SQL["run_state_by_id"]
_REQUEST_CANCEL = SQL["request_cancel"]
_ANSWER = SQL["answer_interrupt"]
_STATUSES = SQL["interrupt_statuses_of_run"]
_WAKE = SQL["wake_run"]


def find_row(tx: Tx, tenant: str, run_id: str) -> RunRow:
    """The run for a change. Raises ``RunNotFound``."""
    found = tx.execute(_STATE_BY_ID, (tenant, run_id)).fetchone()
    if found is None:
        raise RunNotFound(f"No run {run_id!r}.")
    return RunRow(*found)


def cancel(tx: Tx, tenant: str, run_id: str, reason: str, rollback: bool = False) -> tuple[Run, tuple[Event, ...]]:
    """See ``Ledger.cancel``."""
    row = find_row(tx, tenant, run_id)
    if row.status == RunStatus.CANCELLED:
        return row.run(), ()
    if row.status in TERMINAL:
        raise RunEnded(f"The run has ended ({row.status}); it cannot be cancelled.")
    now = now_micros()
    log = ThreadLog.of_run(tx, tenant, row.thread_id)
    if not cancel_row(tx, row, log, now, reason, rollback=rollback):
        return row.run(), ()
    return row.run(), log.flush(now)


def cancel_row(tx: Tx, row: RunRow, log: ThreadLog, now: int, reason: str, *, rollback: bool = False) -> bool:
    """Cancel one active run within a larger change; whether it ended. The caller flushes the log."""
    if row.status == RunStatus.RUNNING:
        if not row.cancel_requested or rollback:
            row.changed(now)
            row.cancel_requested = 1
            tx.execute(_REQUEST_CANCEL, (reason, int(rollback), now, row.ordinal, row.tenant, row.id))
            tx.running.pop((row.tenant, row.id), None)
        return False
    row.rollback = int(rollback or row.rollback)
    end(tx, row, log, now, RunStatus.CANCELLED, reason=reason)
    store(tx, row, log)
    return True


def answer(tx: Tx, tenant: str, run_id: str, answers: Mapping[str, Json], by: str) -> tuple[Run, tuple[Event, ...]]:
    """See ``Ledger.answer``. A run on its way to an open question is not disturbed: it finds the answer when it
    asks."""
    row = find_row(tx, tenant, run_id)
    if row.status in TERMINAL:
        raise RunEnded(f"The run has ended ({row.status}); its questions are withdrawn.")
    now = now_micros()
    for key, value in answers.items():
        if tx.execute(_ANSWER, (dumps(value), by, now, tenant, run_id, key)).rowcount != 1:
            raise Conflict(_refusal(tx, row, key))
    if not answers:
        raise Conflict("No answer was given.")
    log = ThreadLog.of_run(tx, tenant, row.thread_id)
    log.add(run_id, "run.resumed", {"keys": list(answers), "by": by})
    if row.status == RunStatus.RUNNING:
        return row.run(), log.flush(now)
    requeue(row, now)
    store(tx, row, log)
    return row.run(), log.flush(now)


def _refusal(tx: Tx, row: RunRow, key: str) -> str:
    known: dict[str, str] = dict(tx.execute(_STATUSES, (row.tenant, row.id)).fetchall())
    if key not in known:
        asked = ", ".join(repr(name) for name, status in known.items() if status == "open") or "nothing"
        return f"The run does not ask {key!r}; it asks {asked}."
    return f"The question {key!r} is {known[key]}; it takes no answer."


def wake(tx: Tx, tenant: str, run_id: str) -> None:
    """See ``Ledger.wake``."""
    tx.execute(_WAKE, (now_micros(), tenant, run_id))


def delete_run(tx: Tx, tenant: str, run_id: str) -> None:
    """See ``Ledger.delete_run``."""
    row = find_row(tx, tenant, run_id)
    if row.status not in TERMINAL:
        raise Conflict(f"The run is {row.status}; cancel it first.")
    log = ThreadLog.of_run(tx, tenant, row.thread_id)
    forget(tx, row)
    log.settle_status_without(row.ordinal)
    log.flush(now_micros())
