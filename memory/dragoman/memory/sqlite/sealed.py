"""The embedded ledger's transactions and readers where values are sealed, or large ones put aside: every statement goes
through ``sealing``.

Without either nothing of this is used. Below: ``sealing``. Above: the writer and the readers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, cast

from dragoman.memory.blobs.aside import Blobs
from dragoman.memory.errors import Conflict
from dragoman.memory.sealing.cursors import Statements
from dragoman.memory.sealing.data_keys import Keyring
from dragoman.memory.sealing.master_keys import MasterKeys, check_known
from dragoman.memory.sealing.references import BLOBS_UNNAMED
from dragoman.memory.sealing.wholeness import check_keys_are_there, is_whole
from dragoman.memory.sqlite.tx import SqliteTx
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.blobs import refers_to_blobs
from dragoman.memory.verbs.later import RowsLater

__all__ = ["SealedTx", "check_blobs", "check_keys", "opening"]

_RUN_BY_KEY = SQL["run_by_idempotency_key"]
_USED = SQL["master_keys_used"]


class SealedTx(SqliteTx):
    """What is written is sealed first, and what is read is opened."""

    __slots__ = ("_in_plain", "_plain", "_sealing", "_together")

    def __init__(self, db: sqlite3.Connection, masters: MasterKeys | None, blobs: Blobs | None = None) -> None:
        super().__init__(db)
        self._sealing = _statements(db, masters, blobs)
        self._plain = super().execute
        self._in_plain = masters is None
        self._together = blobs is None  # what wants a blob is the verb's own row

    @property
    def in_plain(self) -> bool:
        """Whether large values are put aside, and none is sealed."""
        return self._in_plain

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Run a statement, after the rows that wait."""
        return self._sealing.run(self._plain, sql, parameters)

    def later(self, rows: RowsLater, values: Sequence[Any]) -> None:
        """Insert a row, or several, by the end of the batch. Raises ``BlobsWanted``."""
        super().later(rows, values if self._together else self._sealing.rows(rows.one, values))

    def _write_rows(self, rows: RowsLater, values: list[Any]) -> None:
        """Sealed together: a call for each costs as much as the sealing."""
        super()._write_rows(rows, self._sealing.rows(rows.one, values) if self._together else values)

    def run_by_key(self, tenant: str, idempotency_key: str) -> Any:
        """See ``SqliteTx.run_by_key``."""
        row = super().run_by_key(tenant, idempotency_key)
        return self._sealing.opened(_RUN_BY_KEY, (tenant, idempotency_key), row)

    def make_key(self, tenant: str) -> None:
        """See that a tenant has a data key."""
        self._sealing.make_key(tenant)

    def forget(self) -> None:
        """See ``SqliteTx.forget``."""
        super().forget()
        self._sealing.forget()


class _Opening:
    """A connection whose rows are opened."""

    def __init__(self, db: sqlite3.Connection, masters: MasterKeys | None, blobs: Blobs | None) -> None:
        self._db = db
        self._sealing = _statements(db, masters, blobs)

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Run one statement."""
        return self._sealing.run(self._db.execute, sql, parameters)


def _statements(db: sqlite3.Connection, masters: MasterKeys | None, blobs: Blobs | None) -> Statements:
    return Statements(_keys(db, masters), db.execute, blobs)


def _keys(db: sqlite3.Connection, masters: MasterKeys | None) -> Keyring | None:
    return None if masters is None else Keyring(masters, whole=is_whole(db.execute))


def opening(db: sqlite3.Connection, masters: MasterKeys | None, blobs: Blobs | None = None) -> sqlite3.Connection:
    """A connection for verbs that read; the same one where nothing is sealed or put aside."""
    if masters is None and blobs is None:
        return db
    return cast("sqlite3.Connection", _Opening(db, masters, blobs))


def check_blobs(db: sqlite3.Connection, blobs: Blobs | None) -> None:
    """Raises ``Conflict`` when values are in blobs and no place is named."""
    if blobs is None and refers_to_blobs(db):
        raise Conflict(BLOBS_UNNAMED)


def check_keys(db: sqlite3.Connection, masters: MasterKeys | None) -> None:
    """Raises ``MasterKeyMissing`` unless all that is sealed can be opened, ``Unreadable`` where data keys are gone."""
    check_known((master for master, _ in db.execute(_USED)), masters)
    if masters is not None:
        check_keys_are_there(db.execute)
