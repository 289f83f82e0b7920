"""HTTP+JSON for every agent under its own path, beside JSON-RPC. Plain ASGI; what a path means is ``rest``'s.

The app has put the caller into the scope before a request comes here, and has bounded its body.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from dragoman.a2a import jsonrpc, rest, sse
from dragoman.a2a.asked import asked_by
from dragoman.a2a.errors import METHOD_NOT_ALLOWED, Fault
from dragoman.a2a.http import JSON, PRINCIPAL, asked_at, no_agent, read_body, retry_header, send_whole
from dragoman.a2a.service import TaskService, Updates, check_tenant
from dragoman.a2a.settings import A2aSettings
from dragoman.asgi import EventStream
from dragoman.memory.codec import dumps
from dragoman.memory.model import Json, Principal

if TYPE_CHECKING:
    from dragoman.a2a.legacy_rest import LegacyRest

__all__ = ["rest_routes"]

_A2A_JSON: Final = (b"content-type", b"application/a2a+json")
_METHODS: Final = ["GET", "POST", "DELETE"]
_OWN_PATHS: Final = {"message:send": "POST", "message:stream": "POST", "tasks": "GET"}


def rest_routes(
    services: Mapping[str, TaskService], settings: A2aSettings, load_legacy: Callable[[], Awaitable[LegacyRest]]
) -> list[BaseRoute]:
    """The routes of the binding: those without parameters first, since they are found faster."""
    endpoint = _RestEndpoint(services, settings, load_legacy)
    prefix = settings.prefix
    exact = [
        Route(f"{prefix}/{name}/{path}", _At(endpoint, name, path), methods=[method])
        for name in services
        for path, method in _OWN_PATHS.items()
    ]
    return [*exact, Route(f"{prefix}/{{agent}}/{{path:path}}", endpoint, methods=_METHODS)]


class _RestEndpoint:
    def __init__(
        self,
        services: Mapping[str, TaskService],
        settings: A2aSettings,
        load_legacy: Callable[[], Awaitable[LegacyRest]],
    ) -> None:
        self._services = services
        self._settings = settings
        self._load_legacy = load_legacy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        params = scope["path_params"]
        await self.serve(params["agent"], params["path"], scope, receive, send)

    async def serve(self, agent: str, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for this agent; ``path`` is relative to its address."""
        service = self._services.get(agent)
        if service is None:
            await _refuse(send, JSON, no_agent(agent, self._services))
            return
        kind = _answer_type(scope)
        body = await read_body(receive)  # what this raises is for the layers above, which bound it
        if body is None:
            return
        try:
            version = jsonrpc.version_of(scope["headers"], scope["query_string"])
            if version in ("", "0.3") and path.startswith(f"{rest.LEGACY}/"):
                await (await self._load_legacy()).handle(agent, service, path, body, scope, receive, send)
                return
            target = rest.find(scope["method"], path)
            if body:
                jsonrpc.check_content_type(scope["headers"])
            rest.check_version(version)
            asked = asked_by(scope["headers"])
            principal: Principal = scope[PRINCIPAL]
            params = rest.read_params(target, scope["query_string"], body)
            check_tenant(params, principal, agent)
            service = service.asked(asked)
            if (stream := jsonrpc.STREAMS.get(target.operation)) is not None:
                await self._stream(await stream(service, principal, params), receive, send)
                return
            asked_at(scope, target.operation)
            result = await jsonrpc.METHODS[target.operation](service, principal, params)
            await send_whole(send, 200, [kind], dumps(result))
        except rest.WrongMethod as wrong:
            allowed = ", ".join(wrong.allowed)
            fault = Fault(METHOD_NOT_ALLOWED, f"Only {allowed} is allowed at this path.")
            await _refuse(send, kind, fault, [(b"allow", allowed.encode())])
        except Exception as error:
            await _refuse(send, kind, jsonrpc.fault_for(error))

    async def _stream(self, updates: Updates, receive: Receive, send: Send) -> None:
        """Answer with a stream. What is wrong before its first update is a plain error response."""
        async with aclosing(updates):
            frames = _frames(await anext(updates), updates)
            await EventStream(frames, self._settings.keepalive, self._settings.send_timeout).serve(receive, send)


class _At:
    """One path of one agent."""

    def __init__(self, endpoint: _RestEndpoint, agent: str, path: str) -> None:
        self._endpoint = endpoint
        self._agent = agent
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint.serve(self._agent, self._path, scope, receive, send)


async def _frames(first: tuple[str, dict[str, Json]], updates: Updates) -> AsyncGenerator[bytes, None]:
    try:
        yield sse.frame(dumps(first[1]), first[0])
        async for id, update in updates:
            yield sse.frame(dumps(update), id)
    except Exception as error:
        yield b"event: error\n" + sse.frame(rest.error_bytes(jsonrpc.fault_for(error)))


def _answer_type(scope: Scope) -> tuple[bytes, bytes]:
    """The media type of the binding for who uses it (section 11.1); plain JSON, which all read, for the others."""
    spoken = any(b"application/a2a+json" in value for name, value in scope["headers"] if name in _NEGOTIATED)
    return _A2A_JSON if spoken else JSON


_NEGOTIATED: Final = (b"accept", b"content-type")


async def _refuse(
    send: Send, kind: tuple[bytes, bytes], fault: Fault, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = rest.error_bytes(fault)
    await send_whole(send, fault.kind.http, [kind, *retry_header(fault), *(headers or ())], body)
