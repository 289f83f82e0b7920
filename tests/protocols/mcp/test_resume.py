"""Coming back for a response, over HTTP in sessions of the older era: closed streams, broken ones, killed servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client

from dragoman.agents import CallContext, Catalog, Context, agent, tool
from dragoman.mcp import McpSettings
from dragoman.mcp.call import Peer, Session
from dragoman.mcp.jsonrpc import Request
from dragoman.mcp.resume import Resuming
from dragoman.memory.model import Principal

from .served_http import a_process

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
CALLER = Principal("acme", "ada")
BOTH = "application/json, text/event-stream"


class Gate:
    """What lets the functions of these tests go on."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.calls = 0

    def shut(self) -> None:
        """As at first."""
        self.event, self.calls = asyncio.Event(), 0


GATE = Gate()


@pytest.fixture(autouse=True)
def gate() -> Gate:
    """Closed at first."""
    GATE.shut()
    return GATE


@tool
async def detaching(ctx: CallContext) -> str:
    """Have the client come back."""
    await ctx.progress(1, 2)
    await ctx.detach(retry=0.01)
    await GATE.event.wait()
    await ctx.progress(2, 2)
    return "worth the wait"


@tool
async def waiting(ctx: CallContext) -> str:
    """Tell how far it is, and wait."""
    GATE.calls += 1
    await ctx.progress(1, 3)
    await GATE.event.wait()
    await ctx.progress(2, 3)
    await ctx.progress(3, 3)
    return "worth the wait"


@agent
async def durably(ctx: Context) -> str:
    """Have the client come back, in a run."""
    await ctx.progress(1, 2)
    await ctx.detach(retry=0.01)
    await GATE.event.wait()
    await ctx.progress(2, 2)
    return "worth the wait"


CATALOG = (detaching, waiting)


# -- a client ----------------------------------------------------------------------------------------------------------
@dataclass
class Event:
    """An event of a stream."""

    id: str | None
    retry: int | None
    data: Any


async def _events(response: httpx.Response) -> AsyncGenerator[Event]:
    """The events of a stream, until it ends."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        elif fields:
            retry = fields.get("retry")
            data = fields.get("data", "")
            yield Event(fields.get("id"), None if retry is None else int(retry), json.loads(data) if data else "")
            fields = {}


class Raw:
    """A client of a session, message by message."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    @asynccontextmanager
    async def calling(
        self, tool: str, *, id: Any = 1, token: Any = None, **arguments: Any
    ) -> AsyncGenerator[AsyncIterator[Event]]:
        """The stream of a call."""
        meta = {} if token is None else {"_meta": {"progressToken": token}}
        params = {"name": tool, "arguments": arguments, **meta}
        body = {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}
        async with self.http.stream("POST", "", json=body) as response:
            assert response.headers["content-type"] == "text/event-stream", await response.aread()
            async with aclosing(_events(response)) as events:
                yield events

    @asynccontextmanager
    async def resuming(self, last: str, **headers: str) -> AsyncGenerator[AsyncIterator[Event]]:
        """The stream of a GET that goes on."""
        async with self.http.stream("GET", "", headers={"last-event-id": last, **headers}) as response:
            assert response.status_code == 200, await response.aread()
            async with aclosing(_events(response)) as events:
                yield events

    async def rest(self, last: str) -> list[Event]:
        """All that comes after an event."""
        async with self.resuming(last) as events:
            return [event async for event in events]


