"""Server-sent events over plain ASGI: frames with ids, comments in silences, and an end when the client leaves.

It knows nothing of what it sends. A client that leaves or does not read ends its own stream and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Final

from starlette.types import Receive, Send

__all__ = ["frame", "serve"]

_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_SILENCE: Final = b": keep-alive\n\n"


def frame(data: bytes, id: str = "") -> bytes:
    """One event. ``data`` is a single line, as JSON is."""
    return b"id: %b\ndata: %b\n\n" % (id.encode(), data) if id else b"data: %b\n\n" % data


async def serve(
    receive: Receive, send: Send, frames: AsyncGenerator[bytes, None], keepalive: float, patience: float
) -> None:
    """Send frames until they end or the client has left.

    ``keepalive`` is the longest silence, and ``patience`` how long one frame may take to be sent, in seconds.
    """
    stream = _Stream(send, frames)
    writer = asyncio.ensure_future(stream.write())
    left = asyncio.ensure_future(_left(receive))
    try:
        while True:
            tick = min(keepalive, patience)
            done, _ = await asyncio.wait({writer, left}, timeout=tick, return_when=asyncio.FIRST_COMPLETED)
            if writer in done:
                with contextlib.suppress(OSError):  # how a server may tell that the client has left
                    await writer
                return
            if left in done or stream.stuck_for() > patience:
                return
            if stream.silent_for() >= keepalive:
                await stream.comment()
    finally:
        for task in (writer, left):
            task.cancel()
        await asyncio.gather(writer, left, return_exceptions=True)
        await frames.aclose()


class _Stream:
    """The writing side, and since when it has been at it."""

    def __init__(self, send: Send, frames: AsyncGenerator[bytes, None]) -> None:
        self._send = send
        self._frames = frames
        self._sending_since: float | None = None
        self._sent_at = time.monotonic()

    async def write(self) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        async for data in self._frames:
            await self._body(data)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def comment(self) -> None:
        if self._sending_since is None:
            self._sent_at = time.monotonic()
            await self._send({"type": "http.response.body", "body": _SILENCE, "more_body": True})

    def stuck_for(self) -> float:
        return 0.0 if self._sending_since is None else time.monotonic() - self._sending_since

    def silent_for(self) -> float:
        return time.monotonic() - self._sent_at

    async def _body(self, data: bytes) -> None:
        self._sending_since = time.monotonic()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._sending_since = None
        self._sent_at = time.monotonic()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
