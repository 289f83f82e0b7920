"""What a verb works on: a transaction, and what is remembered between transactions. Each ledger has its own.

``running`` holds the rows of running runs and ``heads`` the heads of threads as they are stored, for a ledger that may
remember them: a verb that changes a row changes or drops what is remembered of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol

from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.pace import Pace
from dragoman.memory.verbs.rows import RunRow

__all__ = ["Tx"]


class Tx(Protocol):
    """Handed to each verb. A cursor need not be one of SQLite's, only read like one."""

    pace: Pace
    running: dict[tuple[str, str], tuple[str, RunRow]]
    heads: dict[tuple[str, str], tuple[int, int, str]]

    @property
    def in_plain(self) -> bool:
        """Whether values are kept as they are, and not sealed."""
        ...

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Run a statement, after the rows that wait."""
        ...

    def put(self, rows: RowsLater, values: Sequence[Any]) -> None:
        """Write a row now, or by the end of the transaction where that costs less."""
        ...

    def later(self, rows: RowsLater, values: Sequence[Any]) -> None:
        """Insert a row, or several, by the end of the transaction."""
        ...

    def alone(self, names: Sequence[str]) -> None:
        """Have nobody else count what is known by these names, until the transaction ends."""
        ...

    def run_by_key(self, tenant: str, idempotency_key: str) -> Any:
        """The row of the run that has this key, or None; the key is then taken, by a run that the caller inserts."""
        ...

    def write(self) -> None:
        """Write the rows that wait. Raises what refuses one of them, which the caller rolls back."""
        ...

    def next_run_ordinal(self) -> int:
        """The ordinal of a run that is inserted next, with it."""
        ...

    def next_ordinal(self, now: int) -> int:
        """The time, made strictly increasing: what orders rows that are made within a microsecond."""
        ...

    def remember_head(self, tenant: str, thread_id: str, head: tuple[int, int, str]) -> None:
        """A thread's last number, checkpoint and status, as they are stored now."""
        ...
