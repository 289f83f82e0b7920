"""The trace that a client tells in ``_meta``: of the request's log lines, and of its run for as long as that lives."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from dragoman.agents import CallContext, Catalog, Context, agent, tool
from dragoman.memory.model import Principal
from dragoman.telemetry import current_trace
from dragoman.telemetry.logs import JsonFormatter

Start = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = pytest.mark.anyio

CALLER = Principal("acme", "ada")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
ACCEPT = {"input": {"action": "accept", "content": {"answer": "x"}}}


@tool(expose=True)
async def traced(ctx: CallContext) -> str:
    """Tell its trace."""
    return current_trace()


@agent
async def durable(ctx: Context) -> str:
    """Tell its trace before and after a wait."""
    before = await ctx.step(_trace, key="before")
    await ctx.ask("Go on?")
    return f"{before} {current_trace()} {ctx.metadata.get('baggage')}"


async def _trace() -> str:
    return current_trace()


@pytest.mark.parametrize("modern", [True, False])
async def test_a_call_goes_on_with_its_clients_trace(
    in_process: Start, modern: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dragoman.audit")
    formatted: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            formatted.append(json.loads(JsonFormatter().format(record)))

    handler = Keep()
    logging.getLogger("dragoman.audit").addHandler(handler)
    try:
        async with in_process(catalog=Catalog(traced)) as client:
            if modern:
                call = client.modern("tools/call", {"name": "traced"}, meta={"traceparent": PARENT})
            else:
                call = client.older("tools/call", {"name": "traced", "_meta": {"traceparent": PARENT}})
            told = await asyncio.create_task(call)
    finally:
        logging.getLogger("dragoman.audit").removeHandler(handler)
    assert told["result"]["structuredContent"] == {"result": TRACE}
    assert [line["trace_id"] for line in formatted] == [TRACE]


async def test_a_run_stays_in_its_trace_after_a_wait_and_keeps_what_came_with_it(in_process: Start) -> None:
    meta = {"traceparent": PARENT, "tracestate": "a=b", "baggage": "user=ada"}
    async with in_process(durable) as client:
        asked = await asyncio.create_task(client.call("durable", elicits=True, meta=meta))
        params = {"name": "durable", "inputResponses": ACCEPT, "requestState": asked["requestState"]}
        told = await asyncio.create_task(client.modern("tools/call", params, elicits=True))
        (view,) = (await client.engine.list_runs(CALLER)).items
    assert told["result"]["structuredContent"] == {"result": f"{TRACE} {TRACE} user=ada"}
    assert view.run.metadata == meta


@pytest.mark.parametrize("told", ["nonsense", 5, None, f"ff-{TRACE}-00f067aa0ba902b7-01", {"a": 1}, "é" * 100])
async def test_what_is_no_trace_changes_nothing(in_process: Start, told: Any) -> None:
    async with in_process(catalog=Catalog(traced)) as client:
        before = current_trace()
        call = client.modern("tools/call", {"name": "traced"}, meta={"traceparent": told})
        result = (await asyncio.create_task(call))["result"]
    assert result["structuredContent"] == {"result": before}


async def test_what_is_too_long_is_not_kept(in_process: Start) -> None:
    meta = {"baggage": "x" * 10_000, "tracestate": 5}
    async with in_process(durable) as client:
        await client.call("durable", elicits=True, meta=meta)
        (view,) = (await client.engine.list_runs(CALLER)).items
    assert view.run.metadata == {}
