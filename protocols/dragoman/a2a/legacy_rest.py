"""A2A 0.3 over HTTP+JSON (paths below ``/v1``), by the SDK's adapter over our handler.

Imported when the first 0.3 client calls: it brings the SDK along. Nothing of 1.0 passes here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from typing import Any, Final

from google.protobuf.json_format import ParseError
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import Message, Receive, Scope, Send

# Before the adapter: see ``legacy``.
import a2a.server.routes.common  # noqa: F401  # pyright: ignore[reportUnusedImport]
from a2a.compat.v0_3.rest_adapter import REST03Adapter
from a2a.utils.errors import JSON_RPC_ERROR_CODE_MAP, A2AError
from dragoman.a2a import errors
from dragoman.a2a.errors import INTERNAL, INVALID_PARAMS, METHOD_NOT_FOUND, Fault, Kind
from dragoman.a2a.legacy import CallerInContext, LegacyHandler, without_version
from dragoman.a2a.service import TaskService

__all__ = ["LegacyRest"]

_KINDS: Final[Mapping[int, Kind]] = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, Kind) and -32099 <= kind.code <= -32001
}
"""The errors that the protocol has codes of its own for, by these."""

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
                if isinstance(response, EventSourceResponse):
                    stream: Any = response
                    stream.body_iterator = await _begun(stream.body_iterator)
                await response(inner, receive, send)
                return
        raise Fault(METHOD_NOT_FOUND, f"A2A 0.3 has no operation {scope['method']} at {path[:200]!r}.")


def _routes(service: TaskService) -> list[tuple[Route, Endpoint]]:
    adapter = REST03Adapter(LegacyHandler(service.legacy()), CallerInContext())
    known = adapter.routes()
    return [(Route(path, endpoint, methods=[method]), endpoint) for (path, method), endpoint in known.items()]


async def _begun(events: AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    """The same events, the first of which is there. Raises ``Fault`` for what is wrong before it: the adapter would
    begin a stream and break it off."""
    iterator = aiter(events)
    try:
        first = await anext(iterator)
    except A2AError as error:
        raise Fault(_KINDS.get(JSON_RPC_ERROR_CODE_MAP.get(type(error), 0), INTERNAL), error.message) from None
    except ParseError as error:
        raise Fault(INVALID_PARAMS, str(error)) from None

    async def rest() -> AsyncGenerator[Any, None]:
        yield first
        async for event in iterator:
            yield event

    return rest()


def _replay(body: bytes) -> Callable[[], Awaitable[Message]]:
    """The body once more: it was read where it is bounded."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
