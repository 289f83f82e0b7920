"""The GET streams of sessions of the older era, for what is told outside of requests (``push.py``).

A session may have several streams open; each message goes out on one of them. While one is open its session is in use,
and it ends with the session. Follows 2025-11-25 "Listening for Messages from the Server".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.types import Receive, Send

from dragoman.mcp import sse
from dragoman.mcp.call import Session
from dragoman.mcp.kernel import Kernel
from dragoman.mcp.push import Push
from dragoman.mcp.sessions import Sessions
from dragoman.memory.codec import dumps
from dragoman.memory.errors import QueueFull
from dragoman.memory.model import Json, Principal

__all__ = ["SessionStreams"]

_MOST: Final = 8
"""Streams of one session."""


@dataclass(slots=True)
class _Told:
    push: Push
    streams: int = 0


class SessionStreams:
    """The streams that are open in this process, by session."""

    def __init__(self, kernel: Kernel, sessions: Sessions, keepalive: float) -> None:
        self._kernel = kernel
        self._sessions = sessions
        self._keepalive = keepalive
        self._told: dict[str, _Told] = {}

    async def serve(self, principal: Principal, session: Session, receive: Receive, send: Send) -> None:
        """A stream, until its client closes it or the session ends. Raises ``QueueFull`` for one too many."""
        told = self._told.get(session.id)
        if told is None:
            told = self._told[session.id] = _Told(self._kernel.push(principal))
        if told.streams >= _MOST:
            raise QueueFull(f"This session has {_MOST} streams open.")
        told.streams += 1

        async def elsewhere(now: Session | None) -> None:
            if now is None:
                self.ended(session)
            else:
                await told.push.follow(now)

        deaf = self._sessions.follow(principal, session.id, elsewhere)
        try:
            await told.push.follow(session)

            async def goes_on() -> bool:
                now = await self._sessions.find(principal, session.id)
                if now is not None:
                    await told.push.follow(now)  # another replica may have changed it
                return now is not None

            async def work(send: Send) -> None:
                await told.push.send_to(_Channel(send))

            await sse.stream(receive, send, work, self._keepalive, goes_on)
        finally:
            deaf()
            told.streams -= 1
            if not told.streams:
                told.push.close()
                if self._told.get(session.id) is told:
                    del self._told[session.id]

    async def changed(self, session: Session) -> None:
        """A session is subscribed to other resources."""
        if (told := self._told.get(session.id)) is not None:
            await told.push.follow(session)

    def ended(self, session: Session) -> None:
        """A session has ended."""
        if (told := self._told.pop(session.id, None)) is not None:
            told.push.close()

    def __len__(self) -> int:
        """How many sessions have a stream open."""
        return len(self._told)


class _Channel:
    """A stream as a channel of notifications."""

    streams = True

    def __init__(self, send: Send) -> None:
        self._send = send

    async def open(self) -> None:
        return

    async def send(self, message: Json) -> None:
        chunk = sse.event(dumps(message))
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
