"""What one of several verbs works on that share a transaction: what it asks goes out with what the others ask.

A verb that turns out to need the lock of another thread cannot share (it would wait with the others' locks in hand) and
is told so by ``Alone``. Above: ``together.py``, which begins and ends the transaction. Below: ``tx.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.memory.postgres.asking import Asked
from dragoman.memory.postgres.bridge import pause
from dragoman.memory.postgres.dialect import OWN, Statement
from dragoman.memory.postgres.tx import PostgresTx
from dragoman.memory.statements import SQL

__all__ = ["Alone", "Member", "Move"]

Move = tuple[str, int, int, str, int | None, int]
"""A thread's id, last number, checkpoint, status, the time of the change where the last two have changed, and the time
of its events."""

_INSERT_THREAD: Final = OWN["insert_thread"]
_THREAD_COLUMNS: Final = 9
# What one statement does for the rows of all: which, how many values a row has, and what must not wait any more.
_RUNS: Final = ("note_progresses", "change_statuses")
_MANY: Final[Mapping[str, tuple[Statement, int, Sequence[str]]]] = {
    SQL["note_progress"]: (OWN["note_progresses"], 8, _RUNS),
    SQL["change_status"]: (OWN["change_statuses"], 13, _RUNS),
    SQL["add_thread_value"]: (OWN["add_thread_value"], 4, ()),
}
_DROP_VALUE: Final = SQL["drop_thread_value"]


class Alone(Exception):
    """The verb needs a transaction of its own."""


class Member(PostgresTx):
    """A verb's part of ``whole``. ``moves`` are the threads that it has written to; ``asked`` whether anything of it
    has been sent."""

    def __init__(self, whole: PostgresTx, ordinals: Asked | None) -> None:
        super().__init__(whole._connection, whole.scope, whole.pace)
        self._entered = True
        self._whole = whole
        if whole.keys is not None or whole.blobs is not None:
            self.seal_with(whole.keys, whole.blobs)
        self._ordinals = ordinals
        self.moves: list[Move] = []
        self.asked = False

    def _plain(self, sql: str, parameters: Any = ()) -> Any:
        if sql is _DROP_VALUE and "add_thread_value" not in self._later:
            return self.send(OWN["drop_thread_value"], parameters)  # no other row that waits has to do with it
        many = _MANY.get(sql)
        if many is None:
            return super()._plain(sql, parameters)
        one, width, before = many
        if any(name in self._later for name in before):
            self.write()
        self.due = self.due or one.name == "change_statuses"
        self.keep(one, width, parameters)
        return None

    def lock(self, lock: Statement, *values: Any) -> None:
        """Raises ``Alone``."""
        raise Alone

    def walk(self, asked: Statement, parameters: Sequence[Any]) -> Any:
        """Raises ``Alone``."""
        raise Alone

    def _locked_list(self, asked: Statement, values: tuple[Any, ...]) -> Asked:
        raise Alone

    def exchange(self) -> None:
        """Wait for the answers, which come with those of the others."""
        if self._kept:
            self.hand_over()
            self.asked = True
            pause()

    def next_run_ordinal(self) -> int:
        """One of those that were asked for all."""
        if self._ordinals is None:
            raise Alone
        if not self._ordinals.answered:
            pause()
        row = self._ordinals.fetchone()
        assert row is not None
        return int(row[0])

    def remember_head(self, tenant: str, thread_id: str, head: tuple[int, int, str]) -> None:
        """As ``PostgresTx.remember_head``; the rows of all threads are written at once."""
        key = tenant, thread_id
        self.heads[key] = head
        self.touched.add(key)
        numbered = self._numbered.pop(key, None)
        opened, moved = self._opened.pop(key, None), self._moved.pop(key, None)
        if opened is not None:
            self.keep(_INSERT_THREAD, _THREAD_COLUMNS, (*opened, head[0]))
        elif moved is not None:
            self.moves.append((thread_id, *head, int(moved[2]), int(moved[2])))
        elif numbered is not None:
            self.moves.append((thread_id, *head, None, numbered))

    def hand_over(self) -> None:
        """Give what is kept to the whole, to be sent with its next exchange."""
        kept, self._kept = self._kept, []
        self._whole.adopt(kept)

    def done(self) -> None:
        """The verb is over: its rows and what it tells are the whole's."""
        self.hand_over()
        later, self._later = self._later, {}
        whole = self._whole
        for asked, width, values in later.values():
            whole.keep(asked, width, values)
        whole.running.update(self.running)
        whole.heads.update(self.heads)
        whole.touched |= self.touched
        whole.due, whole.cancelled = whole.due or self.due, whole.cancelled or self.cancelled
        whole.proof = self.proof or whole.proof
