"""Keys and old rows of a ledger's file turned over, also while a server has it open: ``SqliteSealing``.

Each piece is one short transaction on a connection of its own, which waits its turn. What was there in plain is
overwritten with zeros where it stood; ``vacuum`` rewrites the file. Blocks: not for the event loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from dragoman.memory.blobs.aside import Blobs
from dragoman.memory.sealing import turning
from dragoman.memory.sealing.cells import Cells
from dragoman.memory.sealing.data_keys import Keyring
from dragoman.memory.sealing.master_keys import MasterKeys
from dragoman.memory.sealing.references import References
from dragoman.memory.sealing.turning import After
from dragoman.memory.sealing.wholeness import is_whole, make_whole
from dragoman.memory.sqlite.connection import connect_writer, migrate, translated
from dragoman.memory.sqlite.sealed import check_keys
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.blobs import ledger_name

__all__ = ["SqliteSealing"]

T = TypeVar("T")


class SqliteSealing:
    """The sealing of the ledger at ``path``. Each method raises ``MasterKeyMissing`` and ``LedgerBusy``."""

    def __init__(self, path: str | Path, masters: MasterKeys, blobs: Blobs | None = None) -> None:
        self._path = Path(path)
        self._masters = masters
        self._blobs = blobs

    def used(self) -> Mapping[str, int]:
        """How many data keys each master key wraps, by its id."""
        return self._piece(lambda db: dict(db.execute(SQL["master_keys_used"]).fetchall()))

    def rewrap(self) -> int:
        """See ``turning.rewrap``."""
        return self._piece(lambda db: turning.rewrap(db.execute, self._masters))

    def new_data_keys(self, before: int, after: After) -> turning.Piece:
        """See ``turning.new_data_keys``."""
        return self._piece(lambda db: turning.new_data_keys(db.execute, self._masters, before, after))

    def seal_rows(self, table: str, after: After) -> turning.Piece:
        """See ``turning.seal_rows``."""
        if self._blobs is None:
            return self._piece(lambda db: turning.seal_rows(db.execute, self._cells(db), None, table, after))
        return asyncio.run(self._with_blobs(self._blobs, table, after))

    async def _with_blobs(self, blobs: Blobs, table: str, after: After) -> turning.Piece:
        await blobs.claim(self._piece(ledger_name))

        def piece(db: sqlite3.Connection) -> turning.Piece:
            cells = self._cells(db)
            return turning.seal_rows(db.execute, cells, References(blobs, cells), table, after)

        async def attempt() -> turning.Piece:
            return self._piece(piece)

        async def make_key(tenant: str) -> None:
            self._piece(lambda db: self._cells(db).namer(tenant))

        return await blobs.served(attempt, make_key)

    def seal_words(self, after: After) -> turning.Piece:
        """See ``turning.seal_words``."""
        return self._piece(lambda db: turning.seal_words(db.execute, self._cells(db), after))

    def forget_values(self, after: After) -> turning.Piece:
        """See ``turning.forget_values``."""
        return self._piece(lambda db: turning.forget_values(db.execute, after))

    def make_whole(self) -> int:
        """See ``wholeness.make_whole``."""
        return self._piece(lambda db: make_whole(db.execute, self._masters))

    def vacuum(self) -> None:
        """Rewrite the file, so that nothing is left of what was deleted in it. A server that has it open waits."""
        with closing(self._connect()) as db:
            try:
                # The index keeps the words of what was taken out of it until it is put together anew.
                db.execute("INSERT INTO store_words (store_words) VALUES ('optimize')")
                db.execute("VACUUM")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.Error as error:
                raise translated(error) from error

    def _cells(self, db: sqlite3.Connection) -> Cells:
        return Cells(Keyring(self._masters, whole=is_whole(db.execute)), db.execute)

    def _connect(self) -> sqlite3.Connection:
        db = connect_writer(self._path)
        db.execute("PRAGMA secure_delete = ON").fetchone()
        return db

    def _piece(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with closing(self._connect()) as db:
            try:
                migrate(db)
                db.execute("BEGIN IMMEDIATE")
                check_keys(db, self._masters)
                result = work(db)
                db.execute("COMMIT")
                return result
            except sqlite3.Error as error:
                raise translated(error) from error
