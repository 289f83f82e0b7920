"""``Bulk`` over a Postgres database, as the owner of its tables: COPY in, cursors of the server out. Others may write
meanwhile, unless ``alone``.

Of plain psycopg, for it blocks; the ledger's own connections are the event loop's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

import psycopg
from psycopg import IsolationLevel, errors, sql

from dragoman.memory.bulk import PIECE, Numbered, Row, pieces
from dragoman.memory.errors import Conflict, InputInvalid, LedgerBusy, as_unkeepable
from dragoman.memory.postgres.ledger import PostgresLedger
from dragoman.memory.words import words_of

__all__ = ["PostgresBulk"]

# The tables themselves: what they are parted into is read and written through them.
_TABLES: Final = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE NOT a.attisdropped AND a.attgenerated = ''
  AND c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname NOT IN ('identity', 'migrations', 'workers', 'store_words') AND NOT starts_with(c.relname, 'kept_of_')
  AND (c.relname, a.attname) NOT IN (('threads', 'first_at'), ('threads', 'last_at'))
GROUP BY c.relname ORDER BY c.relname
"""
_BYTES: Final = re.compile(r"x'([0-9a-f]+)'")
_GUARD: Final = """
SELECT pg_has_role(c.relowner, 'USAGE'), row_security_active(c.oid) FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = 'runs'
"""
_NUMBERED: Final = """
SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND a.attidentity <> '' AND NOT a.attisdropped
"""
_VIRTUAL: Final[Mapping[str, str]] = {
    "store_texts": "(SELECT w.text FROM store_words AS w WHERE w.id = store_texts.id)",
    "store_items": "(SELECT w.text FROM store_texts AS t JOIN store_words AS w ON w.id = t.id"
    " WHERE t.tenant = store_items.tenant AND t.namespace = store_items.namespace AND t.key = store_items.key)",
}
_NUMBERS: Final[Mapping[Numbered, str]] = {
    "runs": "'run_ordinals'",
    "deliveries": "pg_get_serial_sequence('deliveries', 'ordinal')",
    "store_texts": "pg_get_serial_sequence('store_texts', 'id')",
}


