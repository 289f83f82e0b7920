"""How a function that is done within its request is stopped with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from dragoman.agents import (
    CallContext,
    Catalog,
    tool,
)
from dragoman.mcp.call import Peer
from dragoman.mcp.jsonrpc import Notification
from dragoman.memory.model import Principal

Start = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = pytest.mark.anyio

META = "io.modelcontextprotocol/"
CALLER = Principal("acme", "ada")
AUDIT = "dragoman.audit"


@dataclass
class Seen:
    """What the tools of one test did."""

    begun: asyncio.Event
    cancelled: asyncio.Event
    times: int = 0


def _seen() -> Seen:
    return Seen(asyncio.Event(), asyncio.Event())


def _stoppable(seen: Seen) -> Any:
    @tool(expose=True, name="stoppable")
    async def stoppable(ctx: CallContext) -> str:
        """Work until it is stopped."""
        seen.begun.set()
        seen.times += 1
        try:
            await asyncio.Event().wait()
        finally:
            seen.cancelled.set()
        return "at last"

    return stoppable


def _accept(answer: Any) -> dict[str, Any]:
    return {"action": "accept", "content": answer if isinstance(answer, dict) else {"answer": answer}}


async def _retry(client: Any, asked: Mapping[str, Any], name: str, responses: Any, **how: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"name": name, "inputResponses": responses}
    if "requestState" in asked:
        params["requestState"] = asked["requestState"]
    response: dict[str, Any] = await client.modern("tools/call", params, **{"elicits": True, **how})
    return response


@pytest.mark.parametrize("modern", [True, False])
async def test_a_request_that_is_taken_back_stops_its_function(
    in_process: Start, modern: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, AUDIT)
    seen = _seen()
    async with in_process(catalog=Catalog(_stoppable(seen))) as client:
        ask = client.modern if modern else client.older
        call = asyncio.create_task(ask("tools/call", {"name": "stoppable"}, id=77))
        await seen.begun.wait()
        peer = Peer(CALLER, withdraws="test") if modern else client.peer()
        await client.kernel.notify(peer, Notification("notifications/cancelled", {"requestId": 77}))
        assert await call == {}
        await seen.cancelled.wait()
    assert [vars(r)["outcome"] for r in caplog.records if r.name == AUDIT] == ["cancelled"]


async def test_closing_the_stream_stops_the_function(over_http: Start) -> None:
    seen = _seen()
    params: dict[str, Any] = {
        "name": "stoppable",
        "_meta": {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}},
    }
    told: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "stoppable",
    }
    async with over_http(catalog=Catalog(_stoppable(seen)), inline_wait=0.01) as server, httpx.AsyncClient() as client:
        async with client.stream("POST", server.url, json=told, headers=headers) as response:
            await anext(response.aiter_raw())
            assert not seen.cancelled.is_set()
        await asyncio.wait_for(seen.cancelled.wait(), 10)


async def test_a_function_that_asks_is_stopped_before_its_client_is_answered(in_process: Start) -> None:
    seen = _seen()

    @tool(expose=True)
    async def held(ctx: CallContext) -> str:
        """Hold something while it asks."""
        seen.times += 1
        try:
            return await ctx.ask("What?")
        finally:
            seen.cancelled.set()

    async with in_process(catalog=Catalog(held)) as client:
        asked = await client.call("held", elicits=True)
        assert seen.cancelled.is_set()
        done = (await _retry(client, asked, "held", {"input": _accept("it")}))["result"]
    assert done["content"][0]["text"] == "it"
    assert seen.times == 2
