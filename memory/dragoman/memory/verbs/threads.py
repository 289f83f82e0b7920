"""Threads: the verbs that change them, and reading their checkpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from dragoman.memory.conversation import joined
from dragoman.memory.errors import Conflict, ThreadNotFound
from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.model import NO_RUN, Checkpoint, Json, Thread
from dragoman.memory.statements import SQL
from dragoman.memory.threads import CheckpointNotFound, Revision, ThreadTtl
from dragoman.memory.verbs import facets, history, value_index
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.rows import dump_mapping, load, thread_of
from dragoman.memory.verbs.thread_log import ThreadLog, merged
from dragoman.memory.verbs.ttl import set_ttl
from dragoman.memory.verbs.tx import Tx

__all__ = [
    "copy_thread",
    "create_thread",
    "delete_thread",
    "find_log",
    "read_checkpoints",
    "remove_thread",
    "revise_thread",
    "update_thread",
]

_BY_ID = SQL["thread_by_id"]
_EXISTS = SQL["thread_exists"]
_SET_METADATA = SQL["set_thread_metadata"]
_ALL_CHECKPOINTS = SQL["all_checkpoints"]
_COPIED_CHECKPOINT = RowsLater(SQL["insert_copied_checkpoint"])
_ACTIVE = SQL["active_runs_of_thread"]
_WITH_METADATA = SQL["runs_with_metadata"]
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
    ttl: ThreadTtl | None,
    revisions: Sequence[Revision],
) -> Thread:
    """See ``ThreadLedger.create_thread``."""
    if thread_id is not None and tx.execute(_EXISTS, (tenant, thread_id)).fetchone():
        if exist_ok:
            return _get(tx, tenant, thread_id)
        raise Conflict(f"There is a thread {thread_id!r} already.")
    now = now_micros()
    log = ThreadLog(tx, tenant, thread_id or uuid7())
    if content := merged({}, values):
        log.save_values(content, now, None)
    for revision in revisions:
        _revise(log, revision, now)
    log.flush(now, insert=metadata)
    if ttl is not None:
        set_ttl(tx, tenant, log.id, ttl, now)
    return _get(tx, tenant, log.id)


def revise_thread(tx: Tx, tenant: str, thread_id: str, revisions: Sequence[Revision], base: int | None) -> Thread:
    """See ``ThreadLedger.revise_thread``."""
    log = find_log(tx, tenant, thread_id)
    now = now_micros()
    if base is not None and not log.has_checkpoint(base):
        raise CheckpointNotFound(f"The thread {thread_id!r} has no such checkpoint.")
    for revision in revisions:
        _revise(log, revision, now, base)
        base = None
    log.flush(now)
    return _get(tx, tenant, thread_id)


def _revise(log: ThreadLog, revision: Revision, now: int, base: int | None = None) -> None:
    old = log.values() if base is None else log.values_at(base)
    new = merged(old, revision.values)
    if revision.messages:
        new["messages"] = joined(old.get("messages") or (), revision.messages)
    _save(log, new, now, base, revision.metadata)


def _save(
    log: ThreadLog,
    values: Mapping[str, Json],
    now: int,
    base: int | None = None,
    metadata: Mapping[str, Json] | None = None,
) -> None:
    """Make a checkpoint that no run made, and tell those who watch the thread of it."""
    parent = log.checkpoint if base is None else base
    log.save_values(values, now, None, parent=base, metadata=metadata)
    log.add(NO_RUN, "values", {"checkpoint": log.checkpoint, "parent": parent, "source": "update"})


def update_thread(
    tx: Tx,
    tenant: str,
    thread_id: str,
    metadata: Mapping[str, Json] | None,
    values: Mapping[str, Json] | None,
    messages: Sequence[Mapping[str, Json]],
) -> Thread:
    """See ``Ledger.update_thread``. None deletes a key of the metadata, as it does of the values."""
    log = find_log(tx, tenant, thread_id)
    now = now_micros()
    if values is not None or messages:
        _save(log, merged(log.values(), values, messages), now)
    log.flush(now)
    if metadata is not None:
        known = _get(tx, tenant, thread_id)
        new = merged(known.metadata, metadata)
        facets.drop(tx, tenant, "thread", known.metadata, known.ordinal)
        facets.add(tx, tenant, "thread", new, known.ordinal, thread_id)
        tx.execute(_SET_METADATA, (dump_mapping(new), now, tenant, thread_id))
    return _get(tx, tenant, thread_id)


def copy_thread(tx: Tx, tenant: str, thread_id: str) -> Thread:
    """See ``Ledger.copy_thread``."""
    old = _get(tx, tenant, thread_id)
    log = ThreadLog(tx, tenant, uuid7(), checkpoint=old.checkpoint)
    log.flush(now_micros(), insert=old.metadata, values=old.values)
    # Read and written again: what is sealed is sealed to its row.
    for row in tx.execute(_ALL_CHECKPOINTS, (tenant, thread_id)).fetchall():
        tx.later(_COPIED_CHECKPOINT, (tenant, log.id, *row))
    return _get(tx, tenant, log.id)


def delete_thread(tx: Tx, tenant: str, thread_id: str) -> None:
    """See ``Ledger.delete_thread``."""
    find_log(tx, tenant, thread_id)
    if tx.execute(_ACTIVE, (tenant, thread_id)).fetchone():
        raise Conflict(f"The thread {thread_id!r} has an active run; cancel it first.")
    remove_thread(tx, tenant, thread_id)


def remove_thread(tx: Tx, tenant: str, thread_id: str) -> None:
    """Delete a thread that has no active run, and all that hangs on it."""
    thread = _get(tx, tenant, thread_id)
    facets.drop(tx, tenant, "thread", thread.metadata, thread.ordinal)
    value_index.drop_values(tx, tenant, thread_id, thread.values, thread.ordinal)
    for ordinal, metadata in tx.execute(_WITH_METADATA, (tenant, thread_id)).fetchall():
        facets.drop(tx, tenant, "run", load(metadata), ordinal)
    tx.heads.pop((tenant, thread_id), None)
    for statement in _DELETE:
        tx.execute(statement, (tenant, thread_id))


def _get(tx: Tx, tenant: str, thread_id: str) -> Thread:
    row = tx.execute(_BY_ID, (tenant, thread_id)).fetchone()
    if row is None:
        raise ThreadNotFound(f"No thread {thread_id!r}.")
    return thread_of(row)


def find_log(tx: Tx, tenant: str, thread_id: str) -> ThreadLog:
    """The log of a thread. Raises ``ThreadNotFound``."""
    log = ThreadLog.find(tx, tenant, thread_id)
    if log is None:
        raise ThreadNotFound(f"No thread {thread_id!r}.")
    return log


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
