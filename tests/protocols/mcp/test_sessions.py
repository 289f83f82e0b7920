"""Sessions of the older era: kept in the ledger, ended everywhere, and cheap to use."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dragoman.engine import Engine
from dragoman.mcp.call import Session
from dragoman.mcp.sessions import Sessions
from dragoman.memory.model import Json, Principal
from dragoman.memory.sqlite import SqliteLedger

from .served_http import a_process

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
ADA = Principal("acme", "ada")
DECLARED = Session("2025-06-18", {"elicitation": {}, "sampling": {}})


class Counted(SqliteLedger):
    """A ledger that counts what sessions cost it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reads = 0
        self.prolonged = asyncio.Queue[str]()

    async def recall(self, tenant: str, kind: str, key: str) -> Json | None:
        self.reads += 1
        return await super().recall(tenant, kind, key)

    async def prolong(self, tenant: str, kind: str, key: str, ttl_s: float) -> bool:
        there = await super().prolong(tenant, kind, key, ttl_s)
        self.prolonged.put_nowait(key)
        return there


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncGenerator[Engine]:
    ledger = Counted(tmp_path / "ledger.db")
    await ledger.open()
    engine = Engine(ledger, [])
    yield engine
    await engine.stop(grace=0)
    await ledger.close()


def _initialize(version: str = "2025-11-25", **capabilities: Any) -> dict[str, Any]:
    params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "0"}}
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


