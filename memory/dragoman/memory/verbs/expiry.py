"""The verbs by which threads expire: ``set_thread_ttl``, ``thread_expiry``, ``prune_thread``, ``expire_threads``.

The time of a thread is looked at when it is over, and not at each use: one that was used since is given the rest then.
One that keeps its newest checkpoint is looked at again after as long as it has lain idle.
"""

from __future__ import annotations

import sqlite3

from dragoman.memory.errors import Conflict, ThreadNotFound
from dragoman.memory.ids import now_micros
from dragoman.memory.statements import SQL
from dragoman.memory.threads import Expiry, ThreadTtl, TtlStrategy
from dragoman.memory.verbs.threads import find_log, remove_thread
from dragoman.memory.verbs.ttl import MINUTE, set_ttl, ttl_of
from dragoman.memory.verbs.tx import Tx

__all__ = ["expire_threads", "prune_thread", "read_expiry", "read_next_expiry", "set_thread_ttl"]

# Until a thread that keeps its newest state is looked at again: microseconds.
_LEAST = 1_000_000

_EXPIRY = SQL["thread_expiry"]
_EXPIRING = SQL["expiring_threads"]
_NEXT = SQL["next_thread_expiry"]
_SET = SQL["set_thread_ttl"]
_ACTIVE = SQL["active_runs_of_thread"]
_FORGET_BEFORE = SQL["delete_checkpoints_before"]


def set_thread_ttl(tx: Tx, tenant: str, thread_id: str, ttl: ThreadTtl | None) -> None:
    """See ``ThreadLedger.set_thread_ttl``."""
    find_log(tx, tenant, thread_id)
    set_ttl(tx, tenant, thread_id, ttl, now_micros())


def read_expiry(db: sqlite3.Connection, tenant: str, thread_id: str) -> Expiry | None:
    """See ``ThreadLedger.thread_expiry``."""
    row = db.execute(_EXPIRY, (tenant, thread_id)).fetchone()
    if row is None:
        raise ThreadNotFound(f"No thread {thread_id!r}.")
    return None if row[0] is None else Expiry(ttl_of(row[0]), int(row[1]))


def read_next_expiry(db: sqlite3.Connection) -> int | None:
    """See ``ThreadLedger.next_thread_expiry``."""
    (at,) = db.execute(_NEXT).fetchone()
    return None if at is None else int(at)


def prune_thread(tx: Tx, tenant: str, thread_id: str) -> None:
    """See ``ThreadLedger.prune_thread``."""
    log = find_log(tx, tenant, thread_id)
    if tx.execute(_ACTIVE, (tenant, thread_id)).fetchone():
        raise Conflict(f"The thread {thread_id!r} has an active run; cancel it first.")
    tx.execute(_FORGET_BEFORE, (tenant, thread_id, log.checkpoint))


def expire_threads(tx: Tx, limit: int) -> int:
    """See ``ThreadLedger.expire_threads``."""
    now = now_micros()
    rows = tx.execute(_EXPIRING, (now, limit)).fetchall()
    for tenant, thread_id, kept, _, updated_at in rows:
        ttl = ttl_of(kept)
        span = int(ttl.minutes * MINUTE)
        if updated_at + span > now:
            set_ttl(tx, tenant, thread_id, ttl, updated_at)
        elif tx.execute(_ACTIVE, (tenant, thread_id)).fetchone():
            _again_at(tx, tenant, thread_id, kept, now + max(span, MINUTE))
        elif ttl.strategy is TtlStrategy.DELETE:
            remove_thread(tx, tenant, thread_id)
        else:
            prune_thread(tx, tenant, thread_id)
            _again_at(tx, tenant, thread_id, kept, now + max(span, now - updated_at, _LEAST))
    return len(rows)


def _again_at(tx: Tx, tenant: str, thread_id: str, kept: bytes, at: int) -> None:
    tx.execute(_SET, (kept, at, tenant, thread_id))
