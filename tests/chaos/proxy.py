"""A TCP proxy that stands between a replica and its database, and does what networks do: stalls, forgets, refuses,
delays.

A stall holds back what is sent, both ways, until it is over: as lost packets that are sent again. What is forgotten
while it lasts never comes, and nobody is told: a connection that one side believes in (half-open). Where it is mute,
what is sent arrives, and the answers are lost. Knows no protocol.
"""

from __future__ import annotations

import asyncio
from typing import Literal

__all__ = ["Proxy"]

Mode = Literal["through", "stall", "forget", "mute", "refuse"]
_CHUNK = 65536


class Proxy:
    """To ``target``, a host and port or the path of a socket. ``delay`` is in seconds, for each piece of data in each
    direction."""

    def __init__(self, target: tuple[str, int] | str, delay: float = 0.0) -> None:
        self.port = 0
        self.delay = delay
        self._target = target
        self._mode: Mode = "through"
        self._through = asyncio.Event()
        self._through.set()
        self._open: set[_Link] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        self._through.set()
        for link in list(self._open):
            link.cut()
        await asyncio.gather(*(link.ended.wait() for link in list(self._open)))

    def turn(self, mode: Mode) -> None:
        """From now on. Connections that were there when all is forgotten stay forgotten; refused ones are cut."""
        self._mode = mode
        if mode == "stall":
            self._through.clear()
        else:
            self._through.set()
        for link in list(self._open):
            if mode in ("forget", "mute"):
                link.forgotten, link.heard = True, mode == "mute"
            elif mode == "refuse":
                link.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "refuse":
            writer.transport.abort()
            return
        link = _Link(writer, self._mode == "forget")
        self._open.add(link)
        try:
            await self._through.wait()
            if isinstance(self._target, str):
                there, back = await asyncio.open_unix_connection(self._target)
            else:
                there, back = await asyncio.open_connection(*self._target)
            link.add(back)
            ways = [self._pipe(link, reader, back), self._pipe(link, there, writer)]
            link.tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.gather(*link.tasks)
        except (OSError, asyncio.CancelledError):
            pass  # one side is gone, and so is the other
        finally:
            link.cut()
            self._open.discard(link)
            link.ended.set()

    async def _pipe(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._through.wait()
            if not link.forgotten or (link.heard and writer is not link.client):
                writer.write(data)
                await writer.drain()
        if link.forgotten:
            await asyncio.Event().wait()  # nobody hears of the end
        writer.close()


class _Link:
    """A connection and its other half."""

    def __init__(self, writer: asyncio.StreamWriter, forgotten: bool) -> None:
        self.forgotten = forgotten
        self.heard = False
        self.client = writer
        self.ended = asyncio.Event()
        self.tasks: list[asyncio.Future[None]] = []
        self._writers = [writer]

    def add(self, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)

    def cut(self) -> None:
        for task in self.tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
