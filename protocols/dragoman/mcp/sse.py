"""Event streams. ``HttpChannel`` is the response of one POST: JSON where the answer comes at once, a stream where
something precedes it.

Pure ASGI senders. The channel watches the connection only once the stream is open: a client that goes away then ends
the request (the coroutine is cancelled), and never a run. A response that its client can come back for is a
``Replay``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.types import Receive, Send

from dragoman.memory.codec import dumps
from dragoman.memory.model import Json

__all__ = ["HttpChannel", "event", "stream"]

_HEADERS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


_COMMENT: Final = b": \n\n"


class HttpChannel:
    """Sends what precedes a response; opens the stream when there is something, or when the wait gets long.

    Made by the task that answers the request, which is cancelled when the client goes.
    """

    __slots__ = ("_keepalive", "_owner", "_receive", "_send", "_watch", "gone", "opened", "streams")

    def __init__(self, receive: Receive, send: Send, streams: bool, keepalive: float) -> None:
        self.streams = streams
        self.opened = False
        self.gone = False
        self._receive = receive
        self._send = send
        self._keepalive = keepalive
        self._owner: asyncio.Task[Any] | None = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin the stream; does nothing for a client that takes JSON alone."""
        if not self.streams or self.opened:
            return
        self.opened = True
        await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await self._write(_COMMENT)
        self._watch = asyncio.create_task(self._attend())

    async def send(self, message: Mapping[str, Json]) -> None:
        """Send a notification or request as an event."""
        if self.streams:
            await self.open()
            await self._event(dumps(message))

    async def send_response(self, body: bytes) -> None:
        """Send one of several responses as an event of the stream, which is open."""
        await self._event(body)

    async def close(self, body: bytes | None) -> None:
        """End the stream with the response, or with none."""
        self.stop()
        if body is not None:
            await self._event(body)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def stop(self) -> None:
        """Attend to the connection no more."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _event(self, data: bytes) -> None:
        await self._write(event(data))

    async def _write(self, chunk: bytes) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _attend(self) -> None:
        """Keep the stream alive, and end the request when the client has gone."""
        await _keep_alive(self._receive, self._send, self._keepalive)
        self.gone = True
        if self._owner is not None:
            self._owner.cancel()


async def stream(
    receive: Receive,
    send: Send,
    work: Callable[[Send], Awaitable[None]],
    keepalive: float,
    beat: Callable[[], Awaitable[bool]] | None = None,
) -> None:
    """An event stream that lasts as long as ``work``, which is given where to write chunks, and as its client.

    Every ``keepalive`` seconds ``beat`` is asked whether it goes on, and a comment is sent.
    """
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
    left = asyncio.create_task(_disconnected(receive))
    working = asyncio.ensure_future(work(send))
    try:
        while not (await asyncio.wait([left, working], timeout=keepalive, return_when=asyncio.FIRST_COMPLETED))[0]:
            if beat is not None and not await beat():
                break
            await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
        gone = left.done()
    finally:
        left.cancel()
        working.cancel()
        await asyncio.wait([working])
    if not working.cancelled():
        working.result()
    if not gone:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def event(data: bytes, id: str | None = None, retry: float | None = None) -> bytes:
    """An event; ``retry`` is in seconds. One that has an id and no data only says where its reader is."""
    lines = b"" if id is None else b"id: " + id.encode() + b"\n"
    if retry is not None:
        lines += b"retry: %d\n" % round(retry * 1000)
    return lines + (b"event: message\n" if data else b"") + b"data: " + data + b"\n\n"


async def _keep_alive(receive: Receive, send: Send, keepalive: float) -> None:
    """Send a comment every ``keepalive`` seconds until the client has gone."""
    left = asyncio.create_task(_disconnected(receive))
    try:
        while not (await asyncio.wait([left], timeout=keepalive))[0]:
            await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
    finally:
        left.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
