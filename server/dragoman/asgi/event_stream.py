"""Server-sent events over plain ASGI: frames as they come, comments in silences, and an end when the client leaves.

It knows nothing of what it sends. A stream that waits costs the request's own task and a small one that hears the
client leave; silences and stuck clients are looked for by one timer. A client that leaves or does not read ends its own
stream and nothing else. (sse-starlette's response keeps five tasks and a dozen events for each: twice the memory.)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from enum import Enum
from typing import Any, Final

__all__ = ["EventStream", "Outcome"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class Outcome(Enum):
    """How a stream ended: its frames did, its client left, or its client did not read."""

    ENDED = "ended"
    LEFT = "left"
    STUCK = "stuck"


class EventStream:
    """One answer. ``keepalive`` is the longest silence and ``patience`` how long one frame may take to be sent, in
    seconds; ``silence`` is the comment that breaks a silence."""

    __slots__ = (
        "_frames",
        "_headers",
        "_keepalive",
        "_outcome",
        "_owner",
        "_patience",
        "_send",
        "_sending_since",
        "_sent_at",
        "_silence",
        "_timer",
        "_words",
    )

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        keepalive: float,
        patience: float,
        *,
        headers: Iterable[tuple[bytes, bytes]] = (),
        silence: bytes = b": keep-alive\n\n",
    ) -> None:
        self._frames = frames
        self._keepalive = keepalive
        self._patience = patience
        self._headers = headers
        self._silence = silence
        self._outcome = Outcome.ENDED
        self._sending_since: float | None = None
        self._sent_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._words: asyncio.Task[None] | None = None
        self._owner: asyncio.Task[Any] | None = None
        self._send: Send | None = None

    async def serve(self, receive: Receive, send: Send) -> Outcome:
        """Send until the frames end or the client is gone. Raises what the frames raise."""
        self._send = send
        self._owner = asyncio.current_task()
        self._sent_at = time.monotonic()
        leaving = asyncio.ensure_future(self._hear_leaving(receive))
        self._arm(self._sent_at)
        try:
            await self._write(send)
        except asyncio.CancelledError:
            if self._outcome is Outcome.ENDED:  # cancelled from without
                raise
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
        except OSError:  # how a server may tell that the client has left
            self._outcome = Outcome.LEFT
        finally:
            self._owner = None
            assert self._timer is not None
            self._timer.cancel()
            leaving.cancel()
            if self._words is not None:
                self._words.cancel()
            await self._frames.aclose()
        return self._outcome

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, *self._headers]})
        async for data in self._frames:
            self._sending_since = time.monotonic()
            await send({"type": "http.response.body", "body": data, "more_body": True})
            self._sending_since = None
            self._sent_at = time.monotonic()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _hear_leaving(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end(Outcome.LEFT)

    def _end(self, outcome: Outcome) -> None:
        if self._owner is not None and self._outcome is Outcome.ENDED:
            self._outcome = outcome
            self._owner.cancel()

    # -- silences -----------------------------------------------------------------------------------------------------
    def _arm(self, now: float) -> None:
        silent = 0.0 if self._sending_since is not None else now - self._sent_at
        delay = min(self._keepalive - silent, self._patience)
        self._timer = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        if self._sending_since is not None:
            if now - self._sending_since >= self._patience:
                self._end(Outcome.STUCK)
        elif now - self._sent_at >= self._keepalive:
            self._sent_at = now
            self._words = asyncio.ensure_future(self._comment())
        self._arm(now)

    async def _comment(self) -> None:
        assert self._send is not None
        self._sending_since = time.monotonic()
        try:
            with suppress(OSError):
                await self._send({"type": "http.response.body", "body": self._silence, "more_body": True})
        finally:
            self._sending_since = None
            self._words = None
