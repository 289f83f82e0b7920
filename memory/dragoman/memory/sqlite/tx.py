"""What a verb works on: the writer's connection inside a transaction, and what the writer remembers between them.

``running`` holds the rows of running runs and ``heads`` the heads of threads as they are stored, so that a step needs
no reads. They are true because there is one writer: a verb that changes a row changes or drops what is remembered of
it, and all is forgotten when anything is rolled back.

Rows given to ``later`` and ``put`` are written before the next statement, of any verb, that has to do with their table,
or at the end of the batch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from dragoman.memory.statements import SQL
from dragoman.memory.verbs.later import RowsLater, tables_of
from dragoman.memory.verbs.pace import Pace
from dragoman.memory.verbs.rows import RunRow

__all__ = ["SqliteTx"]

_LAST_RUN = SQL["last_run_ordinal"]
_RUN_BY_KEY = SQL["run_by_idempotency_key"]
# Threads that are not written any more, of parked runs for example, must not add up.
_MOST_HEADS = 2048
_KEY = attrgetter("key")


class SqliteTx:
    """Handed to each verb, by the writer's thread alone."""

    __slots__ = ("_execute", "_later", "_later_keys", "_ordinal", "_run_ordinal", "heads", "pace", "running")

    def __init__(self, db: sqlite3.Connection) -> None:
        self._execute = db.execute
        self._later: dict[RowsLater, list[Any]] = {}
        self._later_keys: set[tuple[object, ...]] = set()
        self._run_ordinal: int | None = None
        self.pace = Pace()
        self.running: dict[tuple[str, str], tuple[str, RunRow]] = {}
        self.heads: dict[tuple[str, str], tuple[int, int, str]] = {}
        self._ordinal = 0

    @property
    def in_plain(self) -> bool:
        """Nothing is sealed."""
        return True

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Run a statement, after the rows that wait for a table of its own."""
        if self._later:
            self._write_for(sql)
        return self._execute(sql, parameters)

    def _write_for(self, sql: str) -> None:
        tables = tables_of(sql)
        for rows in _in_order([rows for rows in self._later if rows.table in tables]):
            self._write_rows(rows, self._later.pop(rows))

    def _write_rows(self, rows: RowsLater, values: list[Any]) -> None:
        rows.write(self._execute, values)

    def put(self, rows: RowsLater, values: Sequence[Any]) -> None:
        """Write a row by the end of the batch."""
        if rows.key:
            row = (rows.table, *values[-rows.key :])
            if row in self._later_keys:
                self.write()
            self._later_keys.add(row)
        self.later(rows, values)

    def later(self, rows: RowsLater, values: Sequence[Any]) -> None:
        """Insert a row, or several, by the end of the batch."""
        waiting = self._later.get(rows)
        if waiting is None:
            self._later[rows] = [*values]
        else:
            waiting += values

    def alone(self, names: Sequence[str]) -> None:
        """Nobody else is there."""

    def run_by_key(self, tenant: str, idempotency_key: str) -> Any:
        """The row of the run that has this key, or None; the key is then taken, by a run that the caller inserts.

        Looks without writing what waits: that is no other run with this key, and may be a change of the one that is
        found.
        """
        key = tenant, idempotency_key
        if key in self._later_keys:
            self.write()
        self._later_keys.add(key)
        found = self._execute(_RUN_BY_KEY, key).fetchone()
        if found is not None and self._later:
            self.write()
            found = self._execute(_RUN_BY_KEY, key).fetchone()
        return found

    def write(self) -> None:
        """Write the rows that wait. Raises what refuses one of them, which the caller rolls back."""
        later, self._later = self._later, {}
        self._later_keys.clear()
        for rows in _in_order(later):
            self._write_rows(rows, later[rows])

    def next_run_ordinal(self) -> int:
        """The ordinal of a run that is inserted next, with it."""
        if self._run_ordinal is None:
            (self._run_ordinal,) = self.execute(_LAST_RUN).fetchone()
        ordinal = self._run_ordinal = int(self._run_ordinal or 0) + 1
        return ordinal

    def next_ordinal(self, now: int) -> int:
        """The time, made strictly increasing: what orders rows that are made within a microsecond."""
        self._ordinal = max(now, self._ordinal + 1)
        return self._ordinal

    def remember_head(self, tenant: str, thread_id: str, head: tuple[int, int, str]) -> None:
        """A thread's last number, checkpoint and status, as they are stored now."""
        if len(self.heads) >= _MOST_HEADS:
            self.heads.clear()
        self.heads[tenant, thread_id] = head

    def forget(self) -> None:
        """Something was rolled back: what is remembered may never have been."""
        self.running.clear()
        self.heads.clear()
        self._later.clear()
        self._later_keys.clear()
        self._run_ordinal = None


def _in_order(rows: Iterable[RowsLater]) -> list[RowsLater]:
    """What inserts a row before what changes it."""
    return sorted(rows, key=_KEY)
