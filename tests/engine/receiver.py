"""An HTTP receiver on loopback that answers as it is told and notes what it was sent. Used by tests of deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

__all__ = ["Answer", "Received", "Receiver", "receiver"]


@dataclass
class Answer:
    """``pause`` in seconds before the answer; status 0 closes the connection instead."""

    status: int = 200
    pause: float = 0.0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes
    path: str
    connection: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> Any:
        return orjson.loads(self.body)


class Receiver:
    """``answers`` chooses by the number of the request, from 0."""

    def __init__(self, answers: Callable[[int], Answer]) -> None:
        self._answers = answers
        self._changed = asyncio.Condition()
        self._serving: set[asyncio.Task[None]] = set()
        self.got: list[Received] = []
        self.now = self.most = self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def wait(self, n: int) -> list[Received]:
        """What came, once there are so many."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.got) >= n)
        return self.got

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while await self._one(reader, writer, connection):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the last is ours: ``close``
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self._serving.discard(task)

    async def close(self) -> None:
        """Close the connections."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        answer = self._answers(len(self.got))
        self.now += 1
        self.most = max(self.most, self.now)
        async with self._changed:
            self.got.append(Received(headers, body, first.split(" ")[1], connection))
            self._changed.notify_all()
        try:
            await asyncio.sleep(answer.pause)
        finally:
            self.now -= 1
        if not answer.status:
            return False
        told = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        length = len(answer.body)
        writer.write(f"HTTP/1.1 {answer.status} X\r\ncontent-length: {length}\r\n{told}\r\n".encode() + answer.body)
        await writer.drain()
        return True


@asynccontextmanager
async def receiver(answers: Callable[[int], Answer] | Answer | None = None) -> AsyncGenerator[Receiver]:
    """A receiver; without ``answers`` it takes everything."""
    always = answers if isinstance(answers, Answer) else Answer()
    there = Receiver(answers if callable(answers) else lambda _: always)
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        server.close()
        await there.close()
