"""Statements over one connection: as many as are known are sent at once and answered together.

Speaks libpq's pipeline mode through psycopg, which connects, waits and pools. Every statement is prepared on the server
when it is first sent; parameters are sent as text (bytes as they are), results come in binary. Knows no transaction and
nothing of ledgers: a failed statement is told as ``Failed`` with its SQLSTATE, a lost connection as ``Lost``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

import psycopg
from psycopg import pq
from psycopg.waiting import Ready, Wait

from dragoman.memory.errors import InputInvalid

__all__ = ["Answer", "Connection", "Failed", "Lost", "Silent"]

_TEXT: Final = pq.Format.TEXT
_BINARY: Final = pq.Format.BINARY
_int8 = struct.Struct("!q").unpack
_int4 = struct.Struct("!i").unpack


class Failed(Exception):
    """A statement was refused. ``state`` is its SQLSTATE, ``constraint`` the name of what it violates."""

    def __init__(self, state: str, message: str, constraint: str = "") -> None:
        super().__init__(f"{message} ({state})")
        self.state = state
        self.constraint = constraint


class Lost(Exception):
    """The connection is gone; what was sent may have been done."""


class Silent(Lost):
    """The same, for there was no answer in time: other connections may be as dead and not know it."""


class Answer:
    """What a statement gave: its rows as tuples, and how many rows it touched."""

    __slots__ = ("count", "rows")

    def __init__(self, rows: list[tuple[Any, ...]], count: int) -> None:
        self.rows = rows
        self.count = count


def _unknown(data: bytes) -> Any:
    return data.decode()


_DECODERS: Final[dict[int, Callable[[bytes], Any]]] = {
    16: lambda data: data == b"\x01",
    17: bytes,
    20: lambda data: _int8(data)[0],
    23: lambda data: _int4(data)[0],
    25: bytes.decode,
}


def _encoded(value: Any) -> bytes | None:
    if value is None or type(value) is bytes:
        return value
    if type(value) is int:
        return b"%d" % value
    text = str(value)
    if "\x00" in text:
        raise InputInvalid("A text holds a NUL character, which Postgres cannot keep.")
    return text.encode()


class Connection(psycopg.AsyncConnection[Any]):
    """A connection that is asked through ``exchange`` alone, which waits ``silence`` seconds for an answer."""

    silence: float | None = None
    _known: dict[str, bytes]
    _reading: dict[str, tuple[Callable[[bytes], Any], ...]]
    _named: int

    async def exchange(self, batch: Sequence[tuple[str, Sequence[Any]]]) -> list[Answer]:
        """Send statements at once; their answers. The first that fails raises ``Failed``, and none after it is done.
        Raises ``Lost``."""
        try:
            return await self.wait(self._talk(batch), timeout=self.silence)
        except psycopg.errors._WaitTimeout:  # pyright: ignore[reportPrivateUsage]
            self.pgconn.finish()  # its other half may be gone
            raise Silent(f"nothing was heard for {self.silence:g} s") from None
        except psycopg.Error as error:
            raise Lost(str(error).strip() or "the connection is closed") from None

    def _talk(self, batch: Sequence[tuple[str, Sequence[Any]]]) -> Generator[Wait, Ready | int, list[Answer]]:
        encoded = [[_encoded(value) for value in values] for _, values in batch]
        if not hasattr(self, "_known"):
            self._known, self._reading, self._named = {}, {}, 0
        pgconn = self.pgconn
        pgconn.enter_pipeline_mode()
        new = self._send(pgconn, batch, encoded)
        pgconn.pipeline_sync()
        results = yield from _receive(pgconn)
        pgconn.exit_pipeline_mode()
        return self._answers(batch, new, results)

    def _send(
        self, pgconn: pq.abc.PGconn, batch: Sequence[tuple[str, Sequence[Any]]], encoded: list[list[bytes | None]]
    ) -> dict[int, tuple[str, bytes]]:
        """Which of the statements were prepared on the way, by their place in the batch."""
        new: dict[int, tuple[str, bytes]] = {}
        names: dict[str, bytes] = {}
        for place, ((text, values), data) in enumerate(zip(batch, encoded, strict=True)):
            name = self._known.get(text) or names.get(text)
            if name is None:
                self._named += 1
                name = names[text] = b"d%d" % self._named
                pgconn.send_prepare(name, text.encode())
                new[place] = text, name
            formats = [_BINARY if type(value) is bytes else _TEXT for value in values]
            pgconn.send_query_prepared(name, data, formats, _BINARY)
        return new

    def _answers(
        self,
        batch: Sequence[tuple[str, Sequence[Any]]],
        new: dict[int, tuple[str, bytes]],
        results: list[pq.abc.PGresult],
    ) -> list[Answer]:
        failure: Failed | None = None
        answers: list[Answer] = []
        given = iter(results)
        for place, (text, _) in enumerate(batch):
            if place in new:
                prepared = next(given)
                if prepared.status == pq.ExecStatus.COMMAND_OK:
                    self._known[text] = new[place][1]
                failure = failure or _failure(prepared)
            result = next(given)
            failure = failure or _failure(result)
            if failure is None:
                answers.append(self._answer(text, result))
        if failure is not None:
            raise failure
        return answers

    def _answer(self, text: str, result: pq.abc.PGresult) -> Answer:
        if result.status != pq.ExecStatus.TUPLES_OK:
            return Answer([], result.command_tuples or 0)
        decoders = self._reading.get(text)
        if decoders is None:
            kinds = [result.ftype(column) for column in range(result.nfields)]
            decoders = self._reading[text] = tuple(_DECODERS.get(kind, _unknown) for kind in kinds)
        value = result.get_value
        columns = tuple(enumerate(decoders))
        rows: list[tuple[Any, ...]] = []
        for row in range(result.ntuples):
            found = [(value(row, column), decode) for column, decode in columns]
            rows.append(tuple([None if data is None else decode(data) for data, decode in found]))
        return Answer(rows, len(rows))


def _receive(pgconn: pq.abc.PGconn) -> Generator[Wait, Ready | int, list[pq.abc.PGresult]]:
    """All results until the end of the pipeline."""
    results: list[pq.abc.PGresult] = []
    unsent = pgconn.flush()
    while True:
        ready = yield Wait.RW if unsent else Wait.R
        if ready & Ready.W:
            unsent = pgconn.flush()
        if not ready & Ready.R:
            continue
        pgconn.consume_input()
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:  # the end of one statement's results, or of all that will come
                if pgconn.status == pq.ConnStatus.BAD:
                    raise psycopg.OperationalError(pgconn.get_error_message())
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)


def _failure(result: pq.abc.PGresult) -> Failed | None:
    if result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
        return None
    if result.status == pq.ExecStatus.PIPELINE_ABORTED:
        return Failed("25P02", "an earlier statement failed")

    def field(name: pq.DiagnosticField) -> str:
        return (result.error_field(name) or b"").decode("utf-8", "replace")

    return Failed(
        field(pq.DiagnosticField.SQLSTATE),
        field(pq.DiagnosticField.MESSAGE_PRIMARY),
        field(pq.DiagnosticField.CONSTRAINT_NAME),
    )
