"""The ledger on Postgres: ``PostgresLedger`` in ``ledger.py``. Needs the extra ``postgres``.

The verbs are those of the embedded ledger, run against Postgres: one text of each rule, two databases. What is
Postgres's own: ``wire.py`` (statements and results over psycopg's libpq), ``bridge.py`` (verbs that wait without a
thread), ``dialect.py`` (the shared SQL in Postgres's words), ``asking.py`` and ``tx.py`` (what a verb works on),
``runner.py`` (transactions, retries, a database that is away), ``migrations.py``, ``bell.py`` (how replicas hear of
each other).

Importing this package needs nothing; ``open_ledger`` names the extra where it is missing.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from dragoman.memory.errors import DragomanError

if TYPE_CHECKING:
    from dragoman.memory.blobs.aside import Blobs
    from dragoman.memory.postgres.ledger import PostgresLedger
    from dragoman.memory.sealing.master_keys import MasterKeys

__all__ = ["is_postgres", "postgres_ledger"]

_SCHEMES = ("postgres://", "postgresql://")


def is_postgres(storage: str) -> bool:
    """Whether a storage's name is the URL of a Postgres database."""
    return storage.startswith(_SCHEMES)


def postgres_ledger(url: str, masters: MasterKeys | None = None, blobs: Blobs | None = None) -> PostgresLedger:
    """A ledger on the database at ``url``, not opened yet; with ``masters`` values are sealed, with ``blobs`` large
    ones are put aside. Raises ``DragomanError`` without the extra."""
    missing = [name for name in ("psycopg", "psycopg_pool", "greenlet") if find_spec(name) is None]
    if missing:
        raise DragomanError(f"Postgres needs {' and '.join(missing)}: install dragoman[postgres].")
    from dragoman.memory.postgres.ledger import PostgresLedger

    return PostgresLedger(url, masters=masters, blobs=blobs)
