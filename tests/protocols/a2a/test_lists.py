"""ListTasks: one's own tasks, the latest status first, filtered and paged."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import House, Open
from .served import echo, refunds, waiting_task

pytestmark = pytest.mark.anyio


async def listed(house: House, agent: str = "refunds", **params: Any) -> list[str]:
    return [task["id"] for task in (await house.result(agent, "ListTasks", params))["tasks"]]


@pytest.mark.requirement("a2a.list.order")
async def test_tasks_are_listed_with_the_latest_status_first(open_house: Open) -> None:
    async with open_house(echo, refunds) as house:
        a, b, c = [(await waiting_task(house))["id"] for _ in range(3)]
        await house.send("echo", "of another agent")
        assert await listed(house) == [c, b, a]
        await house.send("refunds", "yes", taskId=a)
        assert await listed(house) == [a, c, b]
        await house.result("refunds", "CancelTask", {"id": b})
        assert await listed(house) == [b, a, c]


async def test_lists_are_filtered(open_house: Open) -> None:
    async with open_house(refunds) as house:
        data = {"data": {"order": "o1", "amount": 5}}
        a, b = await house.send("refunds", data, contextId="one"), await house.send("refunds", data, contextId="two")
        a = await house.send("refunds", "yes", taskId=a["id"])
        assert await listed(house, contextId="two") == [b["id"]]
        assert await listed(house, contextId="three") == []
        assert await listed(house, status="TASK_STATE_COMPLETED") == [a["id"]]
        assert await listed(house, status="TASK_STATE_INPUT_REQUIRED") == [b["id"]]
        for none in ("AUTH_REQUIRED", "WORKING", "SUBMITTED", "FAILED", "REJECTED", "CANCELED"):
            assert await listed(house, status=f"TASK_STATE_{none}") == []
        assert await listed(house, statusTimestampAfter=a["status"]["timestamp"]) == [a["id"]]
        assert await listed(house, statusTimestampAfter="2999-01-01T00:00:00Z") == []


@pytest.mark.requirement("a2a.list.cursor")
async def test_lists_are_paged_without_loss_or_repetition(open_house: Open) -> None:
    async with open_house(refunds) as house:
        ids = {(await waiting_task(house))["id"] for _ in range(7)}
        seen: list[str] = []
        token = ""
        while True:
            page = await house.result("refunds", "ListTasks", {"pageSize": 3, "pageToken": token})
            assert (page["pageSize"], page["totalSize"]) == (3, 7)
            seen += [task["id"] for task in page["tasks"]]
            token = page["nextPageToken"]
            if not token:
                break
        assert len(seen) == 7
        assert set(seen) == ids
        error = await house.error("refunds", "ListTasks", {"pageToken": "made up"})
        assert (error["code"], error["data"][1]["fieldViolations"][0]["field"]) == (-32602, "pageToken")


@pytest.mark.requirement("a2a.list.no-artifacts")
async def test_artifacts_and_history_are_listed_as_asked_for(open_house: Open) -> None:
    async with open_house(echo) as house:
        await house.send("echo", "hi")
        (task,) = (await house.result("echo", "ListTasks"))["tasks"]
        assert "artifacts" not in task
        (task,) = (await house.result("echo", "ListTasks", {"includeArtifacts": True, "historyLength": 0}))["tasks"]
        assert task["artifacts"][0]["parts"] == [{"text": "you said hi"}]
        assert "history" not in task


@pytest.mark.requirement("a2a.list.own", "a2a.scope.results")
async def test_lists_show_nothing_of_another_tenant(open_house: Open) -> None:
    async with open_house(echo) as house:
        await house.send("echo", "hi")
        page = await house.result("echo", "ListTasks", headers={"x-caller": "umbrella/eve"})
        assert page == {"tasks": [], "nextPageToken": "", "pageSize": 50, "totalSize": 0}
