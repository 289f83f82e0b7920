"""The verb ``commit``: the only way in which a running run is written, whole and under its fence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.memory.codec import dumps
from dragoman.memory.errors import Conflict, LeaseLost
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Batch, Change, Committed, Lease, NewArtifact, NewStep
from dragoman.memory.model import Json, Run, RunStatus, StepStatus, check_transition
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.contents import to_be_kept
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.rows import RunRow, dump_failure, dump_optional
from dragoman.memory.verbs.thread_log import ThreadLog, merged
from dragoman.memory.verbs.transition import end, open_interrupt, park, requeue, store, withdraw
from dragoman.memory.verbs.tx import Tx

__all__ = ["commit", "save_values"]

_UNDER_LEASE = SQL["run_under_lease"]
_NOTE_PROGRESS = RowsLater(SQL["note_progress"])
_SET_INPUT = RowsLater(SQL["set_input"])
_STARTED_STEP = SQL["insert_started_step"]
_REPLACE_ARTIFACT = SQL["replace_artifact"]
_INSERT_ARTIFACT = SQL["insert_artifact"]
_STATUSES = SQL["interrupt_statuses_of_run"]


def _final_already(rows: Sequence[Any]) -> Conflict:
    keys = ", ".join(repr(key) for key in rows[2::10])
    return Conflict(f"A step is final already: {keys}.")


_FINAL_STEP = RowsLater(SQL["insert_final_step"], _final_already)


def commit(tx: Tx, lease: Lease, batch: Batch) -> Committed:
    """See ``Ledger.commit``. The batch's own events come first, then artifacts, steps, values and the status."""
    row = _held(tx, lease)
    now = now_micros()
    log = ThreadLog.of_run(tx, row.tenant, row.thread_id)
    for event in batch.events:
        log.add(row.id, event.type, event.data)
    if batch.deltas_only and not batch.emitted and batch.change is None:
        return Committed(_kept(tx, lease, row), log.flush(now))
    progress = _progress(tx, row, log, batch, now)
    has_values = batch.values is not None or len(batch.messages) > 0
    if batch.steps:
        _journal(tx, row, log, batch.steps, log.checkpoint + has_values, now)
    values = save_values(row, log, batch, now) if has_values else None
    if batch.change is not None:
        _change(tx, row, log, batch, batch.change, now)
        store(tx, row, log)
        return Committed(row.run(), log.flush(now), values)
    if progress:
        _note_progress(tx, row)
    return Committed(_kept(tx, lease, row), log.flush(now), values)


def _held(tx: Tx, lease: Lease) -> RunRow:
    """The run, if this lease is the one under which it runs. Taken out of memory until the commit has gone well."""
    known = tx.running.pop((lease.tenant, lease.run_id), None)
    if known is not None:
        worker, row = known
        if (worker, row.attempt) == (lease.worker, lease.attempt):
            return row
        raise LeaseLost
    found = tx.execute(_UNDER_LEASE, (lease.tenant, lease.run_id, lease.attempt, lease.worker)).fetchone()
    if found is None:
        raise LeaseLost
    return RunRow(*found)


def _kept(tx: Tx, lease: Lease, row: RunRow) -> Run:
    """The run, which goes on; its row is remembered for the next commit."""
    tx.running[lease.tenant, lease.run_id] = lease.worker, row
    return row.run()


def _progress(tx: Tx, row: RunRow, log: ThreadLog, batch: Batch, now: int) -> bool:
    """Take into the row what its columns tell; whether there was anything."""
    if not (row.crashes or batch.emitted or batch.artifacts or batch.interrupts) and batch.input is None:
        return False  # most steps
    known = (row.emitted, row.artifacts, row.interrupts, row.crashes)
    row.emitted += batch.emitted
    if batch.input is not None:
        row.input = dump_optional(batch.input)
        tx.put(_SET_INPUT, (row.input, row.ordinal, row.tenant, row.id))
    for artifact in batch.artifacts:
        _keep_artifact(tx, row, log, artifact, now)
    if batch.interrupts:
        statuses: dict[str, str] = dict(tx.execute(_STATUSES, (row.tenant, row.id)).fetchall())
        for interrupt in batch.interrupts:
            open_interrupt(tx, row, interrupt, statuses, now)
    if any(step.status is not StepStatus.STARTED for step in batch.steps):
        row.crashes = 0
    moved = batch.input is not None or known != (row.emitted, row.artifacts, row.interrupts, row.crashes)
    if moved or batch.artifacts:
        row.changed(now)
    return moved or len(batch.artifacts) > 0


