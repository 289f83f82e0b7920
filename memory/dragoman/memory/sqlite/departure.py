"""A ledger's file that is moved elsewhere: the leases on it ended, and the file put aside when all of it is there."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dragoman.memory.ids import now_micros
from dragoman.memory.sqlite.bulk import SqliteBulk
from dragoman.memory.statements import SQL

__all__ = ["departing", "put_aside"]

_EXPIRE_LEASES = SQL["expire_leases"]
_FREE_DELIVERIES = SQL["free_all_deliveries"]


@contextmanager
def departing(path: Path) -> Generator[SqliteBulk]:
    """The tables of the ledger at ``path``, which nobody else may have open or write to meanwhile. Its leases are
    ended, as whoever opens a file ends them. Raises ``LedgerLocked``."""
    bulk = SqliteBulk(path)
    with bulk.writing(alone=True):
        bulk.ask(_EXPIRE_LEASES, ())
        bulk.ask(_FREE_DELIVERIES, (now_micros(),))
        yield bulk


def put_aside(ledger: Path, why: str) -> Path | None:
    """Give a ledger another name, with its WAL, which no other file must be read with; None where there is none."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    aside = ledger.with_name(f"{ledger.name}.{why}-{stamp}")
    # The WAL first: a file without its own is older, one with another's is damaged.
    for suffix in ("-wal", "-shm", ""):
        old = ledger.with_name(ledger.name + suffix)
        if old.exists():
            old.replace(aside.with_name(aside.name + suffix))
    return aside if aside.exists() else None
