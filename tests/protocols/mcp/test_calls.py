"""Calls of tools in process: what each kind of client is answered with, and what becomes of the run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.agents import Context, agent
from dragoman.mcp.call import Peer
from dragoman.mcp.jsonrpc import Notification
from dragoman.memory.model import Principal, RunStatus

from .gates import Gate, Start

pytestmark = pytest.mark.anyio


async def test_a_call_is_a_durable_run_and_its_result_names_it(in_process: Start, schemas: Any) -> None:
    async with in_process() as client:
        result = await client.call("find_order", {"order_id": "A-1"})
        run = await client.engine.get(Principal("acme", "ada"), result["_meta"]["dragoman/run"])
    assert result["structuredContent"] == run.output == {"id": "A-1", "amount": 12.5}
    schemas.modern("CallToolResult", result)


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_an_older_client_gets_a_result_of_its_version(in_process: Start, version: str, schemas: Any) -> None:
    async with in_process() as client:
        response = await client.older("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}, version=version)
    result = response["result"]
    assert result["content"] == [{"type": "text", "text": "3.0"}]
    assert "resultType" not in result
    schemas.older("CallToolResult", result)


@pytest.mark.requirement("tools.sanitize-outputs")
async def test_a_run_that_fails_or_refuses_is_a_tool_error_without_a_trace(in_process: Start) -> None:
    async with in_process() as client:
        failed = await client.call("fail", {"politely": False})
        refused = await client.call("fail", {"politely": True})
    assert [failed["isError"], refused["isError"]] == [True, True]
    assert failed["content"][0]["text"] == "the bank is closed"
    assert "not on a Sunday" in refused["content"][0]["text"]
    assert "Traceback" not in str(failed) + str(refused)


@pytest.mark.requirement("base.error-codes-gone", "caching.access", "resources.listed", "resources.not-found")
async def test_artifacts_come_with_the_result_and_are_read_by_their_uri(in_process: Start, schemas: Any) -> None:
    async with in_process(embed_limit=100) as client:
        result = await client.call("report")
        _, text, image, link = result["content"]
        read = (await client.modern("resources/read", {"uri": link["uri"]}))["result"]
        other = Principal("evil", "eve")
        unseen = await client.modern("resources/read", {"uri": link["uri"]}, principal=other)
        older = await client.older("resources/read", {"uri": "dragoman://runs/none/artifacts/none"})
        templates = (await client.modern("resources/templates/list"))["result"]
        listed = (await client.modern("resources/list"))["result"]
    assert text["resource"]["text"] == "# All is well"
    assert image["type"] == "image"
    assert link["type"] == "resource_link"
    assert read["contents"][0]["blob"]
    assert unseen["error"]["code"] == -32602
    assert older["error"]["code"] == -32002
    schemas.modern("CallToolResult", result)
    schemas.modern("ReadResourceResult", read)
    schemas.modern("ListResourceTemplatesResult", templates)
    schemas.modern("ListResourcesResult", listed)


@pytest.mark.requirement("progress.rises", "progress.token")
async def test_progress_goes_out_under_the_clients_token_and_rises(
    in_process: Start, recorded: Any, schemas: Any
) -> None:
    async with in_process() as client:
        result = await client.call("count", {"to": 3}, channel=recorded, meta={"progressToken": "p"})
    assert result["structuredContent"] == {"result": 3}
    assert [m["params"]["progress"] for m in recorded.sent] == [1, 2, 3]
    assert {m["params"]["progressToken"] for m in recorded.sent} == {"p"}
    for message in recorded.sent:
        schemas.modern("ProgressNotification", message)


@pytest.mark.requirement("progress.active-token")
async def test_without_a_token_no_progress_is_sent(in_process: Start, recorded: Any) -> None:
    async with in_process() as client:
        await client.call("count", {"to": 3}, channel=recorded)
    assert recorded.sent == []
    assert not recorded.opened


async def test_a_call_with_a_key_that_was_used_before_meets_the_first_run(in_process: Start) -> None:
    async with in_process() as client:
        key = {"dragoman/idempotencyKey": "once"}
        results = [await client.call("add", {"a": 1, "b": 2}, meta=key) for _ in range(2)]
        other = await client.call("add", {"a": 2, "b": 2}, meta=key)
    runs = [r["_meta"]["dragoman/run"] for r in (*results, other)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.requirement("base.explicit-state")
async def test_a_call_that_outlasts_its_wait_is_answered_with_a_handle_that_run_status_takes(
    in_process: Start, recorded: Any, schemas: Any
) -> None:
    gate = Gate()
    async with in_process(gate.agent(), inline_wait=0.01, call_wait=0.05) as client:
        handle = await client.call("gated", channel=recorded)
        assert recorded.opened
        assert handle["structuredContent"]["status"] == "running"
        run_id = handle["structuredContent"]["run_id"]
        assert run_id in handle["content"][0]["text"]
        status = await client.call("run_status", {"run_id": run_id, "wait": False})
        gate.open.set()
        ended = await client.call("run_status", {"run_id": run_id})
    assert status["structuredContent"]["status"] == "running"
    assert ended["structuredContent"] == {
        "run_id": run_id,
        "agent": "gated",
        "status": "succeeded",
        "output": "through",
    }
    for result in (handle, status, ended):
        schemas.modern("CallToolResult", result)


@pytest.mark.requirement("base.capabilities-declared")
async def test_a_client_that_cannot_be_asked_gets_a_handle_and_answers_by_a_tool(in_process: Start) -> None:
    async with in_process() as client:
        handle = await client.call("refund", {"order_id": "A", "amount": 500})
        (question,) = handle["structuredContent"]["questions"]
        run_id = handle["structuredContent"]["run_id"]
        wrong = await client.call("run_answer", {"run_id": run_id, "answer": "perhaps"})
        done = await client.call("run_answer", {"run_id": run_id, "answer": "Approve"})
        again = await client.call("run_answer", {"run_id": run_id, "answer": "reject"})
    assert question["message"] == "Refund 500 for A?"
    assert wrong["isError"] is True
    assert "approve" in wrong["content"][0]["text"]
    assert done["structuredContent"]["output"] == "refunded 500"
    assert again["isError"] is True


async def test_run_answer_takes_the_key_where_several_answers_are_due_one_after_the_other(in_process: Start) -> None:
    async with in_process() as client:
        handle = await client.call("ship", {"order_id": "A"})
        run_id = handle["structuredContent"]["run_id"]
        address = {"street": "Main", "speed": "fast"}
        second = await client.call("run_answer", {"run_id": run_id, "answer": address, "question": "address"})
        done = await client.call("run_answer", {"run_id": run_id, "answer": "ring twice"})
    assert [q["key"] for q in second["structuredContent"]["questions"]] == ["note"]
    assert done["structuredContent"]["output"] == {"to": "Main", "speed": "fast", "note": "ring twice"}


async def test_run_cancel_stops_a_run_and_one_that_has_ended_stays_as_it_is(in_process: Start) -> None:
    gate = Gate()
    async with in_process(gate.agent(), inline_wait=0.01, call_wait=0.02) as client:
        handle = await client.call("gated")
        run_id = handle["structuredContent"]["run_id"]
        cancelled = [await client.call("run_cancel", {"run_id": run_id, "reason": "enough"}) for _ in range(2)]
    assert [c["structuredContent"]["status"] for c in cancelled] == ["cancelled", "cancelled"]


@pytest.mark.requirement("tools.validate-inputs")
@pytest.mark.parametrize(
    ("name", "arguments", "named"),
    [
        ("run_status", {}, "run_id"),
        ("run_status", {"run_id": 7}, "run_id"),
        ("run_status", {"run_id": "none", "wait": "yes"}, "wait"),
        ("run_status", {"run_id": "none"}, "run"),
        ("run_answer", {"run_id": "none"}, "answer"),
        ("run_cancel", {"run_id": "none", "hard": True}, "hard"),
        ("add", {"a": 1}, "b"),
        ("add", {"a": 1, "b": 2, "c": 3}, "c"),
        ("add", {"a": "one", "b": 2}, "a"),
    ],
)
async def test_wrong_arguments_are_a_tool_error_that_names_the_field_and_start_no_run(
    in_process: Start, name: str, arguments: dict[str, Any], named: str
) -> None:
    async with in_process() as client:
        result = await client.call(name, arguments)
        page = await client.engine.list_runs(Principal("acme", "ada"))
    assert result["isError"] is True
    assert named in result["content"][0]["text"]
    assert page.items == ()


async def test_companions_can_be_left_out_and_an_agent_cannot_take_the_name_of_one(in_process: Start) -> None:
    @agent(name="run_status", description="Mine")
    async def mine(ctx: Context) -> str:
        return "mine"

    async with in_process(mine, companions=False) as client:
        assert (await client.call("run_status"))["structuredContent"] == {"result": "mine"}
        assert (await client.modern("tools/call", {"name": "run_cancel"}))["error"]["code"] == -32602
    with pytest.raises(ValueError, match="run_status"):
        async with in_process(mine):
            pass


@pytest.mark.requirement("stdio.silent-after-cancel")
@pytest.mark.parametrize("era", ["modern", "older"])
async def test_cancelling_a_request_by_its_id_cancels_its_run_and_leaves_it_unanswered(
    in_process: Start, era: str, recorded: Any
) -> None:
    gate = Gate()
    async with in_process(gate.agent(), inline_wait=0.01) as client:
        send = client.modern if era == "modern" else client.older
        call = asyncio.create_task(send("tools/call", {"name": "gated"}, channel=recorded, id=9))
        await gate.entered.wait()
        peer = Peer(Principal("acme", "ada"), withdraws="test") if era == "modern" else client.peer()
        await client.kernel.notify(peer, Notification("notifications/cancelled", {"requestId": 9}))
        assert await call == {}
        (view,) = (await client.engine.list_runs(Principal("acme", "ada"))).items
    assert view.run.status is RunStatus.CANCELLED


@pytest.mark.requirement("cancellation.races")
async def test_cancelling_what_is_not_at_work_is_ignored(in_process: Start) -> None:
    async with in_process() as client:
        for id in (1, "x", None, [1]):
            await client.kernel.notify(client.peer(), Notification("notifications/cancelled", {"requestId": id}))
        await client.kernel.notify(client.peer(), Notification("notifications/whatever", {}))
        assert (await client.call("echo", {"text": "hi"}))["isError"] is False


async def test_a_waiter_that_goes_away_leaves_the_run_at_work(in_process: Start, recorded: Any, the_run: Any) -> None:
    gate = Gate()
    async with in_process(gate.agent(), inline_wait=0.01) as client:
        call = asyncio.create_task(client.modern("tools/call", {"name": "gated"}, channel=recorded))
        await gate.entered.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gate.open.set()
        view = await the_run(client.engine, Principal("acme", "ada"))
        run = await client.engine.wait(Principal("acme", "ada"), view.run.id, 10)
    assert run.status is RunStatus.SUCCEEDED
