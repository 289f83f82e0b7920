"""The numbered migrations of a Postgres database, applied once whoever opens it first.

Under an advisory lock: of many replicas that start at once, one migrates and the others find it done. Each migration
lands whole, with its line in ``migrations``. Knows nothing of runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import psycopg

from dragoman.memory.errors import Conflict
from dragoman.memory.ids import now_micros

__all__ = ["check_encoding", "check_roles", "migrate", "pending"]

_MIGRATIONS = Path(__file__).parents[1] / "migrations" / "postgres"
_LOCK: Final = 4_201_710_001  # any number that nobody else locks
_AHEAD: Final = 7  # days of events
_MAY_SERVE: Final = """
SELECT current_user, bool_and(pg_has_role(current_user, rolname, 'SET')) FROM pg_roles
WHERE rolname IN ('dragoman_app', 'dragoman_worker') AND to_regclass('migrations') IS NOT NULL
"""


def _known() -> dict[int, Path]:
    return {int(file.name.split("_")[0]): file for file in sorted(_MIGRATIONS.glob("*.sql"))}


async def pending(connection: psycopg.AsyncConnection[Any]) -> list[str]:
    """The names of the migrations that this database lacks. Raises ``Conflict`` when a newer version has written it."""
    known, applied = _known(), await _applied(connection)
    if unknown := sorted(applied - set(known)):
        raise Conflict(f"The ledger was written by a newer Dragoman (migration {unknown[0]}); upgrade to open it.")
    return [file.stem for number, file in known.items() if number not in applied]


async def check_roles(connection: psycopg.AsyncConnection[Any]) -> None:
    """Raises ``Conflict`` when who connects to a migrated database may not take the roles that serve it."""
    row = await (await connection.execute(_MAY_SERVE)).fetchone()
    if row is not None and row[1] is False:
        raise Conflict(
            f"The role {row[0]!r} may not serve this database; "
            f'let its owner say: GRANT dragoman_app, dragoman_worker TO "{row[0]}".'
        )


def check_encoding(connection: psycopg.AsyncConnection[Any]) -> None:
    """Raises ``Conflict`` for a database that keeps texts in another encoding than those that are sent to it."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise Conflict(
            f"The database's encoding is {encoding}, and the ledger's is UTF8: "
            "make one by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )


async def migrate(connection: psycopg.AsyncConnection[Any]) -> list[str]:
    """Apply what is lacking, on a connection in autocommit; the names of what was applied. Raises ``Conflict``."""
    check_encoding(connection)
    if not await pending(connection):
        return []
    await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (number bigint PRIMARY KEY, name text NOT NULL, at bigint NOT NULL)"
        )
        lacking = await pending(connection)
        for number, file in _known().items():
            if file.stem in lacking:
                async with connection.transaction():
                    await connection.execute(file.read_bytes())
                    if file.stem == lacking[-1]:
                        # With the last one, not after it: who finds all of them applied goes on without the lock, and
                        # a process may die at any moment.
                        await connection.execute("SELECT dragoman_make_days(%s)", (_AHEAD,))
                        await connection.execute("SELECT dragoman_secure()")  # all tables, also those that are new
                    line = (number, file.stem, now_micros())
                    await connection.execute("INSERT INTO migrations VALUES (%s, %s, %s)", line)
        return lacking
    finally:
        if not connection.closed:
            await connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


async def _applied(connection: psycopg.AsyncConnection[Any]) -> set[int]:
    found = await connection.execute("SELECT to_regclass('migrations') IS NOT NULL")
    if await found.fetchone() != (True,):
        return set()
    return {number for (number,) in await (await connection.execute("SELECT number FROM migrations")).fetchall()}
