"""ASGI: every request has a trace, the caller's (``traceparent``) or its own. No spans, no log line a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from dragoman.telemetry.context import start_trace

__all__ = ["TraceContext"]

_Scope = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class TraceContext:
    """Puts the trace id where logs find it. uvicorn gives each request a task, so that nothing has to be reset."""

    def __init__(self, app: Callable[[_Scope, _Receive, _Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "lifespan":
            traceparent = None
            for key, value in scope["headers"]:
                if key == b"traceparent":
                    traceparent = value
                    break
            start_trace(traceparent)
        await self.app(scope, receive, send)
