"""The face over a real engine and a real SQLite file, in process and behind a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.loopback import serving

from dragoman.a2a import A2aSettings
from dragoman.a2a.routes import routes
from dragoman.agents import Agent
from dragoman.engine import Engine, EngineSettings
from dragoman.engine.outgoing import Outgoing
from dragoman.memory.model import Principal
from dragoman.memory.sqlite import SqliteLedger

__all__ = ["House", "Open", "a_message"]

Json = Any
Open = Callable[..., AbstractAsyncContextManager["House"]]


class CallerFromHeader:
    """Stands where the app's gate stands: ``x-caller: tenant/subject``, or the local caller."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            named = dict(scope["headers"]).get(b"x-caller", b"default/local").decode()
            scope["dragoman.principal"] = Principal(*named.split("/"))
        await self.app(scope, receive, send)


class House:
    """A server of agents, and a plain client of it."""

    def __init__(self, engine: Engine, app: Starlette, url: str, http: httpx.AsyncClient) -> None:
        self.engine = engine
        self.app = app
        self.url = url
        self.http = http
        self.caller = Principal("default", "local")
        self._calls = 0

    async def call(
        self, agent: str, method: str, params: Json = None, *, headers: dict[str, str] | None = None
    ) -> dict[str, Json]:
        """One JSON-RPC call of 1.0: the whole response."""
        self._calls += 1
        number = self._calls
        body: Json = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
        answer = await self.http.post(f"/a2a/{agent}", json=body, headers={"A2A-Version": "1.0", **(headers or {})})
        told: dict[str, Json] = answer.json()
        assert told["jsonrpc"] == "2.0"
        assert told["id"] == number
        return told

    async def result(self, agent: str, method: str, params: Json = None, **more: Any) -> Json:
        """The result of a call that succeeds."""
        told = await self.call(agent, method, params, **more)
        assert "error" not in told, told
        return told["result"]

    async def error(self, agent: str, method: str, params: Json = None, **more: Any) -> dict[str, Json]:
        """The error of a call that fails."""
        told = await self.call(agent, method, params, **more)
        assert "error" in told, told
        return told["error"]  # type: ignore[no-any-return]

    async def send(self, agent: str, *parts: dict[str, Json] | str, **message: Json) -> dict[str, Json]:
        """SendMessage, blocking: the task."""
        result = await self.result(agent, "SendMessage", {"message": a_message(*parts, **message)})
        task: dict[str, Json] = result["task"]
        return task

    async def stream(
        self, agent: str, method: str, params: Json, *, headers: dict[str, str] | None = None
    ) -> AsyncGenerator[tuple[str | None, dict[str, Json]], None]:
        """The updates of a stream, each with its id. Needs a real server; close it, or read it to its end."""
        body = {"jsonrpc": "2.0", "id": "s", "method": method, "params": params}
        sent = {"A2A-Version": "1.0", **(headers or {})}
        async with self.http.stream("POST", f"/a2a/{agent}", json=body, headers=sent) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream"), await answer.aread()
            assert answer.headers["x-accel-buffering"] == "no"
            id: str | None = None
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    id = line.removeprefix("id: ")
                elif line.startswith("data: "):
                    told = json.loads(line.removeprefix("data: "))
                    assert told["id"] == "s"
                    yield id, told.get("result", told)
                    id = None

    async def runs(self) -> int:
        """How many runs there are, of all tenants that tests use."""
        found = [await self.engine.list_runs(Principal(tenant, "counter")) for tenant in ("default", "umbrella")]
        return sum(len(page.items) for page in found)


_numbers = iter(range(1, 1_000_000))


def a_message(*parts: dict[str, Json] | str, **more: Json) -> dict[str, Json]:
    """A user's message; a string is a text part."""
    given = [{"text": part} if isinstance(part, str) else part for part in parts]
    return {"messageId": f"m{next(_numbers)}", "role": "ROLE_USER", "parts": given, **more}


@pytest.fixture
def open_house(tmp_path: Path) -> Open:
    """``async with open_house(agent, ...) as house``: each time over the same file, as a restart would be.

    ``real=True`` serves over a socket of the loopback, for clients that bring their own HTTP.
    """

    @asynccontextmanager
    async def opened(
        *agents: Agent,
        settings: A2aSettings | None = None,
        engine_settings: EngineSettings | None = None,
        real: bool = False,
        outgoing: Outgoing | None = None,
    ) -> AsyncGenerator[House, None]:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        engine = Engine(ledger, agents, engine_settings or EngineSettings(), outgoing=outgoing)
        faces = routes(engine, settings or A2aSettings())
        app = Starlette(routes=faces, middleware=[Middleware(CallerFromHeader)])
        await ledger.open()
        await engine.start()
        try:
            async with asyncio.timeout(30), _reached(app, real) as (url, http):
                yield House(engine, app, url, http)
        finally:
            await engine.stop(grace=0.1)
            await ledger.close()

    return opened


@asynccontextmanager
async def _reached(app: Starlette, real: bool) -> AsyncGenerator[tuple[str, httpx.AsyncClient], None]:
    if not real:
        url = "http://testserver"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url) as http:
            yield url, http
        return
    async with serving(app) as server, httpx.AsyncClient(base_url=server.url, timeout=20) as http:
        yield server.url, http