class PostgresBulk:
    """The tables of the ledger in the database at ``url``, which is brought to this version when it is written to."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: psycopg.Connection[Row] | None = None
        self._cursors = 0
        self._guarded = False

    @contextmanager
    def reading(self) -> Generator[None]:
        """See ``Bulk.reading``."""
        with self._connected() as db:
            db.isolation_level = IsolationLevel.REPEATABLE_READ
            db.read_only = True
            with db.transaction():
                yield

    @contextmanager
    def writing(self, *, alone: bool = False) -> Generator[None]:
        """See ``Bulk.writing``. ``alone`` waits up to 10 s for those who write."""
        asyncio.run(PostgresLedger(self._url).migrate())
        with self._connected() as db, db.transaction():
            if alone:
                db.execute("SET LOCAL lock_timeout = '10s'")
                names = sql.SQL(", ").join(map(sql.Identifier, self.tables()))
                db.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(names))
            yield

    def tables(self) -> Mapping[str, Sequence[str]]:
        """See ``Bulk.tables``."""
        found: dict[str, Sequence[str]] = dict(
            cast("list[tuple[str, list[str]]]", self._db.execute(_TABLES).fetchall())
        )
        return {name: [*columns, "text"] if name == "store_texts" else columns for name, columns in found.items()}

    def rows(self, table: str, columns: Sequence[str], tenant: str | None = None, order: str = "") -> Iterator[Row]:
        """See ``Bulk.rows``."""
        text = _VIRTUAL.get(table, "text")
        chosen = ", ".join(text if column == "text" else column for column in columns)
        where = "" if tenant is None else " WHERE tenant = %s"
        by = f" ORDER BY {order}" if order else ""
        self._cursors += 1
        with self._db.cursor(name=f"rows_{self._cursors}") as cursor:
            cursor.itersize = PIECE
            cursor.execute(
                f"SELECT {chosen} FROM {table}{where}{by}".encode(), None if tenant is None else (tenant,), binary=True
            )
            yield from cursor

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """See ``Bulk.insert``."""
        if table != "store_texts" or "text" not in columns:
            return self._copy(table, columns, rows)
        count, at = 0, columns.index("text")
        known = [place for place in range(len(columns)) if place != at]
        for piece in pieces(rows):
            self._copy(table, [columns[place] for place in known], ([row[place] for place in known] for row in piece))
            self._index(columns.index("id"), at, piece)
            count += len(piece)
        return count

    def update(self, table: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> int:
        """See ``Bulk.update``."""
        if table == "store_texts":
            self._db.execute("DELETE FROM store_words WHERE id = %s", (key["id"],))
            self._index(0, 1, [(key["id"], values["text"])])
            return 1
        given = ", ".join(f"{column} = %s" for column in values)
        where = " AND ".join(f"{column} = %s" for column in key)
        try:
            done = self._db.execute(
                f"UPDATE {table} SET {given} WHERE {where}".encode(), (*values.values(), *key.values())
            )
        except psycopg.Error as error:
            raise _translated(error) from None
        return done.rowcount

    def ask(self, sql: str, values: Sequence[Any]) -> Any:
        """See ``Bulk.ask``."""
        return self._db.execute(_BYTES.sub(r"'\\x\1'::bytea", sql.replace("?", "%s")).encode(), values)

    def vacuum(self) -> None:
        """Rewrite the tables, so that nothing is left in them of what was deleted or changed. Servers wait."""
        with self._connected() as db:
            names = (*self.tables(), "store_words")
            db.rollback()
            db.autocommit = True
            for name in names:
                db.execute(sql.SQL("VACUUM (FULL) {}").format(sql.Identifier(name)))

    def numbers(self, table: Numbered, count: int) -> Sequence[int]:
        """See ``Bulk.numbers``."""
        found = self._db.execute(f"SELECT nextval({_NUMBERS[table]}) FROM generate_series(1, %s)".encode(), (count,))
        return sorted(number for (number,) in found.fetchall())

    def go_on(self) -> None:
        """Let new rows be numbered after those that were inserted with their numbers."""
        numbered = [(f"pg_get_serial_sequence('{t}', '{c}')", t, c) for t, c in self._db.execute(_NUMBERED).fetchall()]
        for sequence, table, column in [*numbered, ("'run_ordinals'", "runs", "ordinal")]:
            last = f"greatest(max({column}), 1), max({column}) IS NOT NULL"
            self._db.execute(f"SELECT setval({sequence}, {last}) FROM {table}".encode())

    @property
    def _db(self) -> psycopg.Connection[Row]:
        if self._opened is None:
            raise LedgerBusy("The ledger is closed.")
        return self._opened

    def _copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        if self._guarded:
            return self._insert(table, columns, rows)
        count = 0
        names = ", ".join(columns)
        # COPY refuses what is under row-level security, which only a superuser is not.
        guarded = self._db.execute("SELECT row_security_active(%s)", (table,)).fetchone() == (True,)
        target = "copied" if guarded else table
        try:
            if guarded:
                self._db.execute(f"CREATE TEMPORARY TABLE copied AS SELECT {names} FROM {table} WITH NO DATA".encode())
            with self._db.cursor() as cursor, cursor.copy(f"COPY {target} ({names}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
                    count += 1
            if guarded:
                self._db.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM copied".encode())
                self._db.execute("DROP TABLE copied")
        except (psycopg.Error, OverflowError, UnicodeEncodeError) as error:
            raise _translated(error) from None
        return count

    def _insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Without COPY, which Postgres does not do where rows are guarded also from their owner."""
        count = 0
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})".encode()
        try:
            with self._db.cursor() as cursor:
                for piece in pieces(rows):
                    cursor.executemany(statement, piece)
                    count += len(piece)
        except (psycopg.Error, OverflowError, UnicodeEncodeError) as error:
            raise _translated(error) from None
        return count

    def _index(self, id: int, text: int, rows: Sequence[Row]) -> None:
        plain = [(row[id], row[text].replace("\x00", " ")) for row in rows if row[text] is not None]
        self._copy(
            "store_words", ("id", "text", "words"), ([*row, list(dict.fromkeys(words_of(row[1])))] for row in plain)
        )

    def _check_sees_all(self) -> bool:
        """Whether rows are guarded from this role too. Raises ``LedgerBusy`` where it would not see all of them."""
        found = self._db.execute(_GUARD).fetchone()
        self._db.rollback()
        if found is not None and not found[0]:
            raise LedgerBusy(
                "This role sees rows of one tenant at a time, and this needs all: give the URL of the tables' owner."
            )
        return found is not None and bool(found[1])

    @contextmanager
    def _connected(self) -> Generator[psycopg.Connection[Row]]:
        try:
            with psycopg.connect(self._url) as db:
                self._opened = db
                self._guarded = self._check_sees_all()
                yield db
        except psycopg.Error as error:
            raise _translated(error) from error
        finally:
            self._opened = None


def _translated(error: Exception) -> BaseException:
    if not isinstance(error, psycopg.Error):
        return as_unkeepable(error)
    said = str(error).strip().split("\n", 1)[0]
    if isinstance(error, errors.UniqueViolation):
        return Conflict(f"A row with this id exists already in {error.diag.table_name}.")
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return InputInvalid(f"A value cannot be kept by Postgres: {said}.")
    return LedgerBusy(f"The database cannot take this now: {said}")
