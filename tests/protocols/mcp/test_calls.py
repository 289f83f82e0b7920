"""Calls of tools in process: what each kind of client is answered with, and what becomes of the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from dragoman.agents import Agent, Context, agent
from dragoman.mcp.call import Peer
from dragoman.mcp.jsonrpc import Notification, Reply
from dragoman.memory.model import Principal, RunStatus

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]


class Gate:
    """An agent that works until it is let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()

    def agent(self) -> Agent:
        @agent(description="Wait at the gate")
        async def gated(ctx: Context) -> str:
            await ctx.progress(1, 2, "at the gate")
            self.entered.set()
            await self.open.wait()
            return "through"

        return gated


async def _answer(client: Any, result: dict[str, Any], name: str, arguments: dict[str, Any], content: Any) -> Any:
    """The retry that MRTR asks for, with the same content for each question."""
    responses = {key: {"action": "accept", "content": content} for key in result["inputRequests"]}
    params = {"name": name, "arguments": arguments}
    retry = {**params, "inputResponses": responses, "requestState": result["requestState"]}
    return await client.modern("tools/call", retry, elicits=True)


# -- plain calls -------------------------------------------------------------------------------------------------------
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


# -- questions: clients that can do nothing ----------------------------------------------------------------------------
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


# -- questions: multi round-trip ---------------------------------------------------------------------------------------
@pytest.mark.requirement(
    "elicitation.parameters",
    "mrtr.instead-of-requests",
    "mrtr.request-kinds",
    "mrtr.something-asked",
)
async def test_a_modern_client_is_asked_and_its_retry_goes_on_with_the_same_run(
    in_process: Start, schemas: Any
) -> None:
    arguments = {"order_id": "A", "amount": 500}
    async with in_process() as client:
        asked = await client.call("refund", arguments, elicits=True)
        done = await _answer(client, asked, "refund", arguments, {"answer": "approve"})
        page = await client.engine.list_runs(Principal("acme", "ada"))
    assert done["result"]["structuredContent"] == {"result": "refunded 500"}
    assert len(page.items) == 1
    schemas.modern("InputRequiredResult", asked)
    schemas.modern("InputRequests", asked["inputRequests"])


async def test_a_run_may_ask_again_and_each_round_has_its_own_state(in_process: Start) -> None:
    arguments = {"order_id": "A"}
    async with in_process() as client:
        first = await client.call("ship", arguments, elicits=True)
        second = await _answer(client, first, "ship", arguments, {"street": "Main", "speed": "slow"})
        done = await _answer(client, second["result"], "ship", arguments, {"answer": "none"})
    assert list(first["inputRequests"]) == ["address"]
    assert list(second["result"]["inputRequests"]) == ["note"]
    assert done["result"]["structuredContent"]["to"] == "Main"


async def test_an_answer_that_does_not_fit_is_asked_for_again_with_the_reason(in_process: Start) -> None:
    arguments = {"order_id": "A"}
    async with in_process() as client:
        first = await client.call("ship", arguments, elicits=True)
        again = await _answer(client, first, "ship", arguments, {"street": "Main", "speed": "warp"})
    message = again["result"]["inputRequests"]["address"]["params"]["message"]
    assert message.startswith("Where to?")
    assert "speed" in message


async def test_a_retry_without_the_answer_is_asked_again_and_unknown_keys_are_ignored(in_process: Start) -> None:
    params = {"name": "refund", "arguments": {"order_id": "A", "amount": 500}}
    async with in_process() as client:
        asked = await client.call(params["name"], params["arguments"], elicits=True)
        state = {"requestState": asked["requestState"]}
        empty = await client.modern("tools/call", {**params, **state}, elicits=True)
        stray: dict[str, Any] = {"inputResponses": {"stray": {"action": "accept", "content": {}}}}
        other = await client.modern("tools/call", {**params, **state, **stray}, elicits=True)
    assert list(empty["result"]["inputRequests"]) == list(other["result"]["inputRequests"]) == ["input"]


@pytest.mark.requirement("mrtr.single-use")
async def test_a_retry_that_comes_twice_changes_nothing_and_gets_the_same_result(in_process: Start) -> None:
    arguments = {"order_id": "A", "amount": 500}
    async with in_process() as client:
        asked = await client.call("refund", arguments, elicits=True)
        first = await _answer(client, asked, "refund", arguments, {"answer": "approve"})
        second = await _answer(client, asked, "refund", arguments, {"answer": "reject"})
    assert first["result"]["structuredContent"] == second["result"]["structuredContent"] == {"result": "refunded 500"}


