"""The ASGI types of the gates, and a refusal in the shape that the path's protocol expects.

Not a face: a caller who is turned away before any face sees the request still gets JSON that its client can read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from dragoman.memory.codec import dumps

__all__ = ["ASGIApp", "Headers", "Message", "Receive", "Scope", "Send", "header", "refuse", "route_path"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

JSONRPC_PATHS = ("/mcp", "/a2a")
INVALID_REQUEST = -32600


def header(headers: Headers, name: bytes) -> bytes | None:
    """The first header of this (lower case) name."""
    for key, value in headers:
        if key == name:
            return value
    return None


def route_path(scope: Scope) -> str:
    """The path that is routed by: without the one that the application is mounted at. The same as Starlette's."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :]
    return path


async def refuse(
    scope: Scope, send: Send, status: int, code: str, message: str, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with an error: a JSON-RPC error object under /mcp and /a2a, Agent Protocol's ErrorResponse (with the
    LangGraph SDK's ``detail``) elsewhere. A WebSocket is closed before it opens (1008)."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": message[:120]})
        return
    path = route_path(scope)
    if any(path == root or path.startswith(f"{root}/") for root in JSONRPC_PATHS):
        body = dumps({"jsonrpc": "2.0", "id": None, "error": {"code": INVALID_REQUEST, "message": message}})
    else:
        body = dumps({"code": code, "message": message, "detail": message})
    start = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
