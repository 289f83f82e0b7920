"""The extension for a task's generation, after the draft of A2A 1.1: told, waited for, and matched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.a2a import A2aSettings
from dragoman.a2a.asked import GENERATION

from .conftest import Open, a_message
from .served import refunds, state, waiting_task

pytestmark = pytest.mark.anyio

ASKED = {"A2A-Extensions": GENERATION}


def generation(told: dict[str, Any]) -> int:
    number: int = told["metadata"][GENERATION]["generation"]
    return number


async def test_each_update_has_the_next_generation_and_the_task_the_last(open_house: Open) -> None:
    async with open_house(refunds, real=True) as house:
        task_id = (await waiting_task(house))["id"]
        updates = house.stream("refunds", "SubscribeToTask", {"id": task_id}, headers=ASKED)
        first = (await anext(updates))[1]["task"]
        await house.send("refunds", "yes", taskId=task_id)
        told = [generation(next(iter(update.values()))) async for _, update in updates]
        assert told == list(range(generation(first) + 1, generation(first) + 1 + len(told)))
        task = await house.result("refunds", "GetTask", {"id": task_id}, headers=ASKED)
        assert generation(task) == told[-1]


async def test_who_does_not_ask_is_told_none(open_house: Open) -> None:
    async with open_house(refunds) as house:
        assert "metadata" not in await house.result("refunds", "GetTask", {"id": (await waiting_task(house))["id"]})


async def test_getting_a_task_past_a_generation_waits_for_a_later_one_or_until_time_is_over(open_house: Open) -> None:
    async with open_house(refunds, settings=A2aSettings(long_poll=20)) as house:
        task_id = (await waiting_task(house))["id"]
        now = generation(await house.result("refunds", "GetTask", {"id": task_id}, headers=ASKED))
        past: dict[str, Any] = {"id": task_id, "currentGeneration": now}
        waiting = asyncio.ensure_future(house.result("refunds", "GetTask", past, headers=ASKED))
        await house.send("refunds", "yes", taskId=task_id)
        assert generation(await waiting) > now
    async with open_house(refunds, settings=A2aSettings(long_poll=0.05)) as house:
        task_id = (await waiting_task(house))["id"]
        now = generation(await house.result("refunds", "GetTask", {"id": task_id}, headers=ASKED))
        past = {"id": task_id, "currentGeneration": now}
        assert generation(await house.result("refunds", "GetTask", past, headers=ASKED)) == now


async def test_a_message_for_another_generation_is_refused_and_changes_nothing(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task_id = (await waiting_task(house))["id"]
        now = generation(await house.result("refunds", "GetTask", {"id": task_id}, headers=ASKED))
        for expected, code in ((now + 1, -32010), (now - 1, -32010)):
            sent = {
                "message": a_message("yes", taskId=task_id),
                "configuration": {"ifGenerationMatch": expected},
            }
            error = await house.error("refunds", "SendMessage", sent, headers=ASKED)
            assert (error["code"], error["data"][0]["reason"]) == (code, "TASK_GENERATION_MISMATCH")
        sent = {"message": a_message("yes", taskId=task_id), "configuration": {"ifGenerationMatch": now}}
        assert state((await house.result("refunds", "SendMessage", sent, headers=ASKED))["task"]) == "COMPLETED"