async def test_a_retry_is_taken_by_a_server_that_was_started_anew(in_process: Start) -> None:
    arguments = {"order_id": "A", "amount": 500}
    async with in_process() as client:
        asked = await client.call("refund", arguments, elicits=True)
    async with in_process() as client:
        done = await _answer(client, asked, "refund", arguments, {"answer": "reject"})
    assert done["result"]["structuredContent"] == {"result": "declined"}


@pytest.mark.requirement(
    "elicitation.bound",
    "elicitation.state-of-user",
    "elicitation.state-protected",
    "mrtr.state-integrity",
    "mrtr.state-rejected",
    "mrtr.state-untrusted",
    "mrtr.state-validated",
    "sampling.sensitive",
)
@pytest.mark.parametrize("how", ["tampered", "another caller", "other arguments", "another tool", "lapsed"])
async def test_a_state_that_is_not_the_callers_for_this_very_call_is_refused(in_process: Start, how: str) -> None:
    params: dict[str, Any] = {"name": "refund", "arguments": {"order_id": "A", "amount": 500}}
    async with in_process(state_ttl=-1.0 if how == "lapsed" else 60.0) as client:
        asked = await client.call(params["name"], params["arguments"], elicits=True)
        run_id = (await client.engine.list_runs(Principal("acme", "ada"))).items[0].run.id
        state = asked["requestState"]
        retry = {**params, "requestState": state}
        retry["inputResponses"] = {"input": {"action": "accept", "content": {"answer": "approve"}}}
        principal = Principal("acme", "ada")
        if how == "tampered":
            retry["requestState"] = state[:-2] + ("AA" if state[-2:] != "AA" else "BB")
        elif how == "another caller":
            principal = Principal("acme", "bob")
        elif how == "other arguments":
            retry["arguments"] = {"order_id": "A", "amount": 501}
        elif how == "another tool":
            retry["name"] = "delete"
        response = await client.modern("tools/call", retry, elicits=True, principal=principal)
        run = await client.engine.get(Principal("acme", "ada"), run_id)
    assert response["error"]["code"] == -32602
    assert "equestState" in response["error"]["message"]
    assert run.status is RunStatus.WAITING


@pytest.mark.requirement("elicitation.declined")
@pytest.mark.parametrize(
    ("name", "arguments", "action", "status", "told"),
    [
        ("delete", {"thing": "it"}, "decline", RunStatus.SUCCEEDED, {"result": "kept"}),
        ("refund", {"order_id": "A", "amount": 500}, "decline", RunStatus.CANCELLED, None),
        ("refund", {"order_id": "A", "amount": 500}, "cancel", RunStatus.WAITING, None),
    ],
)
async def test_declining_answers_an_approval_or_cancels_the_run_and_dismissing_leaves_it_waiting(
    in_process: Start, name: str, arguments: dict[str, Any], action: str, status: RunStatus, told: Any
) -> None:
    async with in_process() as client:
        asked = await client.call(name, arguments, elicits=True)
        responses = {key: {"action": action} for key in asked["inputRequests"]}
        retry = {
            "name": name,
            "arguments": arguments,
            "requestState": asked["requestState"],
            "inputResponses": responses,
        }
        response = await client.modern("tools/call", retry, elicits=True)
        run = await client.engine.get(Principal("acme", "ada"), response["result"]["_meta"]["dragoman/run"])
    assert run.status is status
    if told is not None:
        assert response["result"]["structuredContent"] == told


@pytest.mark.requirement("elicitation.form-security", "elicitation.no-secrets-by-form", "elicitation.secrets-by-url")
async def test_what_asks_for_authorization_is_never_put_into_a_form(in_process: Start) -> None:
    async with in_process() as client:
        result = await client.call("authorize", elicits=True)
        task = await client.call("authorize", elicits=True, tasks=True)
        got = await client.modern("tasks/get", {"taskId": task["taskId"]}, elicits=True, tasks=True)
    assert result["structuredContent"]["status"] == "waiting"
    assert got["result"]["inputRequests"] == {}


