"""A plain proxy that gives each request to the next of several servers: no stickiness, no health checks, no state.

Each HTTP request is given a connection of its own, which ends with its response; a connection that is not HTTP/1.1
(gRPC) goes to one server as a whole. Bytes are passed on as they come, so that streams are streams.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

__all__ = ["round_robin"]

_CHUNK: Final = 65536
_HEAD: Final = 65536
_HTTP: Final = re.compile(rb"^[A-Z]+ \S+ HTTP/1\.1\r\n")
_CONNECTION: Final = re.compile(rb"\r\nconnection:[^\r\n]*", re.IGNORECASE)


@contextmanager
def round_robin(ports: Sequence[int], port: int) -> Generator[None]:
    """Listen on ``port`` of the loopback, before servers on ``ports`` of it, in a thread of its own."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    turns = itertools.cycle(ports)
    stop = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(lambda r, w: _pass_on(next(turns), r, w), "127.0.0.1", port, limit=_HEAD)
        ready.set()
        await stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


async def _pass_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        there, back = await asyncio.open_connection("127.0.0.1", port)
        back.write(_single(head))
        ways = [asyncio.ensure_future(_pipe(reader, back)), asyncio.ensure_future(_pipe(there, writer))]
        # The response is over when the server closes; a client that is gone ends the request.
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        if not ways[1].done() and not writer.is_closing():
            await asyncio.wait(ways[1:], timeout=None if not reader.at_eof() else 0.05)
        for way in ways:
            way.cancel()
        back.close()
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


def _single(head: bytes) -> bytes:
    """The head of a request, for a connection of one request."""
    if not _HTTP.match(head) or b"\r\nupgrade:" in head.lower():
        return head
    return _CONNECTION.sub(b"", head)[:-2] + b"Connection: close\r\n\r\n"


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        return
