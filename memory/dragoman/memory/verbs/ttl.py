"""A thread's TTL as it is kept, and set. ``expiry.py`` acts on it."""

from __future__ import annotations

from typing import Final

from dragoman.memory.codec import dumps
from dragoman.memory.statements import SQL
from dragoman.memory.threads import ThreadTtl, TtlStrategy
from dragoman.memory.verbs.rows import load
from dragoman.memory.verbs.tx import Tx

__all__ = ["MINUTE", "set_ttl", "ttl_of"]

MINUTE: Final = 60_000_000  # microseconds

_SET = SQL["set_thread_ttl"]


def set_ttl(tx: Tx, tenant: str, thread_id: str, ttl: ThreadTtl | None, since: int) -> None:
    """Let a thread expire, counted from ``since`` (microseconds); None keeps it."""
    if ttl is None:
        tx.execute(_SET, (None, None, tenant, thread_id))
        return
    kept = dumps({"minutes": ttl.minutes, "strategy": str(ttl.strategy)})
    tx.execute(_SET, (kept, since + int(ttl.minutes * MINUTE), tenant, thread_id))


def ttl_of(kept: bytes) -> ThreadTtl:
    """A TTL from its JSON."""
    found = load(kept)
    return ThreadTtl(found["minutes"], TtlStrategy(found["strategy"]))
