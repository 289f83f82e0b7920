"""JSON-RPC batches: served in 2025-03-26, which says that servers must, and refused in every other version."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest

from dragoman.agents import CallContext, Catalog, tool
from dragoman.mcp import McpSettings
from dragoman.mcp.jsonrpc import MOST_IN_BATCH
from dragoman.mcp.stdio import serve_pipe
from dragoman.memory.model import Principal

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
BATCHED = "2025-03-26"
BOTH = "application/json, text/event-stream"
INITIALIZED: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def _ask(id: Any, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def _call(id: Any, name: str, **arguments: Any) -> dict[str, Any]:
    return _ask(id, "tools/call", name=name, arguments=arguments)


def _hello(version: str, id: Any = 0) -> dict[str, Any]:
    about = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    return _ask(id, "initialize", **about)


def _cancel(id: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}


@tool(expose=True)
async def dawdle(ctx: CallContext, word: str) -> str:
    """Say that it works, and take a while."""
    await ctx.progress(1, 2, word)
    await asyncio.sleep(0.3)  # its work
    return word


@tool(expose=True)
async def never(ctx: CallContext) -> str:
    """Work until it is cancelled."""
    await asyncio.Event().wait()
    return "never"


CATALOG = (dawdle, never)


def _by_id(answers: Sequence[Any]) -> dict[Any, Any]:
    return {answer.get("id"): answer for answer in answers}


# -- HTTP --------------------------------------------------------------------------------------------------------------
@asynccontextmanager
async def _session(url: str, version: str = BATCHED, accept: str = BOTH) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, headers={"accept": accept}, timeout=20) as client:
        opened = await client.post("", json=_hello(version))
        client.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        yield client


async def test_requests_are_answered_by_an_array_and_notifications_by_nothing(over_http: Start) -> None:
    batch = [INITIALIZED, _ask(1, "ping"), _call("two", "echo", text="hi"), _ask(3, "tools/nothing")]
    async with over_http() as server, _session(server.url) as client:
        told = await client.post("", json=batch)
    assert (told.status_code, told.headers["content-type"]) == (200, "application/json")
    answers = _by_id(told.json())
    assert set(answers) == {1, "two", 3}
    assert answers[1]["result"] == {}
    assert answers["two"]["result"]["content"][0]["text"] == "hi"
    assert answers[3]["error"]["code"] == -32601


async def test_a_request_without_session_and_version_is_of_the_version_with_batches(over_http: Start) -> None:
    async with over_http() as server, httpx.AsyncClient(headers={"accept": BOTH}) as client:
        told = await client.post(server.url, json=[_ask(1, "ping")])
    assert told.json() == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


async def test_what_takes_a_while_makes_the_answer_a_stream_with_each_response_once(over_http: Start) -> None:
    batch: list[Any] = [_call(n, "dawdle", word=f"w{n}") for n in range(3)]
    batch[0]["params"]["_meta"] = {"progressToken": "p"}
    async with over_http(catalog=Catalog(*CATALOG)) as server, _session(server.url) as client:
        told = await client.post("", json=[*batch, _ask("quick", "ping")])
    assert told.headers["content-type"] == "text/event-stream"
    events = [json.loads(line[6:]) for line in told.text.splitlines() if line.startswith("data: ")]
    assert [e["params"]["progressToken"] for e in events if "method" in e] == ["p"]
    responses = [event for event in events if "id" in event]
    assert sorted(str(r["id"]) for r in responses) == ["0", "1", "2", "quick"]
    assert [r["result"]["content"][0]["text"] for r in sorted(responses[1:], key=lambda r: r["id"])] == [
        "w0",
        "w1",
        "w2",
    ]


async def test_requests_of_a_batch_are_at_work_at_the_same_time(over_http: Start) -> None:
    async with (
        over_http(catalog=Catalog(*CATALOG)) as server,
        _session(server.url, accept="application/json") as client,
    ):
        began = asyncio.get_running_loop().time()
        told = await client.post("", json=[_call(n, "dawdle", word=str(n)) for n in range(30)])
        took = asyncio.get_running_loop().time() - began
    assert len(told.json()) == 30
    assert took < 30 * 0.3 / 2


async def test_a_request_that_is_taken_back_within_its_batch_is_owed_nothing(over_http: Start) -> None:
    async with over_http(catalog=Catalog(*CATALOG)) as server, _session(server.url) as client:
        told = await client.post("", json=[_call(1, "never"), _cancel(1), _ask(2, "ping")])
        alone = await client.post("", json=[_call(3, "never"), _cancel(3)])
    assert [answer["id"] for answer in told.json()] == [2]
    assert (alone.status_code, alone.content) == (202, b"")


async def test_notifications_and_replies_alone_are_accepted_without_a_body(over_http: Start) -> None:
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": "call:unknown", "result": {}}
    async with over_http() as server, _session(server.url) as client:
        told = [await client.post("", json=batch) for batch in ([INITIALIZED, _cancel(9)], [reply, reply])]
    assert [(t.status_code, t.content) for t in told] == [(202, b"")] * 2


async def test_what_changes_the_session_holds_after_the_batch(over_http: Start) -> None:
    uris = [f"dragoman://agents/{name}" for name in ("echo", "delete", "nobody")]
    async with over_http() as server, _session(server.url) as client:
        batch = [_ask(n, "resources/subscribe", uri=uri) for n, uri in enumerate(uris)]
        told = _by_id((await client.post("", json=batch)).json())
        again = await client.post("", json=[_ask(7, "resources/unsubscribe", uri=uris[0])])
    assert [told[n].get("result") for n in range(3)] == [{}, {}, None]
    assert told[2]["error"]["code"] == -32002
    assert again.json() == [{"jsonrpc": "2.0", "id": 7, "result": {}}]


async def test_a_part_that_is_no_message_is_told_and_the_others_are_served(over_http: Start) -> None:
    async with over_http() as server, _session(server.url) as client:
        told = await client.post("", json=[1, _ask(2, "ping"), {"id": 3, "method": "ping"}])
        none = await client.post("", json=[1, 2])
    answers = _by_id(told.json())
    assert told.status_code == 200
    assert "result" in answers[2]
    assert [answers[id]["error"]["code"] for id in (None, 3)] == [-32600, -32600]
    assert none.status_code == 400
    assert [answer["error"]["code"] for answer in none.json()] == [-32600, -32600]


@pytest.mark.parametrize("size", [0, MOST_IN_BATCH + 1])
async def test_a_batch_that_is_empty_or_too_long_is_refused_as_a_whole(over_http: Start, size: int) -> None:
    async with over_http() as server, _session(server.url) as client:
        told = await client.post("", json=[_ask(n, "ping") for n in range(size)])
        most = await client.post("", json=[_ask(n, "ping") for n in range(MOST_IN_BATCH)])
    assert told.status_code == 400
    assert told.json()["error"]["code"] == -32600
    assert f"1 to {MOST_IN_BATCH} messages" in told.json()["error"]["message"]
    assert len(most.json()) == MOST_IN_BATCH


async def test_initialize_is_not_part_of_a_batch(over_http: Start) -> None:
    async with over_http() as server, httpx.AsyncClient(headers={"accept": BOTH}) as client:
        told = await client.post(server.url, json=[_hello(BATCHED), INITIALIZED])
    assert told.status_code == 400
    assert "mcp-session-id" not in told.headers
    assert told.json()["error"]["code"] == -32600
    assert "initialize is not part of a batch" in told.json()["error"]["message"]


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
async def test_other_versions_have_no_batches(over_http: Start, version: str) -> None:
    async with over_http() as server, _session(server.url, version) as client:
        in_session = await client.post("", json=[_ask(1, "ping")])
        del client.headers["mcp-session-id"]
        without = await client.post("", json=[_ask(1, "ping")], headers={"mcp-protocol-version": version})
    for told in (in_session, without):
        assert told.status_code == 400
        assert told.json()["error"]["code"] == -32600
        assert "send one message each" in told.json()["error"]["message"]


@pytest.mark.parametrize("by", ["header", "meta"])
async def test_the_modern_era_has_no_batches(over_http: Start, by: str) -> None:
    stated: dict[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    ask = _ask(1, "tools/list", **({"_meta": stated} if by == "meta" else {}))
    headers = {"accept": BOTH, **({"mcp-protocol-version": "2026-07-28"} if by == "header" else {})}
    async with over_http() as server, httpx.AsyncClient(headers=headers) as client:
        told = await client.post(server.url, json=[ask])
    assert (told.status_code, told.json()["error"]["code"]) == (400, -32600)


async def test_a_batch_of_an_unknown_session_is_not_found(over_http: Start) -> None:
    async with over_http() as server, httpx.AsyncClient(headers={"mcp-session-id": "gone"}) as client:
        assert (await client.post(server.url, json=[_ask(1, "ping")])).status_code == 404


async def test_a_client_that_leaves_ends_what_is_within_its_requests_and_no_run(over_http: Start, the_run: Any) -> None:
    caller = Principal("acme", "ada")
    async with over_http(catalog=Catalog(*CATALOG)) as server, _session(server.url) as client:
        batch = [_call(1, "never"), _call(2, "delete", thing="it")]
        async with client.stream("POST", "", json=batch) as stream:
            assert stream.headers["content-type"] == "text/event-stream"
            view = await the_run(server.engine, caller)
        assert (await client.post("", json=[_ask(3, "ping")])).json()[0]["result"] == {}
        assert (await server.engine.get(caller, view.run.id)).status.value in ("running", "waiting", "queued")


# -- a pipe ------------------------------------------------------------------------------------------------------------
class _Pipe:
    def __init__(self, to_server: int, reader: asyncio.StreamReader) -> None:
        self._to_server = to_server
        self._reader = reader

    def send(self, message: Any) -> None:
        os.write(self._to_server, json.dumps(message).encode() + b"\n")

    async def ask(self, message: Any) -> Any:
        self.send(message)
        return json.loads(await self._reader.readline())


@asynccontextmanager
async def _pipe(in_process: Start) -> AsyncGenerator[_Pipe]:
    async with in_process() as client:
        source, to_server = os.pipe()
        from_server, sink = os.pipe()
        settings = McpSettings(state_key=b"k" * 32, version="1")
        caller, catalog = Principal("acme", "ada"), Catalog(*CATALOG)
        serving = asyncio.create_task(serve_pipe(client.engine, caller, settings, source, sink, catalog))
        reader = asyncio.StreamReader(limit=4_000_000)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(from_server, "rb")
        )
        try:
            yield _Pipe(to_server, reader)
        finally:
            os.close(to_server)
            await serving
            transport.close()
            os.close(source)
            os.close(sink)


async def test_on_a_pipe_a_batch_is_answered_by_one_array_when_all_are_there(in_process: Start) -> None:
    async with _pipe(in_process) as pipe:
        await pipe.ask(_hello(BATCHED))
        told = _by_id(await pipe.ask([_call(1, "dawdle", word="w"), INITIALIZED, _ask(2, "ping"), 3]))
    assert set(told) == {1, 2, None}
    assert told[1]["result"]["content"][0]["text"] == "w"
    assert told[None]["error"]["code"] == -32600


async def test_on_a_pipe_batches_hold_to_the_version_that_was_settled(in_process: Start) -> None:
    async with _pipe(in_process) as pipe:
        before = await pipe.ask([_ask(1, "ping")])
        batched = await pipe.ask([_hello(BATCHED)])
        await pipe.ask(_hello("2025-11-25"))
        other = await pipe.ask([_ask(2, "ping")])
        await pipe.ask(_hello(BATCHED))
        again = await pipe.ask([_hello(BATCHED), _ask(3, "ping")])
        served = await pipe.ask([_ask(4, "ping")])
    assert [told["error"]["code"] for told in (before, batched, other, again)] == [-32600] * 4
    assert "initialize is not part of a batch" in again["error"]["message"]
    assert served == [{"jsonrpc": "2.0", "id": 4, "result": {}}]


async def test_on_a_pipe_the_requests_of_batches_count_among_those_at_work(in_process: Start) -> None:
    async with _pipe(in_process) as pipe:
        await pipe.ask(_hello(BATCHED))
        for start in (0, 100):
            pipe.send([_call(n, "never") for n in range(start, start + 99)])
        refused = await pipe.ask([_ask(f"more {n}", "ping") for n in range(99)])
        for start in (0, 100):
            pipe.send([_cancel(n) for n in range(start, start + 99)])
        assert await pipe.ask([_ask("later", "ping")]) == [{"jsonrpc": "2.0", "id": "later", "result": {}}]
    assert len(refused) == 99
    assert {answer["error"]["code"] for answer in refused} == {-32603}
