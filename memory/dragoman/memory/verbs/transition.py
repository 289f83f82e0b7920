"""Status changes of a run: what goes with each of them, whichever verb makes it.

``end``, ``park``, ``requeue`` change the row in hand and what hangs on it (open interrupts, the parent run) and add the
event; ``store`` writes the row. A rolled-back run is forgotten when it ends. Verbs call these; every change passes
``check_transition``.
"""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.memory.codec import dumps
from dragoman.memory.conversation import closed
from dragoman.memory.ids import short_digest
from dragoman.memory.ledger import NewInterrupt
from dragoman.memory.model import Failure, Json, RunStatus, check_transition
from dragoman.memory.setup import setup_of
from dragoman.memory.statements import SQL
from dragoman.memory.threads import ThreadTtl
from dragoman.memory.verbs import facets
from dragoman.memory.verbs.branch import return_to
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.rows import RunRow, dump_failure, dump_optional, interrupt_of, load
from dragoman.memory.verbs.thread_log import ThreadLog
from dragoman.memory.verbs.ttl import set_ttl
from dragoman.memory.verbs.tx import Tx

__all__ = ["end", "forget", "open_interrupt", "park", "requeue", "store", "withdraw"]

_CHANGE_STATUS = RowsLater(SQL["change_status"])
_STATE_BY_ID = SQL["run_state_by_id"]
_WAKE = SQL["wake_run"]
_CHILD_SETTLED = SQL["note_child_settled"]
_UNBLOCK = SQL["unblock_next"]
_SET_THREAD_STATUS = SQL["set_thread_status"]
_WITHDRAW_ALL = SQL["withdraw_interrupts"]
_WITHDRAW = SQL["withdraw_interrupt"]
_INTERRUPTS = SQL["interrupts_of_run"]
_INSERT_INTERRUPT = SQL["insert_interrupt"]
_REOPEN = SQL["reopen_interrupt"]
_FORGET = tuple(
    SQL[f"delete_{name}"]
    for name in (
        "steps_of_run",
        "interrupts_of_run",
        "artifacts_of_run",
        "dead_letters_of_run",
        "delivery_secrets_of_run",
        "deliveries_of_run",
        "run",
    )
)


def end(
    tx: Tx,
    row: RunRow,
    log: ThreadLog,
    now: int,
    status: RunStatus,
    *,
    output: Json = None,
    failure: Failure | None = None,
    reason: str = "",
) -> None:
    """End a run: open interrupts are withdrawn, the parent is woken, the event of the status is added."""
    check_transition(RunStatus(row.status), status)
    row.changed(now)
    row.status = status
    row.ended_at = now
    row.wake_at = None
    row.output = dump_optional(output)
    row.failure = dump_failure(failure)
    withdraw(tx, row)
    if row.rollback:
        _restore_values(row, log, now)
    elif status is RunStatus.CANCELLED and log.checkpoint:
        _close_calls(row, log, now)
    if row.setup is not None:
        _expire_thread(tx, row, now)
    if status is RunStatus.SUCCEEDED:
        log.add(row.id, "run.succeeded", {"output": output})
    elif status is RunStatus.CANCELLED:
        log.add(row.id, "run.cancelled", {"reason": reason})
    else:
        log.add(row.id, "run.failed", load(row.failure) or {})
    if row.parent_run_id is not None:
        _wake_parent(tx, row, row.parent_run_id, now)
    tx.pace.ended(now)


def _restore_values(row: RunRow, log: ThreadLog, now: int) -> None:
    if row.attempt == 0:
        return  # it changed nothing, and others may have
    base = row.base_checkpoint
    if row.setup is not None and setup_of(load(row.setup)).from_checkpoint is not None:
        base = max(base - 1, 0)  # what the thread had before the run took it back
    if log.checkpoint != base:
        return_to(log, row.id, base, now)


def _close_calls(row: RunRow, log: ThreadLog, now: int) -> None:
    """Give each call of a tool in the thread's messages that has no result one that says so."""
    values = log.values()
    messages = values.get("messages") or ()
    whole = closed(messages)
    if whole is None:
        return
    log.save_values({**values, "messages": whole}, now, row.id)
    data: dict[str, Json] = {"values": {}, "checkpoint": log.checkpoint}
    if whole[: len(messages)] == messages:
        data["messages"] = whole[len(messages) :]
    else:
        data["values"] = {"messages": whole}
    log.add(row.id, "values", data)


def _expire_thread(tx: Tx, row: RunRow, now: int) -> None:
    if setup_of(load(row.setup)).forget:
        set_ttl(tx, row.tenant, row.thread_id, ThreadTtl(1), now)


