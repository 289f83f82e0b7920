"""Connections to a real server: clients that leave, wait long, are cut off, and come back to the next server."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.schema import RunCreateMetadata

from dragoman.engine import Engine
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import Principal, Run, RunStatus

pytestmark = pytest.mark.anyio

ADA = Principal("acme", "ada")
Gate = tuple[str, asyncio.Event, asyncio.Event]
Serve = Callable[[int], AbstractAsyncContextManager[tuple[str, Engine]]]


@pytest.fixture
async def http(url: str) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client


async def the_run(engine: Engine) -> Run:
    return (await engine.list_runs(ADA, RunFilter())).items[0].run


async def leave(http: httpx.AsyncClient, path: str, body: dict[str, Any], reached: asyncio.Event) -> None:
    """Ask, and go away once the agent is at work and the answer has begun."""
    async with http.stream("POST", path, json=body):
        await reached.wait()


@pytest.mark.parametrize("verb", ["wait", "stream"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"agent_id": "slow"}, RunStatus.CANCELLED),
        ({"agent_id": "slow", "on_disconnect": "continue"}, RunStatus.SUCCEEDED),
        ({"assistant_id": "slow"}, RunStatus.SUCCEEDED),
        ({"assistant_id": "slow", "on_disconnect": "cancel"}, RunStatus.CANCELLED),
    ],
)
async def test_a_client_that_leaves_cancels_its_run_only_where_that_is_the_surfaces_way(
    http: httpx.AsyncClient, engine: Engine, gate: Callable[[], Gate], verb: str, body: Any, expected: RunStatus
) -> None:
    name, reached, opened = gate()
    await leave(http, f"/runs/{verb}", {**body, "input": {"gate": name}}, reached)
    run = await the_run(engine)
    if expected is RunStatus.SUCCEEDED:
        opened.set()
    assert (await engine.wait(ADA, run.id)).status is expected


async def test_a_client_that_stops_watching_a_run_leaves_it_alone_unless_it_said_otherwise(
    http: httpx.AsyncClient, engine: Engine, gate: Callable[[], Gate]
) -> None:
    name, reached, _ = gate()
    run = (await http.post("/runs", json={"agent_id": "slow", "input": {"gate": name}})).json()
    await reached.wait()
    path = f"/threads/{run['thread_id']}/runs/{run['run_id']}/stream"
    for cancel in ("false", "true"):
        async with http.stream("GET", path, params={"cancel_on_disconnect": cancel}) as answer:
            assert (await anext(answer.aiter_lines())) == "event: metadata"
            assert (await engine.get(ADA, run["run_id"])).status is RunStatus.RUNNING
    assert (await engine.wait(ADA, run["run_id"])).status is RunStatus.CANCELLED


async def test_a_long_wait_tells_the_run_at_once_and_that_it_lives(
    http: httpx.AsyncClient, gate: Callable[[], Gate]
) -> None:
    name, _, opened = gate()
    body = {"agent_id": "slow", "input": {"gate": name, "text": "late"}}
    async with http.stream("POST", "/runs/wait", json=body) as answer:
        assert answer.headers["location"] == answer.headers["content-location"] + "/wait"
        chunks = answer.aiter_bytes()
        first = await anext(chunks)
        opened.set()
        whole = first + b"".join([chunk async for chunk in chunks])
    assert first == b"\n"
    assert json.loads(whole)["values"]["output"] == "late"


async def test_a_silent_stream_says_that_it_lives(http: httpx.AsyncClient, gate: Callable[[], Gate]) -> None:
    name, _, opened = gate()
    body = {"agent_id": "slow", "input": {"gate": name}, "stream_mode": "updates"}
    async with http.stream("POST", "/runs/stream", json=body) as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if line.startswith(":"):
                break
        opened.set()
        rest = [line async for line in lines]
    assert "event: end" in rest


async def test_an_sdk_client_comes_back_to_the_next_server_and_misses_nothing(
    serve: Serve, gate: Callable[[], Gate]
) -> None:
    name, _, opened = gate()
    streamed: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    made: asyncio.Queue[RunCreateMetadata] = asyncio.Queue()

    async def stream(url: str) -> None:
        client: Any = get_client(url=url, api_key=None)
        async with client as sdk:
            async for part in sdk.runs.stream(None, "slow", input={"gate": name}, stream_mode=["values", "updates"]):
                streamed.put_nowait((part.event, part.data))

    async def wait(url: str) -> Any:
        client: Any = get_client(url=url, api_key=None)
        async with client as sdk:
            return await sdk.runs.wait(None, "slow", input={"gate": name}, on_run_created=made.put_nowait)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK warns that it comes back
        async with serve(0) as (url, _):
            port = int(url.rsplit(":", 1)[1])
            tasks = [asyncio.ensure_future(stream(url)), asyncio.ensure_future(wait(url))]
            assert [(await streamed.get())[0] for _ in range(2)] == ["metadata", "values"]
            await made.get()
        async with serve(port):
            opened.set()
            state: Any = (await asyncio.gather(*tasks))[1]
    assert state["output"] == "done"
    rest = [streamed.get_nowait() for _ in range(streamed.qsize())]
    assert [event for event, _ in rest] == ["metadata", "values", "updates", "values", "updates", "end"]
    assert rest[0][1]["attempt"] == 2
    assert rest[3][1]["output"] == "done"
