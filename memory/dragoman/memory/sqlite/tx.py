"""What a verb works on: the writer's connection inside a transaction, and what the writer remembers between them.

``running`` holds the rows of running runs and ``heads`` the heads of threads as they are stored, so that a step needs
no reads. They are true because there is one writer: a verb that changes a row changes or drops what is remembered of
it, and all is forgotten when anything is rolled back.
"""

from __future__ import annotations

import sqlite3

from dragoman.memory.sqlite.pace import Pace
from dragoman.memory.sqlite.rows import RunRow

__all__ = ["Tx"]

# Threads that are not written any more, of parked runs for example, must not add up.
_MOST_HEADS = 2048


class Tx:
    """Handed to each verb, by the writer's thread alone."""

    __slots__ = ("_ordinal", "execute", "heads", "pace", "running")

    def __init__(self, db: sqlite3.Connection) -> None:
        self.execute = db.execute
        self.pace = Pace()
        self.running: dict[tuple[str, str], tuple[str, RunRow]] = {}
        self.heads: dict[tuple[str, str], tuple[int, int, str]] = {}
        self._ordinal = 0

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
