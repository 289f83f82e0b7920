"""Two servers on one Postgres as one: what a client of one of them sends, the other one takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.memory.postgres_ledgers import url_of

from dragoman.agents import CallContext, Catalog, resource, tool
from dragoman.engine import Engine
from dragoman.mcp import McpSettings
from dragoman.mcp.call import Peer, Session
from dragoman.mcp.handed_over import offer, read
from dragoman.mcp.jsonrpc import Notification, Reply, Request
from dragoman.mcp.kernel import Kernel
from dragoman.mcp.replay import Replay
from dragoman.mcp.sessions import Sessions
from dragoman.mcp.watch import Watch
from dragoman.memory.model import Principal
from dragoman.memory.postgres.ledger import PostgresLedger

pytestmark = pytest.mark.anyio
CALLER = Principal("acme", "ada")
SESSION = Session("2025-11-25", {"elicitation": {}}, "s")
PEER = Peer(CALLER, SESSION, withdraws="s")
SETTINGS = McpSettings(state_key=b"k" * 32, version="1.0.0", inline_wait=10.0)


@tool(expose=True)
async def asks(ctx: CallContext) -> str:
    """Ask the client."""
    return f"Hello, {await ctx.ask('Who are you?')}"


@resource("note://today", name="today")
async def today() -> str:
    """What changes."""
    return "now"


class Replica:
    """An engine and its kernel."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.catalog = Catalog(asks, today)
        self.kernel = Kernel(engine, SETTINGS, self.catalog)


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncGenerator[tuple[Replica, Replica]]:
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        made: list[Replica] = []
        for _ in range(2):
            ledger = PostgresLedger(url_of(tmp_path), connections=4)
            await ledger.open()
            stack.push_async_callback(ledger.close)
            made.append(Replica(await stack.enter_async_context(Engine(ledger, []))))
        yield made[0], made[1]


async def _asked(here: Replica, recorded: Any) -> tuple[asyncio.Task[Any], str]:
    request = Request(1, "tools/call", {"name": "asks"})
    call = asyncio.create_task(here.kernel.request(PEER, request, recorded))
    return call, (await recorded.wait_for("elicitation/create"))["id"]


async def test_a_reply_is_taken_by_another_replica_than_the_one_that_asked(
    replicas: tuple[Replica, Replica], recorded: Any
) -> None:
    here, there = replicas
    call, id = await _asked(here, recorded)
    stranger = Peer(CALLER, replace(SESSION, id="other"), withdraws="other")
    answer = {"action": "accept", "content": {"answer": "Ada"}}
    await there.kernel.reply(stranger, Reply(id, {**answer, "content": {"answer": "Eve"}}, None))
    await there.engine.relay.receive("acme", "nothing", 0.2)  # what was told before that has been heard
    assert not call.done()
    await there.kernel.reply(PEER, Reply(id, answer, None))
    assert b"Hello, Ada" in (await call).body


async def test_a_call_is_cancelled_by_way_of_another_replica(replicas: tuple[Replica, Replica], recorded: Any) -> None:
    here, there = replicas
    call, _ = await _asked(here, recorded)
    await there.kernel.notify(PEER, Notification("notifications/cancelled", {"requestId": 1}))
    assert await call is None


async def test_a_response_that_is_kept_here_is_read_there_as_it_comes(replicas: tuple[Replica, Replica]) -> None:
    here, there = replicas
    kept = Replay("name", "token", primes=True)
    deaf = offer(here.engine, "acme", kept)
    await kept.send({"n": 1})
    await kept.send({"n": 2})
    write = await read(there.engine, "acme", "name", 1)
    assert write is not None
    got: list[str] = []
    more = asyncio.Event()

    async def send(message: Any) -> None:
        got.append(message["body"].decode())
        more.set()

    reading = asyncio.create_task(write(send))
    await more.wait()
    await kept.send({"n": 3})
    kept.finish(None)
    await reading
    assert ['{"n":2}' in got[0], '{"n":3}' in got[1], len(got)] == [True, True, 2]
    deaf()
    assert await read(there.engine, "acme", "nobody's", 1) is None


async def test_a_session_that_is_changed_there_is_followed_here(replicas: tuple[Replica, Replica]) -> None:
    here, there = (Sessions(replica.engine, 60.0) for replica in replicas)
    opened = await here.open(CALLER, Session("2025-11-25", {}))
    seen: asyncio.Queue[Session | None] = asyncio.Queue()
    deaf = here.follow(CALLER, opened.id, seen.put)
    await there.change(CALLER, opened.id, lambda session: replace(session, watched=frozenset({"note://today"})))
    changed = await seen.get()
    assert changed is not None
    assert changed.watched == {"note://today"}
    await there.end(CALLER, opened.id)
    assert await seen.get() is None
    deaf()


async def test_who_watches_here_hears_of_what_is_changed_there(replicas: tuple[Replica, Replica]) -> None:
    here, there = replicas
    watch = Watch(here.engine, here.catalog, SETTINGS, CALLER)
    watch.lists(["tools"])
    assert await watch.resource("note://today")
    there.catalog.changed("note://today")
    assert await watch.next() == ("resource", "note://today")

    @tool(expose=True)
    async def another() -> None:
        """One more."""

    there.catalog.add(another)
    assert await watch.next() == ("list", "tools")
    heard = asyncio.Event()
    deaf = here.engine.relay.hear("acme", "item:x", heard.set)
    there.engine.relay.tell("umbrella", "item:x")
    there.engine.relay.tell("acme", "item:x")
    await heard.wait()
    deaf()
    watch.close()
