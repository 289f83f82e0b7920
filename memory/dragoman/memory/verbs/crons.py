"""The verbs of crons: what is due is moved and its run opened in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import islice

import orjson

from dragoman.memory.codec import dumps
from dragoman.memory.crons import Cron, CronFilter, CronNotFound, CronOrder
from dragoman.memory.errors import Conflict, ThreadNotFound
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Submission, Submitted
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.matching import holds, needle
from dragoman.memory.verbs.rows import Row, dump_mapping
from dragoman.memory.verbs.submit import submit
from dragoman.memory.verbs.thread_log import ThreadLog
from dragoman.memory.verbs.tx import Tx

__all__ = [
    "add_cron",
    "count_crons",
    "delete_cron",
    "fire_cron",
    "postpone_cron",
    "read_cron",
    "read_crons",
    "read_due",
    "read_next",
    "replace_cron",
]

_INSERT = SQL["insert_cron"]
_BY_ID = SQL["cron_by_id"]
_COUNT = SQL["count_all_crons"]
_THREAD = SQL["thread_exists"]
_REPLACE = SQL["replace_cron"]
_DELETE = SQL["delete_cron"]
_DUE = SQL["due_crons"]
_NEXT = SQL["next_cron"]
_MOVE = SQL["move_cron"]
_POSTPONE = SQL["postpone_cron"]

_COLUMNS = [field.name for field in fields(Cron)]
_PAYLOAD, _METADATA = _COLUMNS.index("payload"), _COLUMNS.index("metadata")


# -- changing ---------------------------------------------------------------------------------------------------------
def add_cron(tx: Tx, new: Cron, limit: int) -> Cron:
    """See ``CronLedger.add_cron``."""
    if new.thread_id is not None and tx.execute(_THREAD, (new.tenant, new.thread_id)).fetchone() is None:
        raise ThreadNotFound(f"No thread {new.thread_id!r}.")
    (known,) = tx.execute(_COUNT, (new.tenant,)).fetchone()
    if known >= limit:
        raise Conflict(f"There are {known} crons, and {limit} are the most; delete one first.")
    now = now_micros()
    tx.execute(
        _INSERT,
        (
            new.tenant,
            new.id,
            new.kind,
            new.assistant_id,
            new.schedule,
            new.thread_id,
            new.subject,
            new.timezone,
            new.end_at,
            int(new.enabled),
            new.on_run_completed,
            dump_mapping(new.payload),
            dump_mapping(new.metadata),
            new.next_at,
            new.next_at,
            1,
            now,
            now,
        ),
    )
    return _get(tx, new.tenant, new.id)


def replace_cron(tx: Tx, new: Cron) -> Cron:
    """See ``CronLedger.replace_cron``."""
    replaced = tx.execute(
        _REPLACE,
        (
            new.assistant_id,
            new.schedule,
            new.timezone,
            new.end_at,
            int(new.enabled),
            new.on_run_completed,
            dump_mapping(new.payload),
            dump_mapping(new.metadata),
            new.next_at,
            now_micros(),
            new.tenant,
            new.id,
            new.revision,
        ),
    )
    found = _get(tx, new.tenant, new.id)
    if replaced.rowcount != 1:
        raise Conflict(f"The cron {new.id!r} was changed by someone else meanwhile; read it again.")
    return found


def delete_cron(tx: Tx, tenant: str, cron_id: str) -> None:
    """See ``CronLedger.delete_cron``."""
    if tx.execute(_DELETE, (tenant, cron_id)).rowcount != 1:
        raise _unknown(cron_id)


def fire_cron(
    tx: Tx, cron: Cron, next_at: int | None, submission: Submission | None, worker: str | None, lease_s: float
) -> Submitted | None:
    """See ``Ledger.fire_cron``."""
    if submission is not None and submission.thread_id is not None:
        ThreadLog.find(tx, submission.tenant, submission.thread_id)  # it first, as who deletes it has it
    moved = tx.execute(_MOVE, (next_at, cron.tenant, cron.id, cron.next_at, cron.revision)).rowcount == 1
    return submit(tx, submission, worker, lease_s) if moved and submission is not None else None


def postpone_cron(tx: Tx, cron: Cron, wake_at: int) -> None:
    """See ``CronLedger.postpone_cron``."""
    tx.execute(_POSTPONE, (wake_at, cron.tenant, cron.id, cron.next_at, cron.revision))


# -- reading ----------------------------------------------------------------------------------------------------------
def read_cron(db: sqlite3.Connection, tenant: str, cron_id: str) -> Cron:
    """See ``CronLedger.cron``."""
    return _get(db, tenant, cron_id)


def read_crons(
    db: sqlite3.Connection,
    tenant: str,
    where: CronFilter,
    order: CronOrder,
    descending: bool,
    limit: int,
    offset: int,
) -> Sequence[Cron]:
    """See ``CronLedger.crons``."""
    return list(islice(_matching(db, tenant, where, order, descending), offset, offset + limit))


def count_crons(db: sqlite3.Connection, tenant: str, where: CronFilter) -> int:
    """See ``CronLedger.count_crons``."""
    return sum(1 for _ in _matching(db, tenant, where, "id", False))


def read_due(db: sqlite3.Connection, kinds: Sequence[str], now: int, limit: int) -> Sequence[Cron]:
    """See ``CronLedger.due_crons``."""
    return [_cron_of(row) for row in db.execute(_DUE, (now, dumps(list(kinds)).decode(), limit))]


def read_next(db: sqlite3.Connection, kinds: Sequence[str]) -> int | None:
    """See ``CronLedger.next_cron``."""
    row = db.execute(_NEXT, (dumps(list(kinds)).decode(),)).fetchone()
    return None if row is None else int(row[0])


def _matching(
    db: sqlite3.Connection, tenant: str, where: CronFilter, order: CronOrder, descending: bool
) -> Iterator[Cron]:
    sql = SQL[f"crons_by_{order}_descending" if descending else f"crons_by_{order}"]
    enabled = None if where.enabled is None else int(where.enabled)
    rows = db.execute(sql, (tenant, where.assistant_id, where.thread_id, enabled, needle(where.metadata)))
    return (found for found in map(_cron_of, rows) if holds(found.metadata, where.metadata))


def _get(db: sqlite3.Connection | Tx, tenant: str, cron_id: str) -> Cron:
    row = db.execute(_BY_ID, (tenant, cron_id)).fetchone()
    if row is None:
        raise _unknown(cron_id)
    return _cron_of(row)


def _unknown(cron_id: str) -> CronNotFound:
    return CronNotFound(f"No cron {cron_id!r}.")


def _cron_of(row: Row) -> Cron:
    cron = Cron(*row)
    return replace(
        cron,
        enabled=bool(cron.enabled),
        payload=orjson.loads(row[_PAYLOAD]),
        metadata=orjson.loads(row[_METADATA]),
    )
