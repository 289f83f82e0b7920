"""``Bulk`` over a ledger's file. To write, the file must be this process's alone: a server remembers what it read."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from dragoman.memory.bulk import LAST_SEQ, PIECE, Numbered, Row, pieces
from dragoman.memory.errors import InputInvalid, LedgerBusy
from dragoman.memory.sqlite.connection import connect_reader, connect_writer, migrate, translated
from dragoman.memory.sqlite.lockfile import LockFile
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.store_items import tenant_word

__all__ = ["SqliteBulk"]

_TABLES: Final = (
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('identity', 'migrations', 'workers')"
    " AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'store~_words%' ESCAPE '~' ORDER BY name"
)
_VIRTUAL: Final[Mapping[str, Mapping[str, str]]] = {
    "threads": {"last_seq": LAST_SEQ},
    "store_texts": {"text": "(SELECT w.text FROM store_words AS w WHERE w.rowid = store_texts.id)"},
    "store_items": {
        "text": "(SELECT w.text FROM store_texts AS t CROSS JOIN store_words AS w ON w.rowid = t.id"
        " WHERE t.tenant = store_items.tenant AND t.namespace = store_items.namespace AND t.key = store_items.key)"
    },
}
_NUMBER: Final[Mapping[Numbered, str]] = {"runs": "ordinal", "deliveries": "ordinal", "store_texts": "id"}
_PUT_WORDS: Final = SQL["put_item_words"]
_DELETE_WORDS: Final = SQL["delete_item_words"]


class SqliteBulk:
    """The tables of the ledger at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None

    @contextmanager
    def reading(self) -> Generator[None]:
        """See ``Bulk.reading``; also while a server has the file open."""
        if not self._path.exists():
            raise InputInvalid(f"There is no ledger {self._path}.")
        with closing(connect_reader(self._path)) as db, self._within(db, "BEGIN"):
            yield

    @contextmanager
    def writing(self, *, alone: bool = False) -> Generator[None]:
        """See ``Bulk.writing``; alone in any case. Raises ``LedgerLocked`` while a process has the file open."""
        lock = LockFile(self._path)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
        try:
            with closing(connect_writer(self._path)) as db:
                try:
                    migrate(db)
                except sqlite3.Error as error:
                    raise translated(error) from error
                with self._within(db, "BEGIN IMMEDIATE"):
                    yield
        finally:
            lock.release()

    def tables(self) -> Mapping[str, Sequence[str]]:
        """See ``Bulk.tables``."""
        found: dict[str, Sequence[str]] = {}
        for (table,) in self._db.execute(_TABLES).fetchall():
            columns = [name for (name,) in self._db.execute("SELECT name FROM pragma_table_info(?)", (table,))]
            virtual = {"threads": "last_seq", "store_texts": "text"}.get(table)
            found[table] = columns if virtual is None else [*columns, virtual]
        return found

    def rows(self, table: str, columns: Sequence[str], tenant: str | None = None, order: str = "") -> Iterator[Row]:
        """See ``Bulk.rows``."""
        virtual = _VIRTUAL.get(table, {})
        chosen = ", ".join(virtual.get(column, column) for column in columns)
        where = "" if tenant is None else " WHERE tenant = ?"
        by = f" ORDER BY {order}" if order else ""
        cursor = self._db.execute(f"SELECT {chosen} FROM {table}{where}{by}", () if tenant is None else (tenant,))
        cursor.arraysize = PIECE
        while piece := cursor.fetchmany():
            yield from piece

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """See ``Bulk.insert``."""
        left_out = {"threads": "last_seq", "store_texts": "text"}.get(table)
        kept = [place for place, column in enumerate(columns) if column != left_out]
        names = ", ".join(columns[place] for place in kept)
        sql = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(kept))})"
        count = 0
        for piece in pieces(rows):
            try:
                self._db.executemany(sql, ([row[place] for place in kept] for row in piece))
                if table == "store_texts" and "text" in columns:
                    self._index(columns, piece)
            except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
                raise _refused(table, error) from None
            count += len(piece)
        return count

    def vacuum(self) -> None:
        """Rewrite the file, so that nothing is left of what was deleted or changed in it. Raises ``LedgerLocked``."""
        lock = LockFile(self._path)
        lock.acquire()
        try:
            with closing(connect_writer(self._path)) as db:
                # The index keeps the words of what was taken out of it until it is put together anew.
                db.execute("INSERT INTO store_words (store_words) VALUES ('optimize')")
                db.execute("VACUUM")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise translated(error) from error
        finally:
            lock.release()

    def numbers(self, table: Numbered, count: int) -> Sequence[int]:
        """See ``Bulk.numbers``. What they are for is inserted before others are asked for."""
        (last,) = self._db.execute(f"SELECT coalesce(max({_NUMBER[table]}), 0) FROM {table}").fetchone()
        return range(last + 1, last + 1 + count)

    def update(self, table: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> int:
        """See ``Bulk.update``."""
        if table == "store_texts":
            self._db.execute(_DELETE_WORDS, (key["id"],))
            self._index([*key, *values], [(*key.values(), *values.values())])
            return 1
        given = ", ".join(f"{column} = ?" for column in values)
        where = " AND ".join(f"{column} = ?" for column in key)
        try:
            done = self._db.execute(f"UPDATE {table} SET {given} WHERE {where}", (*values.values(), *key.values()))
        except sqlite3.Error as error:
            raise _refused(table, error) from None
        return done.rowcount

    def ask(self, sql: str, values: Sequence[Any]) -> Any:
        """See ``Bulk.ask``."""
        return self._db.execute(sql, values)

    @property
    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            raise LedgerBusy("The ledger is closed.")
        return self._opened

    def _index(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        texts = [(row["id"], tenant_word(row["tenant"]), row["text"]) for row in named if row["text"] is not None]
        self._db.executemany(_PUT_WORDS, texts)

    @contextmanager
    def _within(self, db: sqlite3.Connection, begin: str) -> Generator[None]:
        self._opened = db
        try:
            db.execute(begin)
            if begin == "BEGIN":
                db.execute("SELECT 1 FROM migrations").fetchone()  # the moment that is seen
            yield
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise translated(error) from error
        finally:
            self._opened = None


def _refused(table: str, error: Exception) -> BaseException:
    """Why a row is not taken: it is there already, or one of its values is not what its column holds."""
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" not in str(error):
        return InputInvalid(f"A row of {table} cannot be kept: {error}.")
    return translated(error)
