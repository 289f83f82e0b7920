"""The face over a real engine and a real SQLite file: in process, and behind uvicorn on loopback."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.loopback import serving

from dragoman.agent_protocol.routes import routes
from dragoman.agent_protocol.settings import AgentProtocolSettings
from dragoman.agents import Context, Rejected, agent
from dragoman.engine import Engine, EngineSettings
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import Principal
from dragoman.memory.sqlite import SqliteLedger

SPEC = Path(__file__).parents[4] / "shared" / "specs" / "agent-protocol-0.1.6.openapi.json"

Check = Callable[[str, Any], None]
Gate = tuple[str, asyncio.Event, asyncio.Event]
_gates: dict[str, tuple[asyncio.Event, asyncio.Event]] = {}


# -- the agents, one for each thing that a run can do -----------------------------------------------------------------
class Decision(BaseModel):
    """What ``refund`` gives."""

    paid: bool


@agent(title="Echo", description="Says what it was told.")
async def echo(ctx: Context, text: str) -> str:
    return text


@agent(description="Asks a person to approve.")
async def refund(ctx: Context, order_id: str, amount: float) -> Decision:
    decision = await ctx.approve(f"Refund {amount:g} for {order_id}?", payload={"order_id": order_id})
    return Decision(paid=decision.approved)


@agent(description="Asks two questions at once.")
async def twice(ctx: Context, topic: str) -> dict[str, str]:
    first, second = await ctx.gather(
        ctx.ask(f"First about {topic}?", key="first"), ctx.ask(f"Second about {topic}?", key="second")
    )
    return {"first": first, "second": second}


@agent(description="Asks two questions at once, and works with the first answer at a gate that the test opens.")
async def works_on(ctx: Context, gate: str) -> str:
    reached, opened = _gates.setdefault(gate, (asyncio.Event(), asyncio.Event()))

    async def at_the_gate() -> None:
        reached.set()
        await opened.wait()

    async def first() -> str:
        answer = await ctx.ask("First?", key="first")
        await ctx.step(at_the_gate)
        return answer

    one, other = await asyncio.gather(first(), ctx.ask("Second?", key="second"))
    return f"{one} {other}"


@agent(description="Streams, emits, keeps and sets values.")
async def busy(ctx: Context, count: int) -> str:
    async def look_up(n: int) -> int:
        return n * 2

    await ctx.emit("note", {"count": count})
    await ctx.progress(1, 2, "half")
    for n in range(count):
        await ctx.stream_text(f"{n} ")
    doubled = await ctx.step(look_up, count)
    await ctx.update({"doubled": doubled})
    await ctx.artifact("report.txt", f"doubled: {doubled}")
    return f"counted to {count}"


@agent(description="Fails.")
async def broken(ctx: Context, text: str) -> str:
    raise ValueError(f"cannot do {text}")


@agent(description="Refuses.")
async def picky(ctx: Context, text: str) -> str:
    raise Rejected("not this one")


@agent(description="Waits at a gate that the test opens.")
async def slow(ctx: Context, gate: str, text: str = "done") -> str:
    await ctx.stream_text("working ")
    reached, opened = _gates.setdefault(gate, (asyncio.Event(), asyncio.Event()))
    reached.set()
    await opened.wait()
    return text


@agent(description="Remembers in the thread how often it ran, and says how many messages it has seen.")
async def counter(ctx: Context, text: str) -> str:
    times = int((await ctx.values()).get("times", 0)) + 1
    await ctx.update({"times": times})
    return f"{times}:{len(await ctx.messages())}"


@agent(description="Takes messages as they are.")
async def chat(ctx: Context, messages: list[dict[str, Any]]) -> str:
    return str(len(messages))


@agent(description="Says what it was configured with.")
async def configured(ctx: Context) -> dict[str, Any]:
    return {"config": dict(ctx.config), "context": dict(ctx.context)}


@agent(description="Calls a tool, and has its result when the test opens the gate.")
async def tool_user(ctx: Context, gate: str) -> str:
    await ctx.append({"role": "assistant", "content": "", "tool_calls": [{"id": "call", "name": "look", "args": {}}]})
    reached, opened = _gates.setdefault(gate, (asyncio.Event(), asyncio.Event()))
    reached.set()
    await opened.wait()
    await ctx.append({"role": "tool", "content": "seen", "tool_call_id": "call"})
    return "looked"


AGENTS = (echo, refund, twice, works_on, busy, broken, picky, slow, counter, chat, configured, tool_user)


# -- the face ---------------------------------------------------------------------------------------------------------


class Caller:
    """What the app's gate does: says who calls, by a header here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            tenant = dict(scope["headers"]).get(b"x-tenant", b"acme").decode()
            scope["dragoman.principal"] = Principal(tenant, "ada")
        await self.app(scope, receive, send)


