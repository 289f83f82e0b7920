"""The face over HTTP: cards, and JSON-RPC for each agent under its own path. Plain ASGI, since it is the hot path.

The app has put the caller into the scope before a request comes here, and has bounded its body.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from dragoman.a2a import jsonrpc, sse
from dragoman.a2a.asked import asked_by
from dragoman.a2a.card_routes import card_routes
from dragoman.a2a.errors import AGENT_NOT_FOUND, Fault
from dragoman.a2a.files import file_routes
from dragoman.a2a.http import JSON, PRINCIPAL, asked_at, no_agent, read_body, retry_header, send_whole
from dragoman.a2a.jsonrpc import Call
from dragoman.a2a.push import KIND
from dragoman.a2a.push_kind import PushKind
from dragoman.a2a.rest_routes import rest_routes
from dragoman.a2a.service import TaskService, Updates, check_tenant
from dragoman.a2a.settings import A2aSettings
from dragoman.asgi import EventStream
from dragoman.engine import Engine
from dragoman.memory.model import Json, Principal

if TYPE_CHECKING:
    from dragoman.a2a.legacy import LegacyBinding
    from dragoman.a2a.legacy_rest import LegacyRest

__all__ = ["routes"]


def routes(engine: Engine, settings: A2aSettings) -> list[BaseRoute]:
    """The routes of the face: the default agent's card at the host root, and under ``prefix`` each agent's card and its
    JSON-RPC, with and without a slash at the end. Raises ``ValueError`` when the default agent is not served."""
    default = settings.default_agent or next(iter(engine.agents), None)
    if default is not None and default not in engine.agents:
        raise ValueError(f"The default agent {default!r} is none of {', '.join(engine.agents)}.")
    services = {name: TaskService(engine, name, settings) for name in engine.agents}
    engine.outbox.register(KIND, PushKind(engine, settings))
    calls = _CallEndpoint(services, settings, default)
    agent = f"{settings.prefix}/{{agent}}"
    # A path without parameters is found faster; the others are for agents that are not there.
    exact = [Route(f"{settings.prefix}/{name}", _Named(calls, name), methods=["POST"]) for name in engine.agents]
    return [
        *exact,
        Route(settings.prefix, _Named(calls, None), methods=["POST"]),
        Route(agent, calls, methods=["POST"]),
        Route(f"{agent}/", calls, methods=["POST"]),
        *card_routes(engine.agents, settings, default),
        *file_routes(engine, settings),
        *rest_routes(services, settings, _LegacyRestOnce().load),
    ]


class _CallEndpoint:
    """JSON-RPC for every agent."""

    def __init__(self, services: Mapping[str, TaskService], settings: A2aSettings, default: str | None) -> None:
        self._settings = settings
        self._services = services
        self._default = default
        self._legacy: LegacyBinding | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.serve(scope["path_params"]["agent"], scope, receive, send)

    async def serve(self, agent: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call of this agent; with None, of the one that the call's ``tenant`` names."""
        if agent is not None and agent not in self._services:
            await _refuse(send, None, no_agent(agent, self._services))
            return
        body = await read_body(receive)  # what this raises is for the layers above, which bound it
        if body is None:
            return
        call: Call | None = None
        try:
            jsonrpc.check_content_type(scope["headers"])
            call = jsonrpc.parse(body)
            version = jsonrpc.version_for(jsonrpc.version_of(scope["headers"], scope["query_string"]), call.method)
            if agent is None:
                agent = str(call.params.get("tenant") or self._default or "")
            service = self._services.get(agent)
            if service is None:
                raise no_agent(agent, self._services)
            if version == "0.3":
                await self._legacy_call(agent, service, call, scope, receive, send)
                return
            jsonrpc.check_id(call)
            principal: Principal = scope[PRINCIPAL]
            check_tenant(call.params, principal, agent)
            service = service.asked(asked_by(scope["headers"]))
            if (stream := jsonrpc.STREAMS.get(call.method)) is not None:
                updates = await stream(service, principal, call.params)
                await self._stream(call, updates, receive, send)
                return
            asked_at(scope, call.method)
            result = await jsonrpc.METHODS[call.method](service, principal, call.params)
            await _reply(send, jsonrpc.result_bytes(call.id, result))
        except jsonrpc.Refused as refused:
            await _refuse(send, refused.id, refused.fault)
        except Exception as error:
            await _refuse(send, None if call is None else call.id, jsonrpc.fault_for(error))

    async def _stream(self, call: Call, updates: Updates, receive: Receive, send: Send) -> None:
        """Answer with a stream. What is wrong before its first update is a plain error response."""
        async with aclosing(updates):
            first = await anext(updates)
            frames = _frames(call, first, updates)
            await EventStream(frames, self._settings.keepalive, self._settings.send_timeout).serve(receive, send)

    async def _legacy_call(
        self, agent: str, service: TaskService, call: Call, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if self._legacy is None:
            self._legacy = await _load_legacy()
        await self._legacy.handle(agent, service, call, scope, receive, send)


class _Named:
    """The calls of one agent; with None, of the one that each names."""

    def __init__(self, calls: _CallEndpoint, agent: str | None) -> None:
        self._calls = calls
        self._agent = agent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._calls.serve(self._agent, scope, receive, send)


async def _frames(call: Call, first: tuple[str, dict[str, Json]], updates: Updates) -> AsyncGenerator[bytes, None]:
    try:
        yield sse.frame(jsonrpc.result_bytes(call.id, first[1]), first[0])
        async for id, update in updates:
            yield sse.frame(jsonrpc.result_bytes(call.id, update), id)
    except Exception as error:
        yield sse.frame(jsonrpc.error_bytes(call.id, jsonrpc.fault_for(error)))


async def _reply(send: Send, body: bytes) -> None:
    await send_whole(send, 200, [JSON], body)


async def _refuse(send: Send, id: jsonrpc.Id, fault: Fault) -> None:
    """A JSON-RPC error. It is HTTP 200 but for an agent that is not there: clients read no body of another status."""
    status = 404 if fault.kind is AGENT_NOT_FOUND else 200
    await send_whole(send, status, [JSON, *retry_header(fault)], jsonrpc.error_bytes(id, fault))


class _LegacyRestOnce:
    """0.3 over HTTP+JSON, loaded when it is first asked for."""

    def __init__(self) -> None:
        self._loaded: LegacyRest | None = None

    async def load(self) -> LegacyRest:
        if self._loaded is None:
            module = await asyncio.to_thread(importlib.import_module, "dragoman.a2a.legacy_rest")
            self._loaded = cast("type[LegacyRest]", module.LegacyRest)()
        return self._loaded


async def _load_legacy() -> LegacyBinding:
    """The SDK takes a second to import, which the other callers need not wait for."""
    module = await asyncio.to_thread(importlib.import_module, "dragoman.a2a.legacy")
    return cast("type[LegacyBinding]", module.LegacyBinding)()
