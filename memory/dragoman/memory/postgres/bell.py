"""How replicas hear of each other: one NOTIFY for all that this process has committed in some ten milliseconds.

Off the write path, for a NOTIFY takes a lock that all commits of the database share. Ids alone are told; whoever
cares reads the ledger. While the listening connection is away, and when it is back, everything may have changed. Each
replica gives a sign of life every second: one that falls silent may have died between a commit and telling of it. Knows
no run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any, Final

import psycopg

from dragoman.memory.codec import dumps, loads
from dragoman.memory.errors import DragomanError
from dragoman.memory.ids import uuid7
from dragoman.memory.postgres.wire import Connection, Failed, Lost
from dragoman.memory.replicas import News

__all__ = ["CONNECT_S", "Bell"]

Key = tuple[str, str]

CONNECT_S: Final = 5
"""How long a connection may take to be made, in seconds."""

_CHANNEL: Final = "dragoman"
_PAUSE: Final = 0.01  # seconds
_AWAY: Final = 1.0
_PULSE: Final = 1.0
_SILENCE: Final = 3.0
_LONGEST: Final = 7000  # bytes of a payload; Postgres takes 7999
_MOST: Final = 5000  # threads that are told one by one


class Bell:
    """Tells others what was committed here, and hears what was committed there. ``send`` is given a payload."""

    def __init__(self, url: str, send: Callable[[str, str], Awaitable[None]]) -> None:
        self._url = url
        self._send = send
        self._own = uuid7()
        self._others: dict[str, float] = {}
        self._threads: set[Key] = set()
        self._due = self._cancelled = self._rung = False
        self._ringing: asyncio.Task[None] | None = None
        self._closing = False

    def ring(self, threads: Iterable[Key], *, due: bool, cancelled: bool) -> None:
        """These were committed: tell it soon."""
        self._threads.update(threads)
        self._due, self._cancelled, self._rung = self._due or due, self._cancelled or cancelled, True
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._ring())

    async def close(self) -> None:
        """Tell what is left."""
        self._closing = True
        if self._ringing is not None:
            await self._ringing

    async def _ring(self) -> None:
        while self._rung:
            await asyncio.sleep(_PAUSE)
            threads, due, cancelled = self._threads, self._due, self._cancelled
            self._threads, self._due, self._cancelled, self._rung = set(), False, False, False
            try:
                for payload in self._payloads(threads, due, cancelled):
                    await self._send(_CHANNEL, payload)
            except DragomanError:  # the database is away: it is told when it is back
                if self._closing:
                    return
                self._threads |= threads
                self._due, self._cancelled, self._rung = self._due or due, self._cancelled or cancelled, True
                await asyncio.sleep(_AWAY)

    def _payloads(self, threads: set[Key], due: bool, cancelled: bool) -> Iterable[str]:
        told: dict[str, Any] = {"by": self._own, "due": due, "cancelled": cancelled}
        lengths = [len(dumps(key)) + 1 for key in threads]
        if len(threads) > _MOST or max(lengths, default=0) > _LONGEST:
            yield dumps({**told, "threads": None}).decode()
            return
        part: list[Key] = []
        size = 0
        for key, length in zip(threads, lengths, strict=True):
            if size + length > _LONGEST:
                yield dumps({**told, "threads": part}).decode()
                part, size = [], 0
            part.append(key)
            size += length
        yield dumps({**told, "threads": part}).decode()

    # -- hearing ------------------------------------------------------------------------------------------------------
    async def news(self) -> AsyncGenerator[News]:
        """See ``ReplicaLedger.news``."""
        while True:
            try:
                connecting = Connection.connect(self._url, autocommit=True, connect_timeout=CONNECT_S)
                async with await connecting as connection:
                    connection.silence = _SILENCE
                    await connection.execute(f"LISTEN {_CHANNEL}")
                    yield News(None, due=True, cancelled=True)
                    while True:
                        async for notice in connection.notifies(timeout=_PULSE):
                            if (news := self._read(notice.payload)) is not None:
                                yield news
                        for payload in await self._pulse(connection):
                            if (news := self._read(payload)) is not None:
                                yield news
                        if self._fell_silent():
                            yield News(None, due=True, cancelled=True)
            except (psycopg.Error, Lost, Failed):
                self._others.clear()
                await asyncio.sleep(_AWAY)
                yield News(None, due=True)

    async def _pulse(self, connection: Connection) -> list[str]:
        """Give a sign of life, which shows too that this connection is alive; what was told meanwhile."""
        sign = dumps({"by": self._own, "due": False, "cancelled": False, "threads": []}).decode()
        await connection.exchange([("SELECT pg_notify($1, $2)", (_CHANNEL, sign))])
        told: list[str] = []
        while (notice := connection.pgconn.notifies()) is not None:
            told.append(notice.extra.decode())
        return told

    def _fell_silent(self) -> bool:
        """Whether somebody who was heard is not heard any more."""
        now = asyncio.get_running_loop().time()
        silent = [by for by, at in self._others.items() if now - at > 3 * _PULSE]
        for by in silent:
            del self._others[by]
        return bool(silent)

    def _read(self, payload: str) -> News | None:
        try:
            told = loads(payload)
            if told["by"] == self._own:
                return None
            self._others[str(told["by"])] = asyncio.get_running_loop().time()
            threads: Any = told["threads"]
            if threads == [] and not told["due"] and not told["cancelled"]:
                return None
            keys = None if threads is None else frozenset((str(tenant), str(id)) for tenant, id in threads)
            return News(keys, bool(told["due"]), bool(told["cancelled"]))
        except (ValueError, KeyError, TypeError):
            return News(None, due=True)  # another version's words
