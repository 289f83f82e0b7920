"""How much a caller may send: the body limit.

By Content-Length before anything is read, and by counting what comes where no length is told. Starlette has one
too, which answers in plain text; clients here read JSON.
"""

from __future__ import annotations

import asyncio

from dragoman.auth.asgi import ASGIApp, Message, Receive, Scope, Send, header, refuse

__all__ = ["BodyLimit"]

BODILESS = ("GET", "HEAD", "OPTIONS")
DRAIN_BYTES = 64 * 1024 * 1024
DRAIN_SECONDS = 5.0


class _TooLarge(Exception):
    """The body has passed the limit while it was read; the answer is already sent."""


class BodyLimit:
    """Answers 413 to a body of more than ``limit`` bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = header(scope["headers"], b"content-length")
        if told is None:
            chunked = header(scope["headers"], b"transfer-encoding") is not None
            if chunked or scope["method"] not in BODILESS:
                await self._counted(scope, receive, send)
            else:
                await self.app(scope, receive, send)
        elif told.isdigit() and int(told) <= self.limit:
            # The HTTP parser holds the sender to the length it told.
            await self.app(scope, receive, send)
        else:
            await self._refuse(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = self.limit
        started = refused = False

        async def counting() -> Message:
            nonlocal left, refused
            message = await receive()
            if message["type"] == "http.request":
                left -= len(message.get("body", b""))
                if left < 0:
                    refused = True
                    if not started:
                        await self._refuse(scope, receive, send, more=message.get("more_body", False))
                    raise _TooLarge
            return message

        async def watching(message: Message) -> None:
            nonlocal started
            # An app that takes the error for one of its own would answer a second time.
            if not refused:
                started = True
                await send(message)

        try:
            await self.app(scope, counting, watching)
        except _TooLarge:
            if started:
                raise

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, *, more: bool = True) -> None:
        # Closed with unread bytes, a connection is reset, and the client may never see the answer: read some of
        # them first.
        if more and header(scope["headers"], b"expect") is None:
            await _drain(receive)
        message = (
            f"The request body is larger than {self.limit:,} bytes, the limit of this server. Send less, or raise "
            "body_limit under [server] in dragoman.toml."
        )
        await refuse(scope, send, 413, "content_too_large", message, [(b"connection", b"close")])


async def _drain(receive: Receive) -> None:
    left = DRAIN_BYTES
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