# -- questions: elicitation in the older era ---------------------------------------------------------------------------
async def _elicited(client: Any, channel: Any, count: int, **result: Any) -> None:
    request = await channel.wait_for("elicitation/create", count)
    await client.kernel.reply(client.peer(elicits=True), Reply(request["id"], result, None))


async def test_an_older_client_is_asked_on_the_way_and_the_call_returns_the_result(
    in_process: Start, recorded: Any, schemas: Any
) -> None:
    async with in_process() as client:
        params = {"name": "ship", "arguments": {"order_id": "A"}}
        call = asyncio.create_task(client.older("tools/call", params, elicits=True, channel=recorded))
        await _elicited(client, recorded, 1, action="accept", content={"street": "Main", "speed": "warp"})
        await _elicited(client, recorded, 2, action="accept", content={"street": "Main", "speed": "slow"})
        await _elicited(client, recorded, 3, action="accept", content={"answer": "none"})
        response = await call
    assert response["result"]["structuredContent"] == {"to": "Main", "speed": "slow", "note": "none"}
    asked = [m for m in recorded.sent if m["method"] == "elicitation/create"]
    assert "speed" in asked[1]["params"]["message"]
    for message in asked:
        schemas.older("ElicitRequest", message)


@pytest.mark.parametrize("reply", ["dismissed", "refused"])
async def test_a_question_that_is_put_off_is_answered_later_though_the_call_got_a_handle(
    in_process: Start, recorded: Any, reply: str
) -> None:
    async with in_process() as client:
        params = {"name": "refund", "arguments": {"order_id": "A", "amount": 500}}
        call = asyncio.create_task(client.older("tools/call", params, elicits=True, channel=recorded))
        asked = await recorded.wait_for("elicitation/create")
        result, error = ({"action": "cancel"}, None) if reply == "dismissed" else (None, {"code": -1, "message": "no"})
        await client.kernel.reply(client.peer(elicits=True), Reply(asked["id"], result, error))
        handle = (await call)["result"]
        late = Reply(asked["id"], {"action": "accept", "content": {"answer": "approve"}}, None)
        await client.kernel.reply(client.peer(elicits=True), late)
        done = await client.call("run_status", {"run_id": handle["structuredContent"]["run_id"]})
    assert handle["structuredContent"]["status"] == "waiting"
    assert done["structuredContent"]["output"] == "refunded 500"


async def test_a_reply_is_taken_by_a_server_that_was_started_anew(in_process: Start, recorded: Any) -> None:
    async with in_process(elicit_wait=0.05, call_wait=0.05, inline_wait=0.01) as client:
        params = {"name": "refund", "arguments": {"order_id": "A", "amount": 500}}
        handle = (await client.older("tools/call", params, elicits=True, channel=recorded))["result"]
        asked = await recorded.wait_for("elicitation/create")
    async with in_process() as client:
        reply = Reply(asked["id"], {"action": "accept", "content": {"answer": "approve"}}, None)
        await client.kernel.reply(client.peer(elicits=True), reply)
        await client.kernel.reply(client.peer(elicits=True), reply)  # it comes twice, and is told nothing
        done = await client.call("run_status", {"run_id": handle["structuredContent"]["run_id"]})
    assert done["structuredContent"]["output"] == "refunded 500"


@pytest.mark.requirement("elicitation.bound", "elicitation.state-of-user", "sampling.sensitive")
async def test_a_reply_of_another_tenant_or_to_nothing_is_ignored(in_process: Start, recorded: Any) -> None:
    async with in_process(elicit_wait=0.05, call_wait=0.05, inline_wait=0.01) as client:
        params = {"name": "refund", "arguments": {"order_id": "A", "amount": 500}}
        handle = (await client.older("tools/call", params, elicits=True, channel=recorded))["result"]
        asked = await recorded.wait_for("elicitation/create")
        result = {"action": "accept", "content": {"answer": "approve"}}
        await client.kernel.reply(Peer(Principal("evil", "eve")), Reply(asked["id"], result, None))
        await client.kernel.reply(client.peer(), Reply("stray", result, None))
        run_id = handle["structuredContent"]["run_id"]
        status = await client.call("run_status", {"run_id": run_id, "wait": False})
    assert status["structuredContent"]["status"] == "waiting"


# -- cancellation ------------------------------------------------------------------------------------------------------
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