@asynccontextmanager
async def _session(url: str, version: str = "2025-11-25", **capabilities: Any) -> AsyncGenerator[Raw]:
    async with httpx.AsyncClient(base_url=url, headers={"accept": BOTH}, timeout=20) as http:
        info = {"name": "t", "version": "0"}
        params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": info}
        opened = await http.post("", json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        http.headers["mcp-protocol-version"] = version
        yield Raw(http)


def _text(event: Event) -> str:
    return str(event.data["result"]["content"][0]["text"])


def _progress(events: list[Event]) -> list[float]:
    return [e.data["params"]["progress"] for e in events if e.data and e.data.get("method") == "notifications/progress"]


# -- closed streams ----------------------------------------------------------------------------------------------------
async def test_a_stream_begins_with_an_event_that_says_where_and_when_to_come_back(
    over_http: Start, schemas: Any, gate: Gate
) -> None:
    async with (
        over_http(catalog=Catalog(*CATALOG)) as server,
        _session(server.url) as client,
        client.calling("waiting", id="call", token=5) as events,
    ):
        first = await anext(events)
        assert first.id is not None
        assert (first.retry, first.data) == (1000, "")
        gate.event.set()
        rest = [event async for event in events]
    assert len({event.id for event in (first, *rest)}) == 5
    assert all(event.id for event in rest)
    assert _progress(rest) == [1, 2, 3]
    assert (rest[-1].data["id"], _text(rest[-1])) == ("call", "worth the wait")
    schemas.older("JSONRPCResultResponse", rest[-1].data)


@pytest.mark.parametrize("name", ["detaching", "durably"])
async def test_an_author_closes_the_stream_and_the_client_comes_back_for_the_answer(
    over_http: Start, gate: Gate, name: str
) -> None:
    async with over_http(durably, catalog=Catalog(*CATALOG)) as server, _session(server.url) as client:
        async with client.calling(name, id=1, token=7) as events:
            told = [event async for event in events]
        assert told[0].data == ""
        assert _progress(told) == [1]
        assert (told[-1].retry, told[-1].data) == (10, "")
        assert told[-1].id is not None
        async with client.resuming(told[-1].id) as events:
            gate.event.set()
            rest = [event async for event in events]
        assert _progress(rest) == [2]
        assert (rest[-1].data["id"], _text(rest[-1])) == (1, "worth the wait")
        again = await client.rest(told[0].id or "")
        assert _progress(again) == [1, 2]
        assert again[-1].data == rest[-1].data


async def test_a_stream_is_closed_after_its_time_where_the_settings_say_so(over_http: Start, gate: Gate) -> None:
    async with over_http(catalog=Catalog(*CATALOG), stream_close_after=0.05) as server, _session(server.url) as client:
        last: str | None = None
        for _ in range(3):
            stream = client.calling("waiting") if last is None else client.resuming(last)
            async with stream as events:
                told = [event async for event in events]
            assert (told[-1].retry, told[-1].data) == (1000, "")
            last = told[-1].id
        gate.event.set()
        assert last is not None
        (answer,) = await client.rest(last)
    assert (_text(answer), gate.calls) == ("worth the wait", 1)


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18"])
async def test_earlier_versions_are_sent_no_event_without_data_and_their_streams_stay_open(
    over_http: Start, gate: Gate, version: str
) -> None:
    gate.event.set()
    async with (
        over_http(catalog=Catalog(*CATALOG), stream_close_after=0.05) as server,
        _session(server.url, version) as client,
        client.calling("detaching", token=1) as events,
    ):
        told = [event async for event in events]
    assert all(event.id and event.data for event in told)
    assert _text(told[-1]) == "worth the wait"


async def test_the_modern_era_and_clients_without_a_session_have_none_of_it(over_http: Start, gate: Gate) -> None:
    gate.event.set()
    catalog = Catalog(*CATALOG)
    async with over_http(catalog=catalog) as server, httpx.AsyncClient(base_url=server.url) as http:
        meta = {"io.modelcontextprotocol/" + k: v for k, v in _modern().items()} | {"progressToken": 1}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        headers = {"accept": BOTH, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call"}
        params: dict[str, Any] = {"name": "detaching", "arguments": {}}
        modern = await http.post(
            "", json={**call, "params": {**params, "_meta": meta}}, headers={**headers, "mcp-name": "detaching"}
        )
        params["_meta"] = {"progressToken": 1}
        older = await http.post("", json={**call, "params": params}, headers={"accept": BOTH})
    for response in (modern, older):
        assert response.headers["content-type"] == "text/event-stream"
        assert "worth the wait" in response.text
        assert "id: " not in response.text
        assert "retry: " not in response.text


def _modern() -> Mapping[str, Any]:
    return {"protocolVersion": "2026-07-28", "clientCapabilities": {}}


# -- broken streams ----------------------------------------------------------------------------------------------------
async def test_a_request_whose_stream_broke_goes_on_and_what_was_missed_is_sent_again(
    over_http: Start, gate: Gate
) -> None:
    async with over_http(catalog=Catalog(*CATALOG)) as server, _session(server.url) as client:
        async with client.calling("waiting", token=1) as events:
            await anext(events)
            seen = await anext(events)
        assert _progress([seen]) == [1]
        gate.event.set()
        rest = await client.rest(seen.id or "")
        assert _progress(rest) == [2, 3]
        assert _text(rest[-1]) == "worth the wait"
        assert gate.calls == 1
        assert await client.rest(rest[-1].id or "") == []


async def test_the_newest_stream_is_the_one_that_is_written(over_http: Start, gate: Gate) -> None:
    async with (
        over_http(catalog=Catalog(*CATALOG)) as server,
        _session(server.url) as client,
        client.calling("waiting", token=1) as first,
    ):
        primed = await anext(first)
        await anext(first)
        async with client.resuming(primed.id or "") as second:
            assert _progress([await anext(second)]) == [1]
            assert [event async for event in first] == []
            gate.event.set()
            rest = [event async for event in second]
    assert _progress(rest) == [2, 3]
    assert _text(rest[-1]) == "worth the wait"


async def test_cancelling_ends_the_request_and_whoever_comes_back_finds_the_end(over_http: Start, gate: Gate) -> None:
    async with over_http(catalog=Catalog(*CATALOG)) as server, _session(server.url) as client:
        async with client.calling("waiting", id=9, token=1) as events:
            primed = await anext(events)
            await anext(events)
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}
            assert (await client.http.post("", json=cancel)).status_code == 202
            assert [event async for event in events] == []
        assert _progress(await client.rest(primed.id or "")) == [1]


async def test_an_id_is_good_for_its_session_alone_and_a_made_up_one_for_none(over_http: Start, gate: Gate) -> None:
    async with over_http(catalog=Catalog(*CATALOG)) as server, _session(server.url) as client:
        async with client.calling("waiting") as events:
            real = (await anext(events)).id or ""
        token, _, place = real.partition(".")
        async with _session(server.url) as other:
            made_up = ["", "x", f"{token}.-1.0", f"{token}.1", f"{token}x.0.0", f"x.{place}", f"{token}.{'9' * 50}.0"]
            for who, last in [(other, real), *((client, last) for last in made_up if last)]:
                refused = await who.http.get("", headers={"last-event-id": last})
                assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32600), last
        foreign = await client.http.get("", headers={"last-event-id": real, "x-test-subject": "bob"})
        assert foreign.status_code == 404
        gate.event.set()
        assert _text((await client.rest(real))[-1]) == "worth the wait"


