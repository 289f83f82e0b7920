"""A small app behind the HTTP protocol as it is served, and a client that writes bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from tests.loopback import serving

from dragoman.cli.http_protocol import Limits, bounded

__all__ = [
    "BODY",
    "CLOSE",
    "H2C",
    "HASTY",
    "LINE",
    "LONG",
    "NEXT",
    "SMALL",
    "App",
    "Served",
    "chunked",
    "cut",
    "served",
    "sized",
    "until",
]

LINE = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
BODY = b'{"agent_id": "echo", "input": {"text": "GET /other HTTP/1.1"}}'
SMALL = Limits(head=4096, patience=30)
HASTY = Limits(patience=0.25)


class App:
    """Answers with the path, the body and the header ``x-said``; under /slow in two pieces, between which it waits for
    ``go``."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = self.left = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        said = b"%b %b%b" % (scope["path"].encode(), body, dict(scope["headers"]).get(b"x-said", b""))
        length = b"%d" % len(said)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        if scope["path"] == "/slow":
            await send({"type": "http.response.body", "body": said[:3], "more_body": True})
            await self._wait(receive)
            said = said[3:]
        await send({"type": "http.response.body", "body": said})

    async def _wait(self, receive: Any) -> None:
        left = asyncio.create_task(receive())
        gone = asyncio.create_task(self.go.wait())
        await asyncio.wait([left, gone], return_when=asyncio.FIRST_COMPLETED)
        self.left += left.done()
        left.cancel()
        gone.cancel()


class Served:
    """A server: its application, its port and its connections."""

    def __init__(self, app: App, port: int, server: uvicorn.Server) -> None:
        self.app = app
        self.port = port
        self._server = server

    @property
    def connections(self) -> int:
        return len(self._server.server_state.connections)

    async def until(self, open_connections: int) -> None:
        """Wait until so many are open."""
        await until(lambda: self.connections == open_connections)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return reader, writer

    async def answers(self, pieces: Iterable[bytes], every: float = 0) -> bytes:
        """All that the server sends on a connection until it closes it; a piece is sent every so many seconds."""
        reader, writer = await self.open()
        sending = asyncio.create_task(_send(writer, pieces, every))
        received = b""
        try:
            while chunk := await reader.read(65_536):
                received += chunk
        except ConnectionError:
            pass  # what it had to say was said
        finally:
            sending.cancel()
            writer.close()
        return received


async def until(happened: Callable[[], bool]) -> None:
    """Wait for what the server does."""
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - uvicorn tells nobody of its connections
            await asyncio.sleep(0.001)


async def _send(writer: asyncio.StreamWriter, pieces: Iterable[bytes], every: float) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(every)  # a client's own pace


@asynccontextmanager
async def served(limits: Limits = SMALL) -> AsyncGenerator[Served]:
    """A server with these limits."""
    app = App()
    async with serving(app, http=bounded(limits)) as server:
        try:
            async with asyncio.timeout(20):
                yield Served(app, server.port, server)
        finally:
            app.go.set()


def cut(whole: bytes, size: int) -> Iterable[bytes]:
    return (whole[n : n + size] for n in range(0, len(whole), size))


def sized(*headers: bytes) -> bytes:
    return LINE + b"Content-Length: %d\r\n" % len(BODY) + b"".join(headers) + b"\r\n" + BODY


def chunked(*headers: bytes, trailers: bytes = b"") -> bytes:
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY)
    return LINE + b"Transfer-Encoding: chunked\r\n" + b"".join(headers) + b"\r\n" + body + b"0\r\n" + trailers + b"\r\n"


CLOSE = b"Connection: close\r\n"
LONG = b"X-Long: " + b"x" * 20_000
NEXT = b"GET /next HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + b"\r\n"
