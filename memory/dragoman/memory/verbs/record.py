"""The verb ``record``: a run that has ended before it was opened is written once, as it is."""

from __future__ import annotations

from dragoman.memory.errors import Conflict
from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import Batch, Submission, Submitted
from dragoman.memory.model import TERMINAL, RunStatus, ThreadStatus
from dragoman.memory.statements import SQL
from dragoman.memory.verbs import facets
from dragoman.memory.verbs.commit import save_values
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.rows import RunRow, load, run_of
from dragoman.memory.verbs.submit import add_opening, new_row
from dragoman.memory.verbs.thread_log import ThreadLog
from dragoman.memory.verbs.transition import end
from dragoman.memory.verbs.tx import Tx

__all__ = ["record"]

_INSERT = RowsLater(SQL["insert_ended_run"])


def record(tx: Tx, s: Submission, batch: Batch, began: int) -> Submitted:
    """See ``Ledger.record``."""
    change = batch.change
    if change is None or change.status not in TERMINAL or batch.steps or batch.interrupts or batch.artifacts:
        raise Conflict("Only a run that has ended without steps, questions and artifacts is recorded at once.")
    if s.idempotency_key is not None:
        known = tx.run_by_key(s.tenant, s.idempotency_key)
        if known is not None:
            return Submitted(run_of(known), (), created=False)
    now = now_micros()
    log = ThreadLog(tx, s.tenant, s.thread_id or uuid7())
    row = new_row(s, log, began, running=True, wake_at=None)
    row.emitted = batch.emitted
    add_opening(log, s, row.id, born=True)
    for event in batch.events:
        log.add(row.id, event.type, event.data)
    if batch.values is not None or batch.messages:
        save_values(row, log, batch, now)
    end(tx, row, log, now, change.status, output=change.output, failure=change.failure)
    _insert(tx, row, s.idempotency_key)
    log.status = ThreadStatus.ERROR if change.status is RunStatus.FAILED else ThreadStatus.IDLE
    return Submitted(row.run(), log.flush(now, insert=s.thread_metadata))


def _insert(tx: Tx, row: RunRow, idempotency_key: str | None) -> None:
    row.ordinal = tx.next_run_ordinal()
    tx.later(
        _INSERT,
        (
            row.ordinal,
            row.tenant,
            row.id,
            row.thread_id,
            row.agent,
            row.agent_version,
            str(row.status),
            row.created_at,
            row.updated_at,
            row.subject,
            row.started_at,
            row.ended_at,
            idempotency_key,
            row.emitted,
            row.metadata,
            row.input,
            row.message,
            row.output,
            row.failure,
            row.setup,
        ),
    )
    if row.metadata != b"{}":
        facets.add(tx, row.tenant, "run", load(row.metadata), row.ordinal)
