"""HTTP responses that are no stream: their status, their headers, their JSON.

What they say, the kernel makes; streams are ``sse.py``'s. Used by ``routes.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from starlette.types import Send

from dragoman.mcp.errors import HTTP_STATUS
from dragoman.mcp.kernel import Answer
from dragoman.mcp.sse import HttpChannel

__all__ = ["let_go", "respond", "respond_with"]

_JSON: Final = (b"content-type", b"application/json")


async def respond_with(answer: Answer, modern: bool, send: Send, *extra: tuple[bytes, bytes]) -> None:
    """Answer a request, with the status that its era gives to its error."""
    if answer.scopes:
        await respond(send, 403, answer.body, _challenge(answer.scopes))
        return
    status = 200 if answer.code is None or not modern else HTTP_STATUS.get(answer.code, 200)
    await respond(send, status, answer.body, *extra)


def _challenge(scopes: Sequence[str]) -> tuple[bytes, bytes]:
    """What a client asks its authorization server for (RFC 6750 section 3.1, MCP "Authorization")."""
    told = f'Bearer realm="dragoman", error="insufficient_scope", scope="{" ".join(scopes)}"'
    return b"www-authenticate", told.encode("latin-1", "replace")


async def respond(send: Send, status: int, body: bytes, *extra: tuple[bytes, bytes]) -> None:
    """Send a response that is all there; ``extra`` are further headers."""
    length = (b"content-length", b"%d" % len(body))
    told = [_JSON, length, *extra] if body else [length, *extra]
    if status == 204:
        told = list(extra)
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})


def let_go(channel: HttpChannel) -> bool:
    """Take back a cancellation that is the client's going: its request is over, and its run goes on. False for any
    other."""
    task = asyncio.current_task()
    if not channel.gone or task is None:
        return False
    task.uncancel()
    return True
