"""Opening a SQLite file as a ledger: connection settings, migrations, and the translation of the driver's errors.

Knows nothing of runs. Below: ``sqlite3``. Above: the writer, the readers and the keys, each with connections of its
own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from dragoman.memory.errors import Conflict, DragomanError, InputInvalid, LedgerBusy, as_unkeepable
from dragoman.memory.ids import now_micros

__all__ = ["check_version", "connect_reader", "connect_writer", "migrate", "transact", "translated"]

T = TypeVar("T")

_MIGRATIONS = Path(__file__).parent.parent / "migrations" / "sqlite"
_OLDEST = (3, 37, 0)  # STRICT tables
_BUSY_TIMEOUT_S = 5.0
# The system keeps the file in its own cache; what is kept twice only makes an idle server larger.
_WRITER_CACHE_KIB = 4096
_READER_CACHE_KIB = 1024


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection that writes: WAL, synchronous FULL, transactions by hand. Raises ``LedgerBusy``."""
    if sqlite3.sqlite_version_info < _OLDEST:
        raise LedgerBusy(f"SQLite {sqlite3.sqlite_version} is too old; Dragoman needs {'.'.join(map(str, _OLDEST))}.")
    try:
        db = _connect(path, _WRITER_CACHE_KIB)
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        db.execute("PRAGMA synchronous = FULL")
        # 1,000 pages is the default; four times that costs 16 MB of disk and copies a hot page back a quarter as often.
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        db.execute("PRAGMA journal_size_limit = 67108864")
        return db
    except sqlite3.Error as error:
        raise LedgerBusy(f"Cannot open {path}: {error}") from None


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises ``LedgerBusy``."""
    try:
        db = _connect(path, _READER_CACHE_KIB)
        db.execute("PRAGMA query_only = 1")
        return db
    except sqlite3.Error as error:
        raise LedgerBusy(f"Cannot open {path}: {error}") from None


def _connect(path: Path, cache_kib: int) -> sqlite3.Connection:
    db = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    db.execute(f"PRAGMA cache_size = -{cache_kib}")
    db.execute("PRAGMA temp_store = MEMORY")
    return db


def check_version(applied: Iterable[int]) -> None:
    """Raises ``Conflict`` for migrations that this version does not know."""
    if unknown := sorted(set(applied) - set(_known())):
        raise Conflict(f"The ledger was written by a newer Dragoman (migration {unknown[0]}); upgrade to open it.")


def _known() -> dict[int, Path]:
    return {int(file.name.split("_")[0]): file for file in sorted(_MIGRATIONS.glob("*.sql"))}


def migrate(db: sqlite3.Connection) -> None:
    """Apply the migrations that this file lacks, each in a transaction with its line in ``migrations``.

    Raises ``Conflict`` when the file has migrations that this version does not know.
    """
    known = _known()
    if set(known) == set(_applied(db)):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, at INTEGER NOT NULL)"
        )
        applied = _applied(db)
        check_version(applied)
        for number, file in known.items():
            if number not in applied:
                _run_script(db, file.read_text("utf-8"))
                db.execute("INSERT INTO migrations VALUES (?, ?, ?)", (number, file.stem, now_micros()))
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def transact(path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """Do something in one short transaction on a connection of its own, which waits its turn. Blocks."""
    with closing(connect_writer(path)) as db:
        try:
            migrate(db)
            db.execute("BEGIN IMMEDIATE")
            result = work(db)
            db.execute("COMMIT")
            return result
        except sqlite3.Error as error:
            raise translated(error) from error


def _applied(db: sqlite3.Connection) -> list[int]:
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'").fetchone() is None:
        return []
    return [number for (number,) in db.execute("SELECT number FROM migrations")]


def _run_script(db: sqlite3.Connection, script: str) -> None:
    # Not executescript: it commits first, and a migration must land whole.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


def translated(error: BaseException) -> BaseException:
    """A driver's error as a domain error; anything else as it is."""
    if isinstance(error, DragomanError):
        return error
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in str(error):
        return Conflict("A row with this id exists already.")
    if isinstance(error, sqlite3.DataError):
        return InputInvalid("A value is larger than the ledger can hold.")
    if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError) or type(error) is sqlite3.DatabaseError:
        return LedgerBusy(f"The ledger cannot take this now: {error}")
    return as_unkeepable(error)
