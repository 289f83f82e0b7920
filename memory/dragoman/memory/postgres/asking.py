"""Statements of one connection, asked as late as can be.

A verb was written against a database in its own process, where a statement costs nothing to ask. Here what it asks is
kept until it looks at an answer, and all that was kept goes out together. Knows no lock and no rule: readers work on
this as it is, verbs that write on what ``tx.py`` makes of it. Above: ``runner.py``. Below: ``wire.py``, which sends,
and ``bridge.py``, which waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from dragoman.memory.blobs.aside import Blobs
from dragoman.memory.postgres.bridge import wait
from dragoman.memory.postgres.dialect import Statement, statement
from dragoman.memory.postgres.scope import Scope, entrance
from dragoman.memory.postgres.values import shaped
from dragoman.memory.postgres.wire import Answer, Connection
from dragoman.memory.sealing.cursors import Statements
from dragoman.memory.sealing.data_keys import Keyring

__all__ = ["COMMIT", "Asked", "Asking"]

COMMIT: Final = Statement("commit", "COMMIT")
_BEGIN_READ: Final = Statement("begin", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
_FIRST_ROWS: Final = 50
_MORE_ROWS: Final = 500


class Asked:
    """A statement that was asked, as a cursor: the answer is there when it is looked at."""

    __slots__ = ("_answer", "_asking", "_read")

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._answer: Answer | None = None
        self._read = 0

    @property
    def answered(self) -> bool:
        """Whether the answer is here."""
        return self._answer is not None

    def given(self, answer: Answer) -> None:
        """The answer has come."""
        self._answer = answer

    @property
    def _here(self) -> Answer:
        if self._answer is None:
            self._asking.exchange()
        assert self._answer is not None
        return self._answer

    @property
    def rowcount(self) -> int:
        """How many rows were touched."""
        return self._here.count

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""
        rows = self._here.rows
        if self._read >= len(rows):
            return None
        self._read += 1
        return rows[self._read - 1]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows that are left."""
        rows = self._here.rows[self._read :]
        self._read += len(rows)
        return rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchall())


class _Walk:
    """A list without a limit, fetched as it is read."""

    def __init__(self, asking: Asking, name: str, first: Asked) -> None:
        self._asking = asking
        self._name = name
        self._first = first

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        rows = self._first.fetchall()
        size = _FIRST_ROWS
        while rows:
            yield from rows
            if len(rows) < size:
                return
            size = _MORE_ROWS
            rows = self._asking.send(Statement("fetch", f"FETCH {size} FROM {self._name}"), ()).fetchall()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All of it."""
        return list(self)


class Asking:
    """Statements of one connection, kept until an answer is wanted. What readers work on: nothing is locked."""

    def __init__(self, connection: Connection, scope: Scope) -> None:
        self._connection = connection
        self.scope = scope
        self._kept: list[tuple[Statement, Sequence[Any], Asked]] = []
        self._walks = 0
        self.in_transaction = False
        self._entered = False
        self.keys: Keyring | None = None
        self.blobs: Blobs | None = None
        self._sealing: Statements | None = None

    def seal_with(self, keys: Keyring | None, blobs: Blobs | None) -> None:
        """Seal what is written from now on and put aside what is large of it, and open what is read."""
        self.keys, self.blobs = keys, blobs
        self._sealing = Statements(keys, lambda sql, parameters: self.send(statement(sql), parameters), blobs)

    def make_key(self, tenant: str) -> None:
        """See that a tenant has a data key."""
        if self._sealing is not None:
            self._sealing.make_key(tenant)

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Ask a shared statement."""
        if self._sealing is None:
            return self._plain(sql, parameters)
        return self._sealing.run(self._plain, sql, parameters)

    def _plain(self, sql: str, parameters: Any = ()) -> Any:
        """Ask a statement as it is; BEGIN is a snapshot."""
        if sql in ("BEGIN", "COMMIT"):
            self._turn(sql)
            return None
        asked = statement(sql)
        values = shaped(asked.name, tuple(parameters))
        return self.walk(asked, values) if asked.walk else self.send(asked, values)

    def _turn(self, sql: str) -> None:
        if sql == "BEGIN":
            self.begin_reading()
        elif self._walks == 0:  # a list may still be read after the reader has said that it is done
            self.send(COMMIT, ())
            self.in_transaction = False

    def begin_reading(self) -> None:
        """One snapshot for all that follows."""
        if not self.in_transaction:
            self.in_transaction = True
            self.send(_BEGIN_READ, ())

    def send(self, asked: Statement, parameters: Sequence[Any]) -> Asked:
        """Keep a statement to be sent with the next exchange, within a transaction that says whose rows it sees: what
        is sent at once without a BEGIN is one too."""
        answer = Asked(self)
        if asked is COMMIT:
            self._entered = False
        elif asked.name == "begin":
            self._kept.append((asked, parameters, answer))
            self._enter()
            return answer
        elif not self._entered:
            self._enter()
        self._kept.append((asked, parameters, answer))
        return answer

    def _enter(self) -> None:
        self._entered = True
        self._kept.append((*entrance(self.scope), Asked(self)))

    def adopt(self, kept: Sequence[tuple[Statement, Sequence[Any], Asked]]) -> None:
        """Keep what another has asked, who gets the answers."""
        self._kept.extend(kept)

    def walk(self, asked: Statement, parameters: Sequence[Any]) -> Any:
        """Ask for a list that is read as far as is wanted."""
        self.begin_reading()
        self._walks += 1
        name = f"{asked.name}_{self._walks}"  # what is fetched is read by the columns of its text
        self.send(Statement("declare", f"DECLARE {name} NO SCROLL CURSOR FOR {asked.text}"), parameters)
        return _Walk(self, name, self.send(Statement("fetch", f"FETCH {_FIRST_ROWS} FROM {name}"), ()))

    def exchange(self) -> None:
        """Send what is kept and hand the answers out. Raises what the connection raises."""
        kept, self._kept = self._kept, []
        if not kept:
            return
        self._entered = self.in_transaction
        # A statement is planned for those whose rows it sees, so that the two are two.
        mark = "" if self.scope is not None else " "
        answers = wait(self._connection.exchange([(asked.text + mark, values) for asked, values, _ in kept]))
        for (_, _, asked), answer in zip(kept, answers, strict=True):
            asked.given(answer)

    def finish(self) -> None:
        """End a reader's transaction, if it has one."""
        if self.in_transaction:
            self.in_transaction = False
            self.send(COMMIT, ())
        self.exchange()
