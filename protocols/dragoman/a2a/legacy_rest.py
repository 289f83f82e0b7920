"""A2A 0.3 over HTTP+JSON (paths below ``/v1``), by the SDK's adapter over our handler.

Imported when the first 0.3 client calls: it brings the SDK along. Nothing of 1.0 passes here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import Message, Receive, Scope, Send

import a2a.server.routes.common  # noqa: F401  # before the adapter: see legacy
from a2a.compat.v0_3.rest_adapter import REST03Adapter
from dragoman.a2a.errors import METHOD_NOT_FOUND, Fault
from dragoman.a2a.legacy import CallerInContext, LegacyHandler, without_version
from dragoman.a2a.service import TaskService

__all__ = ["LegacyRest"]

Endpoint = Callable[[Request], Awaitable[Any]]


class LegacyRest:
    """Answers 0.3 requests for any agent."""

    def __init__(self) -> None:
        self._routes: dict[str, list[tuple[Route, Endpoint]]] = {}

    async def handle(
        self,
        agent: str,
        service: TaskService,
        path: str,
        body: bytes | bytearray,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a request whose path, relative to the agent's address, begins with ``v1``. Raises ``Fault`` for one
        that is none of 0.3's."""
        routes = self._routes.get(agent)
        if routes is None:
            routes = self._routes[agent] = _routes(service)
        inner = {**without_version(scope), "path": f"/{path}", "root_path": ""}
        for route, endpoint in routes:
            match, found = route.matches(inner)
            if match is Match.FULL:
                request = Request({**inner, **found}, _replay(bytes(body)))
                response = await endpoint(request)
                await response(inner, receive, send)
                return
        raise Fault(METHOD_NOT_FOUND, f"A2A 0.3 has no operation {scope['method']} at {path[:200]!r}.")


def _routes(service: TaskService) -> list[tuple[Route, Endpoint]]:
    adapter = REST03Adapter(LegacyHandler(service.legacy()), CallerInContext())
    known = adapter.routes()
    return [(Route(path, endpoint, methods=[method]), endpoint) for (path, method), endpoint in known.items()]


def _replay(body: bytes) -> Callable[[], Awaitable[Message]]:
    """The body once more: it was read where it is bounded."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
