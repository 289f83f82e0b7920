"""The verb ``fork``: a new run on a new thread whose journal is the beginning of another run's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dragoman.memory.errors import InputInvalid
from dragoman.memory.ids import now_micros, short_digest, uuid7
from dragoman.memory.ledger import Submitted
from dragoman.memory.model import Json, RunStatus, ThreadStatus
from dragoman.memory.statements import SQL
from dragoman.memory.threads import CheckpointNotFound
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.rows import RunRow, load
from dragoman.memory.verbs.signals import find_row
from dragoman.memory.verbs.submit import insert_run
from dragoman.memory.verbs.thread_log import ThreadLog, merged
from dragoman.memory.verbs.tx import Tx

__all__ = ["fork"]

_STEP_AT = SQL["step_at_position"]
_STEPS_UNTIL = SQL["steps_until"]
_COPIED_STEP = RowsLater(SQL["insert_final_step"])
_ANSWERED = SQL["answered_until"]
_COPIED_INTERRUPT = SQL["insert_answered_interrupt"]


def fork(
    tx: Tx, tenant: str, run_id: str, at_step: int, new_run_id: str, patch: Mapping[str, Json] | None
) -> Submitted:
    """See ``Ledger.fork``. Questions answered before the step keep their answers; the others are asked again."""
    old = find_row(tx, tenant, run_id)
    now = now_micros()
    checkpoint, until = old.base_checkpoint, 0
    if at_step:
        found = tx.execute(_STEP_AT, (tenant, run_id, at_step)).fetchone() if at_step > 0 else None
        if found is None:
            raise InputInvalid(f"The run has {old.steps} finished steps; it cannot be forked at step {at_step}.")
        checkpoint, until = found
    log = ThreadLog(tx, tenant, uuid7(), status=ThreadStatus.BUSY)
    theirs = ThreadLog.of_run(tx, tenant, old.thread_id)
    if checkpoint and not theirs.has_checkpoint(checkpoint):
        raise CheckpointNotFound(f"The thread's state at step {at_step} is not kept any more.")
    values = merged(theirs.values_at(checkpoint), patch)
    if values:
        log.save_values(values, now, None)
    row = _forked(old, new_run_id, log, at_step, now)
    insert_run(tx, row, 1, None, None, 0)
    _copy_steps(tx, old, row, at_step)
    if until:
        row.interrupts = _copy_answers(tx, old, row, until)
    opened: dict[str, Json] = {"agent": row.agent, "forked_from": {"run_id": run_id, "at_step": at_step}}
    if row.message is not None:
        opened["message"] = load(row.message)
    log.add(new_run_id, "run.queued", opened)
    return Submitted(row.run(), log.flush(now, insert={}))


def _forked(old: RunRow, new_id: str, log: ThreadLog, at_step: int, now: int) -> RunRow:
    return replace(
        old,
        id=new_id,
        thread_id=log.id,
        status=RunStatus.QUEUED,
        created_at=now,
        updated_at=now,
        output=None,
        failure=None,
        attempt=0,
        crashes=0,
        started_at=None,
        ended_at=None,
        wake_at=None,
        cancel_requested=0,
        parent_run_id=None,
        interrupts=0,
        artifacts=0,
        emitted=0,
        base_checkpoint=log.checkpoint,
        steps=at_step,
        rollback=0,
        woken=0,
        cancel_reason="",
        made=None,
    )


def _copy_steps(tx: Tx, old: RunRow, new: RunRow, at_step: int) -> None:
    """Read and written again, not copied by the database: what is sealed is sealed to its row."""
    for key, status, digest, position, at, *told in tx.execute(_STEPS_UNTIL, (old.tenant, old.id, at_step)).fetchall():
        values = (new.tenant, new.id, key, status, digest, position, new.base_checkpoint, at, *told)
        tx.later(_COPIED_STEP, values)


def _copy_answers(tx: Tx, old: RunRow, new: RunRow, until: int) -> int:
    rows = tx.execute(_ANSWERED, (old.tenant, old.id, until)).fetchall()
    for position, (_, _, key, _, *told) in enumerate(rows, 1):
        values = (new.tenant, new.id, new.thread_id, key, short_digest(new.id, key), *told, position)
        tx.execute(_COPIED_INTERRUPT, values)
    if rows:
        tx.execute(SQL["count_interrupts"], (len(rows), new.ordinal))
    return len(rows)
