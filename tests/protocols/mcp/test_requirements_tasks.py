"""What the tasks extension demands and its other tests do not show by the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from dragoman.engine import RunRequest
from dragoman.memory.model import Principal

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
CALLER = Principal("acme", "ada")
REFUND = {"order_id": "A", "amount": 500}


@pytest.mark.requirement("tasks.declared-only", "versioning.extension-fallback")
async def test_no_task_is_made_for_a_client_that_did_not_declare_them_on_this_very_request(in_process: Start) -> None:
    async with in_process(inline_wait=0.01, call_wait=0.02) as client:
        declared = await client.call("slow", {"seconds": 0.3}, tasks=True)
        after = await client.call("slow", {"seconds": 0.3})
    assert declared["resultType"] == "task"
    assert after["resultType"] == "complete"
    assert "taskId" not in after


@pytest.mark.requirement("tasks.result-type-alone")
async def test_only_a_call_of_a_tool_becomes_a_task(in_process: Start) -> None:
    async with in_process(inline_wait=0.0) as client:
        run = await client.engine.run(CALLER, RunRequest("echo", {"text": "x"}))
        for method in ("server/discover", "tools/list", "resources/list", "tasks/get", "tasks/update", "tasks/cancel"):
            params: dict[str, Any] = {"taskId": run.id, "inputResponses": {}}
            assert (await client.modern(method, params, tasks=True))["result"]["resultType"] == "complete"


@pytest.mark.requirement("tasks.get-all-requests")
async def test_all_open_questions_of_a_task_are_shown(in_process: Start) -> None:
    async with in_process() as client:
        task = (await client.call("ship", {"order_id": "A"}, tasks=True, elicits=True))["taskId"]
        view = await client.engine.view(CALLER, task)
        shown = (await client.modern("tasks/get", {"taskId": task}, tasks=True, elicits=True))["result"]
    assert shown["status"] == "input_required"
    assert list(shown["inputRequests"]) == [i.key for i in view.open_interrupts]


@pytest.mark.requirement("tasks.cancel-acknowledged", "tasks.cancel-result-type", "tasks.get-cancelled")
async def test_a_cancelled_task_has_neither_result_nor_error(in_process: Start, schemas: Any) -> None:
    async with in_process() as client:
        task = (await client.call("refund", REFUND, tasks=True, elicits=True))["taskId"]
        acknowledged = (await client.modern("tasks/cancel", {"taskId": task}, tasks=True))["result"]
        seen = (await client.modern("tasks/get", {"taskId": task}, tasks=True))["result"]
    assert set(acknowledged) == {"resultType", "_meta"}
    assert seen["status"] == "cancelled"
    assert seen.keys() & {"result", "error", "inputRequests"} == set()
    schemas.tasks("CancelTaskResult", acknowledged)
    schemas.tasks("GetTaskResult", seen)


@pytest.mark.requirement("tasks.ids-unguessable")
async def test_ids_of_tasks_share_no_run_of_bits_that_could_be_counted_up(in_process: Start) -> None:
    async with in_process(inline_wait=0.0) as client:
        ids = [(await client.call("slow", {"seconds": 0.0}, tasks=True)) for _ in range(20)]
        random_parts = {(r.get("taskId") or r["_meta"]["dragoman/run"]).replace("-", "")[-16:] for r in ids}
    assert len(random_parts) == 20
    assert len({int(part, 16) >> 32 & 0x3FFFFFFF for part in random_parts}) == 20


@pytest.mark.requirement("tasks.no-progress")
async def test_a_task_is_told_no_progress(in_process: Start, recorded: Any) -> None:
    async with in_process(inline_wait=0.0) as client:
        task = await client.call("count", {"to": 3}, tasks=True, channel=recorded, meta={"progressToken": "t"})
        run = task.get("taskId") or task["_meta"]["dragoman/run"]
        await client.engine.wait(CALLER, run, 10)
    assert recorded.sent == []
