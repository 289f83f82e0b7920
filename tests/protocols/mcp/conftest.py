"""The face over a real engine and a real SQLite file: in process and over HTTP, and the official schemas."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema.protocols import Validator
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.loopback import serving

from dragoman.agents import Agent, Catalog
from dragoman.engine import Engine, EngineSettings
from dragoman.mcp import McpSettings
from dragoman.mcp.call import Peer, Session
from dragoman.mcp.jsonrpc import Request
from dragoman.mcp.kernel import Kernel
from dragoman.mcp.routes import routes
from dragoman.memory.model import Principal, RunView
from dragoman.memory.sqlite import SqliteLedger

HERE = Path(__file__).resolve().parent
SPECS = HERE.parents[2].parent / "shared" / "specs"
CALLER = Principal("acme", "ada")
META = "io.modelcontextprotocol/"


def _served() -> list[Agent]:
    spec = importlib.util.spec_from_file_location("mcp_test_served", HERE / "served.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mcp_test_served"] = module
    spec.loader.exec_module(module)
    agents: list[Agent] = module.AGENTS
    return agents


AGENTS = _served()


# -- schemas -----------------------------------------------------------------------------------------------------------
class Schemas:
    """The official JSON Schemas, by file and definition.

    Where they are not at hand a test is skipped at its first check, after what it asserts by itself.
    """

    def __init__(self) -> None:
        self._validators: dict[tuple[str, str], Validator] = {}

    def check(self, file: str, definition: str, value: Any) -> None:
        """Fail unless the value fits."""
        if not SPECS.is_dir():
            pytest.skip(f"the published schemas are not beside this repository (../shared/specs): no {SPECS.name}")
        if (file, definition) not in self._validators:
            document = json.loads((SPECS / f"{file}.schema.json").read_text())
            schema = {"$ref": f"#/$defs/{definition}", "$defs": document["$defs"]}
            self._validators[file, definition] = jsonschema.Draft202012Validator(schema)
        self._validators[file, definition].validate(value)

    def modern(self, definition: str, value: Any) -> None:
        self.check("mcp-2026-07-28", definition, value)

    def older(self, definition: str, value: Any) -> None:
        self.check("mcp-2025-11-25", definition, value)

    def tasks(self, definition: str, value: Any) -> None:
        self.check("mcp-tasks-extension", definition, value)


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    return Schemas()


# -- in process --------------------------------------------------------------------------------------------------------
@dataclass
class Recorded:
    """A channel that keeps what was sent, and lets a test wait for it."""

    streams: bool = True
    sent: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    opened: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        self.opened = True

    async def send(self, message: Mapping[str, Any]) -> None:
        self.sent.append(message)
        self.news.set()

    async def wait_for(self, method: str, count: int = 1) -> Mapping[str, Any]:
        """The last of ``count`` messages of a method, once they are there."""
        while True:
            found = [m for m in self.sent if m.get("method") == method]
            if len(found) >= count:
                return found[-1]
            self.news.clear()
            await self.news.wait()


class InProcess:
    """A client of a kernel, without a transport."""

    def __init__(self, engine: Engine, settings: McpSettings, catalog: Catalog | None = None) -> None:
        self.engine = engine
        self.kernel = Kernel(engine, settings, catalog)
        self._ids = 0

    async def modern(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        elicits: bool = False,
        tasks: bool = False,
        channel: Recorded | None = None,
        meta: Mapping[str, Any] | None = None,
        principal: Principal = CALLER,
        id: int | None = None,
    ) -> dict[str, Any]:
        """The response to a request of the modern era."""
        capabilities: dict[str, Any] = {"elicitation": {"form": {}}} if elicits else {}
        if tasks:
            capabilities["extensions"] = {META + "tasks": {}}
        stamped = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": capabilities, **(meta or {})}
        peer = Peer(principal, withdraws="test")
        return await self.send(peer, method, {**(params or {}), "_meta": stamped}, channel, id)

    async def older(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        elicits: bool = False,
        version: str = "2025-11-25",
        channel: Recorded | None = None,
        id: int | None = None,
    ) -> dict[str, Any]:
        """The response to a request of the older era, in a session."""
        return await self.send(self.peer(version, elicits), method, params or {}, channel, id)

    @staticmethod
    def peer(version: str = "2025-11-25", elicits: bool = False) -> Peer:
        return Peer(CALLER, Session(version, {"elicitation": {}} if elicits else {}, "s"), withdraws="s")

    async def send(
        self, peer: Peer, method: str, params: Mapping[str, Any], channel: Recorded | None, id: int | None = None
    ) -> dict[str, Any]:
        self._ids += 1
        request = Request(self._ids if id is None else id, method, params)
        answer = await self.kernel.request(peer, request, channel or Recorded(streams=False))
        return {} if answer is None else json.loads(answer.body)

    async def call(self, name: str, arguments: Mapping[str, Any] | None = None, **how: Any) -> dict[str, Any]:
        """The result of a modern tools/call."""
        response = await self.modern("tools/call", {"name": name, "arguments": arguments or {}}, **how)
        assert "result" in response, response
        result: dict[str, Any] = response["result"]
        return result


StartInProcess = Callable[..., AbstractAsyncContextManager[InProcess]]


def _settings(**changes: Any) -> McpSettings:
    given: dict[str, Any] = {"state_key": b"k" * 32, "version": "1.0.0", "inline_wait": 0.2, **changes}
    return McpSettings(**given)


@asynccontextmanager
async def _engine(path: Path, agents: Sequence[Agent], catalog: Catalog | None) -> AsyncGenerator[Engine]:
    ledger = SqliteLedger(path / "ledger.db")
    await ledger.open()
    engine = Engine(ledger, agents, EngineSettings(), None if catalog is None else catalog.durable)
    try:
        await engine.start()
        yield engine
        await engine.stop(grace=0.1)
    finally:
        await ledger.close()


@pytest.fixture
def in_process(tmp_path: Path) -> StartInProcess:
    """Start an engine and a kernel over it; a second one in the same test finds the first one's runs."""

    @asynccontextmanager
    async def start(*more: Agent, catalog: Catalog | None = None, **changes: Any) -> AsyncGenerator[InProcess]:
        async with asyncio.timeout(30), _engine(tmp_path, [*AGENTS, *more], catalog) as engine:
            yield InProcess(engine, _settings(**changes), catalog)

    return start


