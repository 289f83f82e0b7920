"""The tasks extension over runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from dragoman.engine import RunRequest
from dragoman.mcp.call import Peer
from dragoman.mcp.jsonrpc import Notification
from dragoman.memory.model import Principal, RunStatus

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
CALLER = Principal("acme", "ada")
REFUND: Mapping[str, Any] = {"order_id": "A", "amount": 500}


async def _get(client: Any, task_id: str, **how: Any) -> dict[str, Any]:
    response = await client.modern("tasks/get", {"taskId": task_id}, tasks=True, **{"elicits": True, **how})
    assert "result" in response, response
    result: dict[str, Any] = response["result"]
    return result


async def test_a_call_that_ends_at_once_is_answered_with_its_result_though_tasks_are_declared(
    in_process: Start,
) -> None:
    async with in_process() as client:
        result = await client.call("echo", {"text": "hi"}, tasks=True)
    assert result["resultType"] == "complete"
    assert result["structuredContent"] == {"result": "hi"}


@pytest.mark.requirement(
    "tasks.consistent",
    "tasks.durable",
    "tasks.get-completed",
    "tasks.get-result-type",
    "tasks.get-status",
    "tasks.get-working",
    "tasks.result-is-the-requests",
    "tasks.result-type",
)
async def test_a_call_that_takes_longer_is_a_task_that_is_there_before_the_answer(
    in_process: Start, schemas: Any
) -> None:
    async with in_process(inline_wait=0.01) as client:
        created = await client.call("slow", {"seconds": 0.2}, tasks=True)
        working = await _get(client, created["taskId"])
        await client.engine.wait(CALLER, created["taskId"], 10)
        completed = await _get(client, created["taskId"])
    assert [created["resultType"], working["resultType"], completed["resultType"]] == ["task", "complete", "complete"]
    assert [created["status"], working["status"], completed["status"]] == ["working", "working", "completed"]
    assert completed["result"]["structuredContent"] == {"result": "at last"}
    schemas.tasks("CreateTaskResult", created)
    schemas.tasks("GetTaskResult", working)
    schemas.tasks("GetTaskResult", completed)
    schemas.modern("CallToolResult", completed["result"])


@pytest.mark.requirement(
    "tasks.get-input-required",
    "tasks.keys-not-reused",
    "tasks.keys-one-meaning",
    "tasks.keys-unique",
    "tasks.update-acknowledged",
    "tasks.update-result-type",
)
async def test_a_task_lives_through_its_questions_each_under_a_key_of_its_own(in_process: Start, schemas: Any) -> None:
    async with in_process() as client:
        task_id = (await client.call("ship", {"order_id": "A"}, tasks=True, elicits=True))["taskId"]
        first = await _get(client, task_id)
        address = {"address": {"action": "accept", "content": {"street": "Main", "speed": "slow"}}}
        stray: dict[str, Any] = {"stray": {"action": "accept", "content": {}}}
        update = {"taskId": task_id, "inputResponses": {**address, **stray}}
        acknowledged = (await client.modern("tasks/update", update, tasks=True))["result"]
        await client.engine.wait(CALLER, task_id, 10)
        second = await _get(client, task_id)
        note = {"note": {"action": "accept", "content": {"answer": "none"}}}
        await client.modern("tasks/update", {"taskId": task_id, "inputResponses": {**address, **note}}, tasks=True)
        await client.engine.wait(CALLER, task_id, 10)
        completed = await _get(client, task_id)
    assert [first["status"], second["status"], completed["status"]] == ["input_required", "input_required", "completed"]
    assert [list(first["inputRequests"]), list(second["inputRequests"])] == [["address"], ["note"]]
    assert "Where to?" in first["statusMessage"]
    assert completed["result"]["structuredContent"]["note"] == "none"
    assert set(acknowledged) == {"resultType", "_meta"}
    schemas.tasks("GetTaskResult", first)
    schemas.tasks("UpdateTaskResult", acknowledged)


@pytest.mark.requirement("mrtr.declared-only")
async def test_a_client_without_elicitation_sees_that_input_is_required_and_no_request_for_it(
    in_process: Start,
) -> None:
    async with in_process() as client:
        task_id = (await client.call("refund", REFUND, tasks=True, elicits=True))["taskId"]
        seen = await _get(client, task_id, elicits=False)
    assert seen["status"] == "input_required"
    assert seen["inputRequests"] == {}
    assert "Refund 500" in seen["statusMessage"]


@pytest.mark.parametrize("others", [{}, {"roots": {"listChanged": True}}, {"sampling": {}}])
async def test_a_call_that_waits_is_answered_with_the_handle_to_a_client_with_tasks_that_cannot_be_asked(
    in_process: Start, others: Mapping[str, Any]
) -> None:
    extensions: dict[str, Any] = {"io.modelcontextprotocol/tasks": {}}
    told: dict[str, Any] = {
        "meta": {"io.modelcontextprotocol/clientCapabilities": {"extensions": extensions, **others}}
    }
    async with in_process() as client:
        handle = await client.call("refund", REFUND, **told)
        answer = {"run_id": handle["structuredContent"]["run_id"], "answer": "approve"}
        done = await client.call("run_answer", answer, **told)
    async with in_process(companions=False) as client:
        without_companions = await client.call("refund", REFUND, **told)
    assert handle["resultType"] == "complete"
    assert handle["structuredContent"]["status"] == "waiting"
    assert done["structuredContent"]["output"] == "refunded 500"
    assert without_companions["resultType"] == "task"


async def test_an_answer_that_does_not_fit_is_refused_and_its_question_stays_open(in_process: Start) -> None:
    async with in_process() as client:
        task_id = (await client.call("ship", {"order_id": "A"}, tasks=True, elicits=True))["taskId"]
        wrong = {"address": {"action": "accept", "content": {"street": "Main", "speed": "warp"}}}
        response = await client.modern("tasks/update", {"taskId": task_id, "inputResponses": wrong}, tasks=True)
        after = await _get(client, task_id)
    assert response["error"]["code"] == -32602
    assert "speed" in response["error"]["message"]
    assert list(after["inputRequests"]) == ["address"]


@pytest.mark.requirement("tasks.update-acknowledged")
@pytest.mark.parametrize("action", ["accept", "decline"])
async def test_answering_what_was_answered_elsewhere_is_acknowledged_and_changes_nothing(
    in_process: Start, action: str
) -> None:
    async with in_process() as client:
        task_id = (await client.call("refund", REFUND, tasks=True, elicits=True))["taskId"]
        await client.engine.answer(CALLER, task_id, {"input": "reject"})
        await client.engine.wait(CALLER, task_id, 10)
        late = {"input": {"action": action, "content": {"answer": "approve"}}}
        response = await client.modern("tasks/update", {"taskId": task_id, "inputResponses": late}, tasks=True)
        seen = await _get(client, task_id)
    assert response["result"]["resultType"] == "complete"
    assert seen["result"]["structuredContent"] == {"result": "declined"}


@pytest.mark.requirement("tasks.failed-is-json-rpc", "tasks.result-is-the-requests", "tasks.tool-error-completed")
async def test_a_failed_run_is_a_completed_task_whose_result_is_an_error(in_process: Start) -> None:
    async with in_process() as client:
        run = await client.engine.run(CALLER, RunRequest("fail", {"politely": False}))
        seen = await _get(client, run.id)
    assert seen["status"] == "completed"
    assert seen["result"]["isError"] is True


@pytest.mark.requirement("tasks.get-cancelled")
async def test_a_cancelled_task_is_told_so_and_cancelling_one_that_has_ended_is_acknowledged(in_process: Start) -> None:
    async with in_process(inline_wait=0.01) as client:
        task_id = (await client.call("slow", {"seconds": 60}, tasks=True))["taskId"]
        answers = [await client.modern("tasks/cancel", {"taskId": task_id}, tasks=True) for _ in range(2)]
        seen = await _get(client, task_id)
    assert all(a["result"]["resultType"] == "complete" for a in answers)
    assert seen["status"] == "cancelled"


@pytest.mark.requirement("cancellation.races", "tasks.cancel-by-request")
async def test_cancelling_the_request_does_not_touch_its_task(in_process: Start) -> None:
    async with in_process(inline_wait=0.01) as client:
        task_id = (await client.call("slow", {"seconds": 0.1}, tasks=True, id=5))["taskId"]
        peer = Peer(CALLER, withdraws="test")
        await client.kernel.notify(peer, Notification("notifications/cancelled", {"requestId": 5}))
        run = await client.engine.wait(CALLER, task_id, 10)
    assert run.status is RunStatus.SUCCEEDED


async def test_a_run_of_another_protocol_is_a_task_by_its_id(in_process: Start) -> None:
    async with in_process() as client:
        run = await client.engine.run(CALLER, RunRequest("echo", text="from elsewhere"))
        seen = await _get(client, run.id)
    assert seen["result"]["structuredContent"] == {"result": "from elsewhere"}


@pytest.mark.requirement("base.explicit-state", "tasks.durable")
async def test_a_task_is_polled_after_a_restart(in_process: Start) -> None:
    async with in_process() as client:
        task_id = (await client.call("refund", REFUND, tasks=True, elicits=True))["taskId"]
    async with in_process() as client:
        seen = await _get(client, task_id)
        responses = {"input": {"action": "accept", "content": {"answer": "approve"}}}
        await client.modern("tasks/update", {"taskId": task_id, "inputResponses": responses}, tasks=True)
        await client.engine.wait(CALLER, task_id, 10)
        done = await _get(client, task_id)
    assert seen["status"] == "input_required"
    assert done["result"]["structuredContent"] == {"result": "refunded 500"}


@pytest.mark.requirement(
    "base.capability-missing",
    "tasks.authorized",
    "tasks.errors",
    "tasks.undeclared-methods",
    "tasks.unknown-id",
    "tools.access",
    "versioning.extension-fallback",
)
@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_a_task_needs_the_capability_and_an_id_that_is_the_callers(in_process: Start, method: str) -> None:
    async with in_process() as client:
        run = await client.engine.run(CALLER, RunRequest("echo", {"text": "mine"}))
        params: dict[str, Any] = {"taskId": run.id, "inputResponses": {}}
        undeclared = await client.modern(method, params)
        stranger = await client.modern(method, params, tasks=True, principal=Principal("evil", "eve"))
        unknown = await client.modern(method, {**params, "taskId": "none"}, tasks=True)
        missing = await client.modern(method, {"inputResponses": {}}, tasks=True)
    assert undeclared["error"]["code"] == -32021
    required: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    assert undeclared["error"]["data"] == {"requiredCapabilities": required}
    assert stranger["error"] == unknown["error"]
    assert unknown["error"]["code"] == missing["error"]["code"] == -32602
    assert "taskId" in missing["error"]["message"]


@pytest.mark.parametrize("responses", [None, [], "yes", {"input": "yes"}, {"input": {"action": "maybe"}}])
async def test_responses_that_are_none_are_refused(in_process: Start, responses: Any) -> None:
    async with in_process() as client:
        task_id = (await client.call("refund", REFUND, tasks=True, elicits=True))["taskId"]
        params = {"taskId": task_id, "inputResponses": responses}
        response = await client.modern("tasks/update", params, tasks=True)
    assert response["error"]["code"] == -32602


async def test_two_answers_at_once_count_once(in_process: Start) -> None:
    async with in_process() as client:
        task_id = (await client.call("refund", REFUND, tasks=True, elicits=True))["taskId"]

        async def update(answer: str) -> Any:
            responses = {"input": {"action": "accept", "content": {"answer": answer}}}
            return await client.modern("tasks/update", {"taskId": task_id, "inputResponses": responses}, tasks=True)

        answers = await asyncio.gather(update("approve"), update("reject"))
        await client.engine.wait(CALLER, task_id, 10)
        seen = await _get(client, task_id)
    assert all("result" in a for a in answers)
    assert seen["result"]["structuredContent"]["result"] in ("refunded 500", "declined")
