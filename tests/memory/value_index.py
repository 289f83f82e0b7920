"""What a ledger's index of values has, read past the ledger, and what it is to have."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from dragoman.memory.ledger import Ledger, ThreadFilter
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.verbs.facets import facets_of

from .helpers import TENANT
from .postgres_ledgers import url_of

Rows = set[tuple[Any, ...]]

_INDEX = "SELECT kind, key, value, ordinal, id FROM facets WHERE kind IN ('value', 'unread')"
_FORGET = ("DELETE FROM facets WHERE kind IN ('value', 'unread')", "DELETE FROM migrations WHERE number = 70")


def index_of(ledger: Ledger, folder: Path) -> Rows:
    """The rows of the index, and marks."""
    return set(_asked(ledger, folder, _INDEX))


def make_old(ledger: Ledger, folder: Path) -> None:
    """Leave the storage of a closed ledger as it was before there was an index."""
    for statement in _FORGET:
        _asked(ledger, folder, statement)


async def wanted(ledger: Ledger) -> Rows:
    """What the index is to have of the threads as they are now."""
    threads = await ledger.threads(TENANT, ThreadFilter(), 1000)
    return {
        (pair.kind, pair.key, pair.value, thread.ordinal, thread.id)
        for thread in threads
        for pair in facets_of(thread.values, "value")
    }


def _asked(ledger: Ledger, folder: Path, sql: str) -> list[tuple[Any, ...]]:
    if isinstance(ledger, SqliteLedger):
        with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as db:
            return db.execute(sql).fetchall()
    with psycopg.connect(url_of(folder), autocommit=True) as db:
        found = db.execute(sql.encode())
        return found.fetchall() if found.description else []
