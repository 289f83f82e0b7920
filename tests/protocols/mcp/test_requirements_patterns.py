"""What 2026-07-28 demands of progress and of multi round-trip requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from dragoman.agents import Context, agent
from dragoman.memory.model import Principal

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
REFUND = {"order_id": "A", "amount": 500}


@pytest.mark.requirement("progress.rises", "progress.token")
async def test_progress_that_does_not_rise_is_not_told(in_process: Start, recorded: Any) -> None:
    @agent(description="Report what it likes")
    async def erratic(ctx: Context) -> None:
        for progress in (1, 5, 3, 5, 7):
            await ctx.progress(progress)

    async with in_process(erratic) as client:
        await client.call("erratic", channel=recorded, meta={"progressToken": 0})
    assert [m["params"]["progress"] for m in recorded.sent] == [1, 5, 7]
    assert {m["params"]["progressToken"] for m in recorded.sent} == {0}


@pytest.mark.requirement("progress.stops")
async def test_nothing_is_told_under_a_token_once_its_request_is_answered(in_process: Start, recorded: Any) -> None:
    go_on = asyncio.Event()

    @agent(description="Report before and after it is let go")
    async def gated(ctx: Context) -> None:
        await ctx.progress(1)
        await go_on.wait()
        await ctx.progress(2)

    async with in_process(gated, inline_wait=0.01, call_wait=0.2) as client:
        handle = await client.call("gated", channel=recorded, meta={"progressToken": "t"})
        go_on.set()
        run = await client.engine.wait(Principal("acme", "ada"), handle["structuredContent"]["run_id"], 10)
    assert run.ended
    assert [m["params"]["progress"] for m in recorded.sent] == [1]


@pytest.mark.requirement("progress.active-token")
async def test_each_call_is_told_its_own_progress_under_its_own_token(in_process: Start, recorded: Any) -> None:
    other = type(recorded)()
    async with in_process() as client:
        await asyncio.gather(
            client.call("count", {"to": 2}, channel=recorded, meta={"progressToken": "a"}),
            client.call("count", {"to": 3}, channel=other, meta={"progressToken": "b"}),
        )
    assert [(m["params"]["progressToken"], m["params"]["progress"]) for m in recorded.sent] == [("a", 1), ("a", 2)]
    assert [m["params"]["progressToken"] for m in other.sent] == ["b"] * 3


@pytest.mark.requirement("http.stream-no-requests", "patterns.no-server-requests")
async def test_a_modern_client_is_sent_no_request(in_process: Start, recorded: Any) -> None:
    async with in_process() as client:
        asked = await client.call("refund", REFUND, elicits=True, channel=recorded, meta={"progressToken": 1})
    assert asked["resultType"] == "input_required"
    assert [m for m in recorded.sent if "id" in m or not m["method"].startswith("notifications/")] == []


@pytest.mark.requirement("elicitation.declared-modes", "mrtr.declared-only")
@pytest.mark.parametrize("elicitation", [None, {"url": {}}])
async def test_a_client_is_asked_in_no_mode_that_it_has_not_declared(in_process: Start, elicitation: Any) -> None:
    key = "io.modelcontextprotocol/clientCapabilities"
    declared: dict[str, Any] = {"sampling": {}, "roots": {}}
    if elicitation is not None:
        declared["elicitation"] = elicitation
    async with in_process() as client:
        result = await client.call("refund", REFUND, meta={key: declared})
    assert result["resultType"] == "complete"
    assert result["structuredContent"]["status"] == "waiting"


@pytest.mark.requirement("mrtr.keys-unique")
async def test_questions_that_lie_open_together_have_keys_of_their_own(in_process: Start, schemas: Any) -> None:
    @agent(description="Ask two things at once")
    async def both(ctx: Context) -> list[str]:
        return list(await asyncio.gather(ctx.ask("The same?"), ctx.ask("The same?")))

    async with in_process(both) as client:
        asked = await client.call("both", elicits=True)
    assert len(asked["inputRequests"]) == 2
    schemas.modern("InputRequiredResult", asked)


@pytest.mark.requirement("mrtr.supported-requests")
@pytest.mark.parametrize("method", ["server/discover", "tools/list", "resources/list", "resources/templates/list"])
async def test_only_a_call_asks_for_input(in_process: Start, method: str) -> None:
    async with in_process() as client:
        waiting = await client.call("refund", REFUND, elicits=True)
        result = (await client.modern(method, {"requestState": waiting["requestState"]}, elicits=True))["result"]
    assert waiting["resultType"] == "input_required"
    assert result["resultType"] == "complete"
    assert "inputRequests" not in result


@pytest.mark.requirement("mrtr.no-return-assumed")
async def test_an_unanswered_question_holds_nothing_up(in_process: Start) -> None:
    async with in_process() as client:
        asked = [await client.call("refund", REFUND, elicits=True) for _ in range(3)]
        assert (await client.call("echo", {"text": "hi"}))["structuredContent"] == {"result": "hi"}
        assert client.engine.active == 0
    assert len({a["requestState"] for a in asked}) == 3