@asynccontextmanager
async def running(path: Path, settings: EngineSettings | None = None) -> AsyncGenerator[Engine]:
    """An engine over a ledger file."""
    ledger = SqliteLedger(path)
    await ledger.open()
    engine = Engine(ledger, AGENTS, settings or EngineSettings())
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop(grace=1.0)
        await ledger.close()


def app_over(engine: Engine, settings: AgentProtocolSettings | None = None) -> Starlette:
    return Starlette(routes=routes(engine, settings), middleware=[Middleware(Caller)])


@asynccontextmanager
async def served(app: ASGIApp, port: int = 0) -> AsyncGenerator[str]:
    """The app behind uvicorn on a port of loopback; its URL."""
    async with serving(app, port, timeout_graceful_shutdown=2) as server:
        yield server.url


@pytest.fixture
async def deadline() -> AsyncGenerator[None]:
    """Every test over an engine ends within a deadline, so that a wait that never ends is a failure."""
    async with asyncio.timeout(30):
        yield


@pytest.fixture
async def engine(tmp_path: Path, deadline: None) -> AsyncGenerator[Engine]:
    async with running(tmp_path / "ledger.db") as engine:
        yield engine


@pytest.fixture
async def client(engine: Engine) -> AsyncGenerator[httpx.AsyncClient]:
    """Agent Protocol, in process."""
    transport = httpx.ASGITransport(app_over(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://dragoman.test") as client:
        yield client


@pytest.fixture
async def sdk_http(engine: Engine) -> AsyncGenerator[httpx.AsyncClient]:
    """The LangGraph SDK's surface, in process."""
    headers = {"User-Agent": "langgraph-sdk-py/0.4.14"}
    transport = httpx.ASGITransport(app_over(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://dragoman.test", headers=headers) as client:
        yield client


@pytest.fixture
async def url(engine: Engine) -> AsyncGenerator[str]:
    """A real server."""
    settings = AgentProtocolSettings(patience=0.05, heartbeat=0.1)
    async with served(app_over(engine, settings)) as url:
        yield url


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[int], AbstractAsyncContextManager[tuple[str, Engine]]]:
    """``async with serve(port) as (url, engine)``: a server over the same ledger each time, stopped as the command
    does it: the engine first, which hands back what is at work."""

    @asynccontextmanager
    async def make(port: int) -> AsyncGenerator[tuple[str, Engine]]:
        settings = AgentProtocolSettings(patience=0.05, heartbeat=0.1)
        async with (
            running(tmp_path / "own.db") as engine,
            served(app_over(engine, settings), port) as url,
        ):
            yield url, engine
            await engine.stop(grace=0)

    return make


@pytest.fixture
def gate() -> Callable[[], Gate]:
    """A fresh gate for the agent ``slow``: its name, whether the agent is there, and whether it may go on."""

    def make() -> Gate:
        name = uuid.uuid4().hex
        _gates[name] = (asyncio.Event(), asyncio.Event())
        return (name, *_gates[name])

    return make


@pytest.fixture(scope="session")
def conforms() -> Check:
    """``conforms("Run", value)``: whether a value fits a schema of the 0.1.6 document; raises where it does not."""
    if not SPEC.exists():
        pytest.skip("the published schemas are not beside this repository (../shared/specs): no Agent Protocol 0.1.6")
    document: Mapping[str, Any] = json.loads(SPEC.read_text())
    formats = jsonschema.FormatChecker(["uuid", "date"])

    def check(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        validator: Any = jsonschema.Draft202012Validator(schema, format_checker=formats)
        validator.validate(value)

    return check


@pytest.fixture
def count_runs(engine: Engine) -> Callable[[], Awaitable[int]]:
    """How many runs the ledger has."""

    async def count() -> int:
        return len((await engine.list_runs(Principal("acme", "ada"), RunFilter(), 1000)).items)

    return count


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]:
    """``async with start(settings) as client``: the face in process over an engine with these settings."""

    @asynccontextmanager
    async def make(settings: EngineSettings) -> AsyncGenerator[httpx.AsyncClient]:
        async with running(tmp_path / "own.db", settings) as engine:
            transport = httpx.ASGITransport(app_over(engine))
            async with httpx.AsyncClient(transport=transport, base_url="http://dragoman.test") as client:
                yield client

    return make