@pytest.fixture
def the_run() -> Callable[[Engine, Principal], Awaitable[RunView]]:
    """``await the_run(engine, caller)``: the caller's one run; one that only its caller knows of is in the ledger in a
    moment."""

    async def find(engine: Engine, caller: Principal) -> RunView:
        async with asyncio.timeout(10):
            # Nothing tells of a run that nobody knows of.
            while not (page := await engine.list_runs(caller)).items:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        (view,) = page.items
        return view

    return find


# -- over HTTP ---------------------------------------------------------------------------------------------------------
class _Authenticated:
    """Stands for the app's authentication: the caller and their scopes are named by headers, or are the default's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        named = headers.get(b"x-test-subject")
        scopes = frozenset(headers.get(b"x-test-scopes", b"*").decode().split())
        scope["dragoman.principal"] = Principal("acme", "ada" if named is None else named.decode(), scopes)
        await self._app(scope, receive, send)


@dataclass
class OverHttp:
    """A server on a free port of loopback."""

    url: str
    engine: Engine


StartOverHttp = Callable[..., AbstractAsyncContextManager[OverHttp]]


@pytest.fixture
def over_http(tmp_path: Path) -> StartOverHttp:
    """Start a server; it ends with the block."""

    @asynccontextmanager
    async def start(*more: Agent, catalog: Catalog | None = None, **changes: Any) -> AsyncGenerator[OverHttp]:
        async with asyncio.timeout(60), _engine(tmp_path, [*AGENTS, *more], catalog) as engine:
            app = _Authenticated(Starlette(routes=routes(engine, _settings(**changes), catalog)))
            async with serving(app) as server:
                yield OverHttp(f"{server.url}/mcp", engine)

    return start


@pytest.fixture
def recorded() -> Recorded:
    """A channel that streams."""
    return Recorded()
