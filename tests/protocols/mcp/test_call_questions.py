"""Questions on the way of a call: in the round-trips of the modern era, and by elicitation in the older one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.mcp.call import Peer
from dragoman.mcp.jsonrpc import Reply
from dragoman.memory.model import Principal, RunStatus

from .gates import Start

pytestmark = pytest.mark.anyio


async def _answer(client: Any, result: dict[str, Any], name: str, arguments: dict[str, Any], content: Any) -> Any:
    """The retry that MRTR asks for, with the same content for each question."""
    responses = {key: {"action": "accept", "content": content} for key in result["inputRequests"]}
    params = {"name": name, "arguments": arguments}
    retry = {**params, "inputResponses": responses, "requestState": result["requestState"]}
    return await client.modern("tools/call", retry, elicits=True)


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