def _wake_parent(tx: Tx, child: RunRow, parent_id: str, now: int) -> None:
    found = tx.execute(_STATE_BY_ID, (child.tenant, parent_id)).fetchone()
    if found is None:
        return
    parent = RunRow(*found)
    if parent.status == RunStatus.QUEUED:
        tx.execute(_WAKE, (now, parent.tenant, parent.id))
    elif parent.status == RunStatus.RUNNING:
        # It may be about to sleep on what it read of the child before this.
        tx.execute(_CHILD_SETTLED, (parent.tenant, parent.id))
        tx.running.pop((parent.tenant, parent.id), None)
    elif parent.status == RunStatus.WAITING:
        # It asks what its child asked before; the child has ended, or asks something new.
        requeue(parent, now)
        _write_row(tx, parent)
        tx.execute(_SET_THREAD_STATUS, ("busy", parent.tenant, parent.thread_id))
        tx.heads.pop((parent.tenant, parent.thread_id), None)


def park(tx: Tx, row: RunRow, log: ThreadLog, now: int, named: Sequence[str], wake_at: int | None = None) -> None:
    """Let a run wait for its open interrupts; those that ``named`` leaves out are withdrawn. ``wake_at`` is when
    another branch of the run has something to do, whoever has answered by then.

    An interrupt may be answered by someone, or expire, while the run that asked it is still on its way here, and a
    child that another branch waits for may have settled. There is nothing to wait for then: the run goes straight back
    to the queue.
    """
    check_transition(RunStatus(row.status), RunStatus.WAITING)
    found = [interrupt_of(i) for i in tx.execute(_INTERRUPTS, (row.tenant, row.id))] if row.interrupts else []
    overtaken = any(i.key in named and i.status in ("answered", "expired") for i in found)
    if overtaken or (wake_at is not None and row.woken):
        requeue(row, now)
        return
    for left in found:
        if left.status == "open" and left.key not in named:
            tx.execute(_WITHDRAW, (row.tenant, row.id, left.key))
    still = [i for i in found if i.status == "open" and i.key in named]
    row.changed(now)
    row.status = RunStatus.WAITING
    times = [i.expires_at for i in still if i.expires_at is not None]
    row.wake_at = min(times if wake_at is None else [*times, wake_at], default=None)
    questions = [
        {"key": i.key, "id": i.id, "kind": i.kind, "message": i.message, "schema": i.schema, "payload": i.payload}
        for i in still
    ]
    log.add(row.id, "run.waiting", {"interrupts": questions})
    if row.parent_run_id is not None:
        _wake_parent(tx, row, row.parent_run_id, now)


def withdraw(tx: Tx, row: RunRow) -> None:
    """Withdraw the open interrupts of a run."""
    if row.interrupts:
        tx.execute(_WITHDRAW_ALL, (row.tenant, row.id))


def requeue(row: RunRow, now: int, wake_at: int | None = None) -> None:
    """Put a run back into the queue, asleep until ``wake_at`` if that is given. A queued one stays queued, awake."""
    if row.status != RunStatus.QUEUED:
        check_transition(RunStatus(row.status), RunStatus.QUEUED)
    row.changed(now)
    row.status = RunStatus.QUEUED
    row.wake_at = wake_at


def open_interrupt(tx: Tx, row: RunRow, new: NewInterrupt, known: dict[str, str], now: int) -> None:
    """Open a question; ``known`` is the status of the run's earlier ones by key. One that is open stays as it is."""
    schema, payload = dumps(new.schema), dumps(new.payload)
    status = known.get(new.key)
    if status is None:
        row.interrupts += 1
        id_ = short_digest(row.id, new.key)
        tx.execute(
            _INSERT_INTERRUPT,
            (
                row.tenant,
                row.id,
                new.key,
                row.thread_id,
                id_,
                new.kind,
                new.message,
                row.interrupts,
                now,
                new.expires_at,
                schema,
                payload,
            ),
        )
    elif status == "withdrawn":
        tx.execute(_REOPEN, (new.message, new.expires_at, schema, payload, row.tenant, row.id, new.key))


def store(tx: Tx, row: RunRow, log: ThreadLog) -> None:
    """Write a row whose status has changed, and settle its thread's status in the log, which the caller flushes. What
    waited for it in its thread may start."""
    if row.ended_at is not None and row.rollback:
        forget(tx, row)
        log.settle_status_without(row.ordinal)
    else:
        log.settle_status(row.status, row.ordinal, alone=row.alone)
        _write_row(tx, row)  # after what is read of other runs, so that it may be written with what others write
    if log.has_queued:
        tx.execute(_UNBLOCK, (row.tenant, row.thread_id))


def _write_row(tx: Tx, row: RunRow) -> None:
    tx.running.pop((row.tenant, row.id), None)
    tx.put(
        _CHANGE_STATUS,
        (
            str(row.status),
            row.updated_at,
            row.output,
            row.failure,
            row.crashes,
            row.ended_at,
            row.wake_at,
            row.interrupts,
            row.artifacts,
            row.emitted,
            row.ordinal,
            row.tenant,
            row.id,
        ),
    )


def forget(tx: Tx, row: RunRow) -> None:
    """Delete an ended run and what belongs to it, except its events."""
    tx.running.pop((row.tenant, row.id), None)
    if row.metadata != b"{}":
        facets.drop(tx, row.tenant, "run", load(row.metadata), row.ordinal)
    for statement in _FORGET:
        tx.execute(statement, (row.tenant, row.id))