# -- killed servers ----------------------------------------------------------------------------------------------------
async def test_a_call_of_an_agent_is_answered_after_kill_9_and_no_progress_is_told_twice(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    async with asyncio.timeout(60):
        with a_process(ledger) as (process, url):
            async with _session(url) as client:
                async with client.calling("patient", id="mine", token=3, seconds=1.5) as events:
                    await anext(events)
                    told = await anext(events)
                    process.kill()
                    process.wait()
                assert _progress([told]) == [1]
                with a_process(ledger, int(url.split(":")[2].split("/")[0])):
                    rest = await client.rest(told.id or "")
    assert _progress(rest) == [2]
    assert (rest[-1].data["id"], _text(rest[-1])) == ("mine", "at last")


async def test_a_plain_call_that_died_with_its_server_is_told_of_as_an_error(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    async with asyncio.timeout(60):
        with a_process(ledger) as (process, url):
            async with _session(url) as client:
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
    session = ""
    async with over_http(durably) as server, _session(server.url) as client:
        async with client.calling("durably", id=1, token=7) as events:
            last = [event async for event in events][-1].id or ""
        async with client.resuming(last) as events:
            await server.engine.stop(grace=0)
            assert [event async for event in events] == []
        session = client.http.headers["mcp-session-id"]
    gate.event.set()
    async with over_http(durably) as server, httpx.AsyncClient(base_url=server.url, timeout=20) as http:
        http.headers.update({"mcp-session-id": session, "mcp-protocol-version": "2025-11-25", "accept": BOTH})
        rest = await Raw(http).rest(last)
    assert _progress(rest) == [2]
    assert (rest[-1].data["id"], _text(rest[-1])) == (1, "worth the wait")


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


# -- what is kept ------------------------------------------------------------------------------------------------------
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