@asynccontextmanager
async def _client(url: str) -> AsyncGenerator[httpx.AsyncClient]:
    accept = {"accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient(base_url=url, headers=accept, timeout=20) as client:
        yield client


async def _ping(client: httpx.AsyncClient, session: str, **headers: str) -> int:
    told = {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25", **headers}
    response = await client.post("", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=told)
    return response.status_code


# -- what a session knows ----------------------------------------------------------------------------------------------
async def test_a_session_is_found_by_every_replica_over_one_ledger_with_what_it_knows(engine: Engine) -> None:
    here, there = Sessions(engine, 60), Sessions(engine, 60)
    opened = await here.open(ADA, DECLARED)
    assert await there.find(ADA, opened.id) == replace(DECLARED, id=opened.id)
    await there.change(ADA, opened.id, lambda session: replace(session, level="error"))
    changed = await here.change(ADA, opened.id, lambda session: replace(session, watched=frozenset({"x://y"})))
    assert changed is not None
    assert changed == replace(opened, level="error", watched=frozenset({"x://y"}))
    assert await Sessions(engine, 60).find(ADA, opened.id) == changed


@pytest.mark.parametrize("who", [Principal("acme", "bob"), Principal("umbrella", "ada")])
async def test_another_principals_session_is_unknown(engine: Engine, who: Principal) -> None:
    sessions = Sessions(engine, 60)
    opened = await sessions.open(ADA, DECLARED)
    for looking in (sessions, Sessions(engine, 60)):
        assert await looking.find(who, opened.id) is None
        assert await looking.change(who, opened.id, lambda session: replace(session, level="debug")) is None
    assert await sessions.find(ADA, opened.id) == opened
    await sessions.end(Principal("umbrella", "ada"), opened.id)
    assert await sessions.find(ADA, opened.id) == opened


async def test_an_id_is_visible_ascii_that_nobody_guesses(engine: Engine) -> None:
    sessions = Sessions(engine, 60)
    ids = [(await sessions.open(ADA, DECLARED)).id for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(re.fullmatch("[\x21-\x7e]{32,}", id) for id in ids)
    for unknown in ("", "none", "é", "x" * 10_000):
        assert await sessions.find(ADA, unknown) is None


# -- how long it lives -------------------------------------------------------------------------------------------------
async def test_what_has_ended_is_unknown_everywhere_and_no_late_use_brings_it_back(engine: Engine) -> None:
    here, there = Sessions(engine, 60), Sessions(engine, 60)
    opened = await here.open(ADA, DECLARED)
    assert await there.find(ADA, opened.id) is not None
    await here.end(ADA, opened.id)
    assert await here.find(ADA, opened.id) is None
    assert await there.change(ADA, opened.id, lambda session: replace(session, level="debug")) is None
    assert await there.find(ADA, opened.id) is None
    assert await Sessions(engine, 60).find(ADA, opened.id) is None


async def test_a_session_that_is_idle_for_its_time_to_live_expires(engine: Engine) -> None:
    opened = await Sessions(engine, -1).open(ADA, DECLARED)
    assert await Sessions(engine, 60).find(ADA, opened.id) is None


async def test_using_a_session_prolongs_it_once_in_a_while(engine: Engine) -> None:
    ledger = engine.ledger
    assert isinstance(ledger, Counted)
    opened = await Sessions(engine, 60).open(ADA, DECLARED)
    later = Sessions(engine, 600)  # of a process that has not prolonged it yet
    for _ in range(100):
        assert await later.find(ADA, opened.id) is not None
    async with asyncio.timeout(5):
        assert await ledger.prolonged.get() == opened.id
    assert ledger.prolonged.empty()


async def test_a_session_in_use_costs_hardly_a_query(engine: Engine) -> None:
    ledger = engine.ledger
    assert isinstance(ledger, Counted)
    sessions = Sessions(engine, 60)
    opened = await sessions.open(ADA, DECLARED)
    for _ in range(1000):
        assert await sessions.find(ADA, opened.id) is not None
    assert ledger.reads <= 3  # one a second


async def test_no_more_sessions_are_held_in_memory_than_a_bound(engine: Engine, monkeypatch: Any) -> None:
    monkeypatch.setattr("dragoman.mcp.sessions._REMEMBERED", 10)
    sessions = Sessions(engine, 60)
    ids = [(await sessions.open(ADA, DECLARED)).id for _ in range(30)]
    assert len(sessions._held) == 10  # pyright: ignore[reportPrivateUsage]
    for id in ids:
        assert await sessions.find(ADA, id) is not None
    assert len(sessions._held) == 10  # pyright: ignore[reportPrivateUsage]


# -- over HTTP ---------------------------------------------------------------------------------------------------------
async def test_deleted_is_404_for_every_method_and_another_callers_is_as_unknown(over_http: Start) -> None:
    async with over_http() as server, _client(server.url) as client:
        ids = [(await client.post("", json=_initialize())).headers["mcp-session-id"] for _ in range(2)]
        assert await _ping(client, ids[0]) == 200
        assert await _ping(client, ids[0], **{"x-test-subject": "bob"}) == 404
        gone = {"mcp-session-id": ids[0], "mcp-protocol-version": "2025-11-25"}
        assert (await client.delete("", headers={**gone, "x-test-subject": "bob"})).status_code == 404
        assert await _ping(client, ids[0]) == 200
        assert (await client.delete("", headers=gone)).status_code == 204
        assert await _ping(client, ids[0]) == 404
        assert (await client.get("", headers=gone)).status_code == 404
        assert (await client.delete("", headers=gone)).status_code == 404
        assert await _ping(client, ids[1]) == 200


async def test_a_session_and_its_end_survive_kill_9(tmp_path: Path) -> None:
    ledger, ids = tmp_path / "ledger.db", list[str]()
    with a_process(ledger) as (process, url):
        async with _client(url) as client:
            for _ in range(2):
                ids.append((await client.post("", json=_initialize(elicitation={}))).headers["mcp-session-id"])
            told = {"mcp-session-id": ids[0], "mcp-protocol-version": "2025-11-25"}
            level = {"jsonrpc": "2.0", "id": 2, "method": "logging/setLevel", "params": {"level": "error"}}
            assert json.loads((await client.post("", json=level, headers=told)).content)["result"] == {}
            assert (await client.delete("", headers={**told, "mcp-session-id": ids[1]})).status_code == 204
        process.kill()
        process.wait()
    with a_process(ledger) as (process, url):
        async with _client(url) as client:
            assert await _ping(client, ids[0]) == 200
            assert await _ping(client, ids[1]) == 404
        process.kill()
        process.wait()
    after = SqliteLedger(ledger)
    await after.open()
    kept: Any = await after.recall("acme", "mcp.session", ids[0])
    assert (kept["level"], kept["capabilities"]) == ("error", {"elicitation": {}})
    await after.close()
