"""Threads: the verbs that change them, and reading them and their checkpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from dragoman.memory.errors import Conflict, ThreadNotFound
from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import ThreadFilter
from dragoman.memory.model import Checkpoint, Json, Thread, ThreadStatus
from dragoman.memory.sqlite import history
from dragoman.memory.sqlite.matching import holds, needle
from dragoman.memory.sqlite.rows import dump_mapping, thread_of
from dragoman.memory.sqlite.thread_log import ThreadLog, merged
from dragoman.memory.sqlite.tx import Tx
from dragoman.memory.statements import SQL

__all__ = [
    "copy_thread",
    "create_thread",
    "delete_thread",
    "read_checkpoints",
    "read_thread",
    "read_threads",
    "update_thread",
]

_BY_ID = SQL["thread_by_id"]
_EXISTS = SQL["thread_exists"]
_NEWEST = SQL["threads_newest"]
_IN_STATUS = {
    ThreadStatus.IDLE: SQL["threads_newest"],
    ThreadStatus.BUSY: SQL["threads_busy"],
    ThreadStatus.INTERRUPTED: SQL["threads_needing_attention"],
    ThreadStatus.ERROR: SQL["threads_needing_attention"],
}
_SET_METADATA = SQL["set_thread_metadata"]
_COPY_CHECKPOINTS = SQL["copy_checkpoints"]
_ACTIVE = SQL["active_runs_of_thread"]
# What belongs to runs first: it is found through them.
_DELETE = tuple(
    SQL[f"delete_{name}"]
    for name in (
        "steps_of_thread",
        "interrupts_of_thread",
        "artifacts_of_thread",
        "dead_letters_of_thread",
        "delivery_secrets_of_thread",
        "deliveries_of_thread",
        "runs_of_thread",
        "events_of_thread",
        "checkpoints_of_thread",
        "crons_of_thread",
        "thread",
    )
)
_MAX_INT = 2**63 - 1


def create_thread(
    tx: Tx,
    tenant: str,
    thread_id: str | None,
    metadata: Mapping[str, Json],
    values: Mapping[str, Json] | None,
    exist_ok: bool,
) -> Thread:
    """See ``Ledger.create_thread``."""
    if thread_id is not None and tx.execute(_EXISTS, (tenant, thread_id)).fetchone():
        if exist_ok:
            return _get(tx, tenant, thread_id)
        raise Conflict(f"There is a thread {thread_id!r} already.")
    now = now_micros()
    log = ThreadLog(tx, tenant, thread_id or uuid7())
    if content := merged({}, values):
        log.save_values(content, now, None)
    log.flush(now, insert=metadata)
    return _get(tx, tenant, log.id)


def update_thread(
    tx: Tx,
    tenant: str,
    thread_id: str,
    metadata: Mapping[str, Json] | None,
    values: Mapping[str, Json] | None,
    messages: Sequence[Mapping[str, Json]],
) -> Thread:
    """See ``Ledger.update_thread``. None deletes a key of the metadata, as it does of the values."""
    log = _log(tx, tenant, thread_id)
    now = now_micros()
    if values is not None or messages:
        log.save_values(merged(log.values(), values, messages), now, None)
    log.flush(now)
    if metadata is not None:
        known = _get(tx, tenant, thread_id).metadata
        tx.execute(_SET_METADATA, (dump_mapping(merged(known, metadata)), now, tenant, thread_id))
    return _get(tx, tenant, thread_id)


def copy_thread(tx: Tx, tenant: str, thread_id: str) -> Thread:
    """See ``Ledger.copy_thread``."""
    old = _get(tx, tenant, thread_id)
    log = ThreadLog(tx, tenant, uuid7(), checkpoint=old.checkpoint)
    log.flush(now_micros(), insert=old.metadata)
    tx.execute(_COPY_CHECKPOINTS, (log.id, tenant, thread_id))
    return _get(tx, tenant, log.id)


def delete_thread(tx: Tx, tenant: str, thread_id: str) -> None:
    """See ``Ledger.delete_thread``."""
    _log(tx, tenant, thread_id)
    if tx.execute(_ACTIVE, (tenant, thread_id)).fetchone():
        raise Conflict(f"The thread {thread_id!r} has an active run; cancel it first.")
    tx.heads.pop((tenant, thread_id), None)
    for statement in _DELETE:
        tx.execute(statement, (tenant, thread_id))


def _get(tx: Tx, tenant: str, thread_id: str) -> Thread:
    row = tx.execute(_BY_ID, (tenant, thread_id)).fetchone()
    if row is None:
        raise ThreadNotFound(f"No thread {thread_id!r}.")
    return thread_of(row)


def _log(tx: Tx, tenant: str, thread_id: str) -> ThreadLog:
    log = ThreadLog.find(tx, tenant, thread_id)
    if log is None:
        raise ThreadNotFound(f"No thread {thread_id!r}.")
    return log


def read_thread(db: sqlite3.Connection, tenant: str, thread_id: str) -> Thread:
    """See ``Ledger.thread``."""
    row = db.execute(_BY_ID, (tenant, thread_id)).fetchone()
    if row is None:
        raise ThreadNotFound(f"No thread {thread_id!r}.")
    return thread_of(row)


def read_threads(db: sqlite3.Connection, tenant: str, where: ThreadFilter, limit: int, offset: int) -> Sequence[Thread]:
    """See ``Ledger.threads``."""
    found: list[Thread] = []
    for row in _candidates(db, tenant, where):
        thread = thread_of(row)
        if not holds(thread.metadata, where.metadata) or not holds(thread.values, where.values):
            continue
        if offset:
            offset -= 1
            continue
        if len(found) == limit:
            break
        found.append(thread)
    return found


def _candidates(db: sqlite3.Connection, tenant: str, where: ThreadFilter) -> sqlite3.Cursor:
    sql = _NEWEST if where.status is None else _IN_STATUS[where.status]
    status = None if where.status is None else str(where.status)
    return db.execute(sql, (tenant, status, needle(where.metadata), needle(where.values)))


def read_checkpoints(
    db: sqlite3.Connection, tenant: str, thread_id: str, limit: int, before: int | None
) -> Sequence[Checkpoint]:
    """See ``Ledger.checkpoints``."""
    if db.execute(_EXISTS, (tenant, thread_id)).fetchone() is None:
        raise ThreadNotFound(f"No thread {thread_id!r}.")
    until = _MAX_INT if before is None else before
    db.execute("BEGIN")  # one snapshot: what is whole now may be a difference in a moment
    try:
        return history.read_before(db.execute, tenant, thread_id, until, limit)
    finally:
        db.execute("COMMIT")