def _keep_artifact(tx: Tx, row: RunRow, log: ThreadLog, artifact: NewArtifact, now: int) -> None:
    values = (artifact.name, artifact.mime_type, now, to_be_kept(artifact.data), row.tenant, row.id, artifact.id)
    if not row.artifacts or tx.execute(_REPLACE_ARTIFACT, values).rowcount == 0:
        tx.execute(_INSERT_ARTIFACT, values)
        row.artifacts += 1
    log.add(
        row.id,
        "artifact",
        {"id": artifact.id, "name": artifact.name, "mime_type": artifact.mime_type, "size": len(artifact.data)},
    )


def _journal(tx: Tx, row: RunRow, log: ThreadLog, steps: Sequence[NewStep], checkpoint: int, now: int) -> None:
    for step in steps:
        if step.status is StepStatus.STARTED:
            started = (row.tenant, row.id, step.key, step.digest, now, dumps(step.result))
            if tx.execute(_STARTED_STEP, started).rowcount != 1:
                raise Conflict(f"The step {step.key!r} is final already.")
        else:
            row.steps += 1
            tx.later(
                _FINAL_STEP,
                (
                    row.tenant,
                    row.id,
                    step.key,
                    str(step.status),
                    step.digest,
                    row.steps,
                    checkpoint,
                    now,
                    dumps(step.result),
                    dump_failure(step.failure),
                ),
            )
            _add_step_event(row, log, step)


def _add_step_event(row: RunRow, log: ThreadLog, step: NewStep) -> None:
    if step.status is StepStatus.FINISHED:
        log.add(row.id, "step.finished", {"step": step.key, "result": step.result})
    else:
        failure = step.failure
        type_, message = (failure.type, failure.message) if failure else ("", "")
        log.add(row.id, "step.failed", {"step": step.key, "type": type_, "message": message})


def save_values(row: RunRow, log: ThreadLog, batch: Batch, now: int) -> Mapping[str, Json]:
    """Merge a batch's values and messages into the thread's, as a checkpoint; the values as they are then."""
    old = log.values()
    step = next((step.key for step in reversed(batch.steps) if step.status is not StepStatus.STARTED), None)
    values = merged(old, batch.values, batch.messages)
    log.save_values(values, now, row.id, step)
    # The appended messages alone: the whole list in each event would grow the log with the square of a conversation.
    data: dict[str, Json] = {"values": dict(batch.values or {}), "checkpoint": log.checkpoint}
    if batch.messages:
        data["messages"] = list(batch.messages)
    log.add(row.id, "values", data)
    return values


def _note_progress(tx: Tx, row: RunRow) -> None:
    tx.put(
        _NOTE_PROGRESS,
        (
            row.updated_at,
            row.crashes,
            row.interrupts,
            row.artifacts,
            row.emitted,
            row.ordinal,
            row.tenant,
            row.id,
        ),
    )


def _change(tx: Tx, row: RunRow, log: ThreadLog, batch: Batch, change: Change, now: int) -> None:
    check_transition(RunStatus.RUNNING, change.status)
    pausing = change.status in (RunStatus.WAITING, RunStatus.QUEUED)
    if change.status is RunStatus.CANCELLED or (pausing and row.cancel_requested):
        # A run that was asked to cancel ends where it would pause: its worker may not have heard of it.
        reason = row.cancel_reason or (change.failure.message if change.failure else "")
        end(tx, row, log, now, RunStatus.CANCELLED, output=change.output, reason=reason)
    elif change.status is RunStatus.WAITING:
        park(tx, row, log, now, [interrupt.key for interrupt in batch.interrupts], change.wake_at)
    elif change.status is RunStatus.QUEUED:
        if change.withdraws:
            withdraw(tx, row)
        _sleep(row, log, change.wake_at, now)
    else:
        end(tx, row, log, now, change.status, output=change.output, failure=change.failure)


def _sleep(row: RunRow, log: ThreadLog, wake_at: int | None, now: int) -> None:
    if wake_at is not None:
        log.add(row.id, "run.asleep", {"wake_at": wake_at})
    requeue(row, now, None if row.woken else wake_at)
