"""Streams whose server was killed or stopped, and how long a response is kept for who comes back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client

from dragoman.agents import Catalog
from dragoman.mcp import McpSettings
from dragoman.mcp.call import Peer, Session
from dragoman.mcp.jsonrpc import Request
from dragoman.mcp.resume import Resuming
from dragoman.memory.model import Principal

from .resuming import BOTH, CATALOG, GATE, Gate, Raw, Start, durably, progress_of, session, text_of
from .served_http import a_process

pytestmark = pytest.mark.anyio
CALLER = Principal("acme", "ada")


@pytest.fixture(autouse=True)
def gate() -> Gate:
    """Closed at first."""
    GATE.shut()
    return GATE


async def test_a_call_of_an_agent_is_answered_after_kill_9_and_no_progress_is_told_twice(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    async with asyncio.timeout(60):
        with a_process(ledger) as (process, url):
            async with session(url) as client:
                async with client.calling("patient", id="mine", token=3, seconds=1.5) as events:
                    await anext(events)
                    told = await anext(events)
                    process.kill()
                    process.wait()
                assert progress_of([told]) == [1]
                with a_process(ledger, int(url.split(":")[2].split("/")[0])):
                    rest = await client.rest(told.id or "")
    assert progress_of(rest) == [2]
    assert (rest[-1].data["id"], text_of(rest[-1])) == ("mine", "at last")


async def test_a_plain_call_that_died_with_its_server_is_told_of_as_an_error(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    async with asyncio.timeout(60):
        with a_process(ledger) as (process, url):
            async with session(url) as client:
                async with client.calling("plainly", id="mine", seconds=60) as events:
                    primed = await anext(events)
                    process.kill()
                    process.wait()
                with a_process(ledger, int(url.split(":")[2].split("/")[0])):
                    (error,) = await client.rest(primed.id or "")
    assert (error.data["id"], error.data["error"]["code"]) == ("mine", -32603)
    assert "again" in error.data["error"]["message"]


async def test_a_server_that_stops_ends_its_streams_and_the_next_one_answers(over_http: Start, gate: Gate) -> None:
    last = ""
    opened = ""
    async with over_http(durably) as server, session(server.url) as client:
        async with client.calling("durably", id=1, token=7) as events:
            last = [event async for event in events][-1].id or ""
        async with client.resuming(last) as events:
            await server.engine.stop(grace=0)
            assert [event async for event in events] == []
        opened = client.http.headers["mcp-session-id"]
    gate.event.set()
    async with over_http(durably) as server, httpx.AsyncClient(base_url=server.url, timeout=20) as http:
        http.headers.update({"mcp-session-id": opened, "mcp-protocol-version": "2025-11-25", "accept": BOTH})
        rest = await Raw(http).rest(last)
    assert progress_of(rest) == [2]
    assert (rest[-1].data["id"], text_of(rest[-1])) == (1, "worth the wait")


async def test_the_official_client_comes_back_by_itself(over_http: Start, gate: Gate) -> None:
    told: list[float] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)
        if progress == 1:
            asyncio.get_running_loop().call_later(0.05, gate.event.set)

    async with over_http(durably, catalog=Catalog(*CATALOG)) as server:
        for name in ("detaching", "durably"):
            gate.event.clear()
            async with Client(server.url, mode="legacy") as client:
                result = await client.call_tool(name, {}, progress_callback=progress)
            assert "worth the wait" in str(result.content)
    assert told == [1, 2, 1, 2]


class Wire:
    """An ASGI connection that is read at once."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    async def send(self, message: Any) -> None:
        self.chunks.append(message.get("body", b""))

    async def receive(self) -> Any:
        await asyncio.Event().wait()


def _resuming(client: Any) -> Resuming:
    return Resuming(client.engine, client.kernel, McpSettings(state_key=b"k" * 32))


def _call(id: int, name: str = "waiting") -> tuple[Peer, Session, Request]:
    session = Session("2025-11-25", id="s")
    params = {"name": name, "arguments": {}, "_meta": {"progressToken": id}}
    return Peer(CALLER, session, withdraws="s"), session, Request(id, "tools/call", params)


async def test_responses_are_kept_for_a_while_and_never_more_than_a_bound(
    in_process: Start, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.event.set()
    monkeypatch.setattr("dragoman.mcp.resume._MOST_KEPT", 5)
    async with in_process(catalog=Catalog(*CATALOG)) as client:
        resuming = _resuming(client)
        for id in range(12):
            wire = Wire()
            assert await resuming.post(*_call(id), wire.receive, wire.send) is None
            assert b"worth the wait" in b"".join(wire.chunks)
        assert len(resuming) == 5
        monkeypatch.setattr("dragoman.mcp.resume._MOST_KEPT_BYTES", 2000)
        wire = Wire()
        await resuming.post(*_call(99), wire.receive, wire.send)
        assert len(resuming) < 5
        monkeypatch.setattr("dragoman.mcp.resume._MOST_KEPT", 0)
        await resuming.post(*_call(100), wire.receive, wire.send)
        assert len(resuming) == 0


async def test_a_kept_response_is_forgotten_when_its_time_is_over(
    in_process: Start, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.event.set()
    monkeypatch.setattr("dragoman.mcp.resume._KEPT_S", 0.01)
    async with in_process(catalog=Catalog(*CATALOG)) as client:
        resuming = _resuming(client)
        wire = Wire()
        await resuming.post(*_call(1), wire.receive, wire.send)
        async with asyncio.timeout(5):
            while len(resuming):  # noqa: ASYNC110
                await asyncio.sleep(0.005)  # a timer tells nobody


async def test_an_answer_that_comes_at_once_is_json_and_nothing_is_kept(in_process: Start) -> None:
    async with in_process() as client:
        resuming = _resuming(client)
        peer, session, _ = _call(1)
        request = Request(1, "tools/call", {"name": "echo", "arguments": {}})
        wire = Wire()
        answer = await resuming.post(peer, session, request, wire.receive, wire.send)
        assert answer is not None
        assert json.loads(answer.body)["result"]["isError"] is True
        assert (len(resuming), wire.chunks) == (0, [])
