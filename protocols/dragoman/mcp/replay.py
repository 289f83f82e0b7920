"""Responses that a client of the older era comes back for, when their stream broke or was closed.

The request goes on whether its client is there or not; what it sends is kept for a while, bounded, and each event has
an id, which a GET names in ``Last-Event-ID``. Knows nothing of HTTP but how an event is written; ``resume.py`` holds
these. Follows 2025-11-25 "Resumability and Redelivery".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from starlette.types import Send

from dragoman.mcp import sse
from dragoman.mcp.call import Call
from dragoman.mcp.kernel import Answer
from dragoman.memory.codec import dumps
from dragoman.memory.model import Json

__all__ = ["Replay"]

_RETRY: Final = 1.0
"""Seconds after which a client comes back that was told nothing else."""
_MOST_EVENTS: Final = 256
_MOST_BYTES: Final = 1024 * 1024


class Replay:
    """The channel of one request whose response is kept. One stream at a time reads it; the newest does.

    ``token`` is, or gives, the first part of the ids of its events; it is asked for once. ``primes`` says that the
    client knows events without data; only then is a stream closed before its response.
    """

    streams = True

    def __init__(self, name: str, token: str | Callable[[Call], str], primes: bool, number: int = 0) -> None:
        self.name = name
        self.begun = asyncio.Event()
        self.opened = False
        self.answer: Answer | None = None
        self.size = 0
        self._token = token
        self._done = False
        self._primes = primes
        self._number = number
        self._frames: list[tuple[int, bytes]] = []
        self._call: Call | None = None
        self._cut: tuple[int, float] | None = None
        self._reader: object | None = self
        self._news = asyncio.Event()

    def begin(self, call: Call) -> None:
        """This is the call that it is the channel of."""
        self._call = call

    # -- the channel --------------------------------------------------------------------------------------------------
    async def open(self) -> None:
        """The response becomes a stream."""
        self.opened = True
        self.begun.set()

    async def send(self, message: Mapping[str, Json]) -> None:
        """Keep a message, and send it to who reads."""
        self._keep(dumps(message))
        await self.open()

    async def detach(self, retry: float) -> None:
        """Close the stream that is read; does nothing where there is none."""
        if self._primes and self._reader is not None and not self._done:
            self._cut = (self._number, retry)
            self._news.set()
            await self.open()

    def finish(self, answer: Answer | None) -> None:
        """This is the response; None where none is owed, or the server stops. One that became no stream is not
        kept."""
        self.answer, self._done = answer, True
        if answer is not None and self.opened:
            self._keep(answer.body)
        self._news.set()
        self.begun.set()

    # -- the streams --------------------------------------------------------------------------------------------------
    async def write_to(self, send: Send, after: int | None, close_after: float | None) -> None:
        """Write what is kept after the event ``after`` (None: this is the first stream), and what comes, until the
        response is written, the stream is closed, or another one reads. ``close_after`` closes it after so many
        seconds."""
        me, at = object(), after or 0
        self._reader = me
        self._news.set()
        loop = asyncio.get_running_loop()
        until = loop.time() + close_after if close_after is not None and self._primes else None
        try:
            if after is None and self._primes and self._call is not None:
                await _write(send, sse.event(b"", self._id(0), _RETRY))
            while True:
                self._news.clear()
                for number, frame in list(self._frames):
                    if number > at and (self._cut is None or number <= self._cut[0]):
                        await _write(send, frame)
                        at = number
                if self._reader is not me:
                    return
                if self._cut is not None:
                    (_, retry), self._cut = self._cut, None
                    await _write(send, sse.event(b"", self._id(at), retry))
                    return
                if self._done:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(until):
                        await self._news.wait()
                        continue
                self._cut = (self._number, _RETRY)
        finally:
            if self._reader is me:
                self._reader = None

    # -- inside -------------------------------------------------------------------------------------------------------
    def _keep(self, data: bytes) -> None:
        self._number += 1
        frame = sse.event(data, self._id(self._number))
        self._frames.append((self._number, frame))
        self.size += len(frame)
        while len(self._frames) > 1 and (len(self._frames) > _MOST_EVENTS or self.size > _MOST_BYTES):
            self.size -= len(self._frames.pop(0)[1])
        self._news.set()

    def _id(self, number: int) -> str:
        if not isinstance(self._token, str):
            assert self._call is not None
            self._token = self._token(self._call)
        return f"{self._token}.{number}.{0 if self._call is None else self._call.seen}"


async def _write(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})
