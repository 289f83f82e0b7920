"""A task over JSON-RPC is a durable run: sent, continued, cancelled, and only its own caller's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman.a2a import A2aSettings
from dragoman.agents import Context, Rejected, agent
from dragoman.memory.model import Principal

from .conftest import Open, a_message
from .served import echo, refunds, state, texts, waiting_task, works

pytestmark = pytest.mark.anyio


# -- sending ----------------------------------------------------------------------------------------------------------
async def test_a_message_becomes_a_task_with_its_result(open_house: Open) -> None:
    async with open_house(echo) as house:
        task = await house.send("echo", "hi", messageId="m-1")
        assert state(task) == "COMPLETED"
        assert task["artifacts"][0]["parts"] == [{"text": "you said hi"}]
        assert task["history"][0]["messageId"] == "m-1"
        assert await house.result("echo", "GetTask", {"id": task["id"]}) == task


async def test_data_is_structured_input_and_the_output_comes_back_as_data_and_as_text(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await house.send("refunds", {"data": {"order": "o1", "amount": 5}})
        assert state(task) == "INPUT_REQUIRED"
        task = await house.send("refunds", {"data": {"approved": True}}, taskId=task["id"])
        receipt, result = task["artifacts"]
        assert receipt["parts"] == [{"text": "o1: True", "filename": "receipt.txt", "mediaType": "text/plain"}]
        assert result["parts"][0]["data"] == {"order": "o1", "paid": 5.0}
        assert result["parts"][1]["text"] == '{"order":"o1","paid":5.0}'


async def test_the_path_may_end_with_a_slash(open_house: Open) -> None:
    async with open_house(echo) as house:
        assert state(await house.send("echo/", "hi")) == "COMPLETED"


async def test_a_message_sent_again_is_the_same_task(open_house: Open) -> None:
    async with open_house(echo) as house:
        message = a_message("hi")
        tasks = await asyncio.gather(*(house.result("echo", "SendMessage", {"message": message}) for _ in range(50)))
        assert len({t["task"]["id"] for t in tasks}) == 1
        assert {state(t["task"]) for t in tasks} == {"COMPLETED"}
        assert await house.runs() == 1


@pytest.mark.parametrize(
    "other",
    [
        {"headers": {"x-caller": "default/bob"}},
        {"headers": {"x-caller": "umbrella/local"}},
        {"agent": "works"},
        {"text": "another text"},
        {"contextId": "elsewhere"},
    ],
)
@pytest.mark.requirement("a2a.task-id.unique")
async def test_the_same_message_id_of_someone_or_something_else_is_another_task(
    open_house: Open, other: dict[str, Any]
) -> None:
    async with open_house(echo, works) as house:
        sent = {"message": a_message("hi", messageId="1"), "configuration": {"returnImmediately": True}}
        first = await house.result("echo", "SendMessage", sent)
        headers, to, text = other.pop("headers", None), other.pop("agent", "echo"), other.pop("text", "hi")
        again = {"message": a_message(text, messageId="1", **other), "configuration": {"returnImmediately": True}}
        second = await house.result(to, "SendMessage", again, headers=headers)
        assert first["task"]["id"] != second["task"]["id"]


@pytest.mark.requirement("a2a.non-blocking")
async def test_return_immediately_answers_before_the_end(open_house: Open) -> None:
    async with open_house(works) as house:
        result = await house.result(
            "works", "SendMessage", {"message": a_message("go"), "configuration": {"returnImmediately": True}}
        )
        assert state(result["task"]) in ("SUBMITTED", "WORKING")
        assert state(await house.result("works", "CancelTask", {"id": result["task"]["id"]})) == "CANCELED"


async def test_a_blocking_message_is_answered_with_the_task_as_it_is_when_the_wait_is_over(open_house: Open) -> None:
    async with open_house(works, settings=A2aSettings(blocking_wait=0.05)) as house:
        task = await house.send("works", "go")
        assert state(task) == "WORKING"


@pytest.mark.parametrize(("length", "kept"), [(None, 3), (0, 0), (1, 1), (9, 3)])
async def test_history_length_bounds_the_history(open_house: Open, length: int | None, kept: int) -> None:
    async with open_house(refunds) as house:
        task = await house.send("refunds", {"data": {"order": "o1", "amount": 5}})
        await house.send("refunds", "yes", taskId=task["id"])
        params = {"id": task["id"]} if length is None else {"id": task["id"], "historyLength": length}
        assert len((await house.result("refunds", "GetTask", params)).get("history", [])) == kept


async def test_metadata_of_a_request_is_metadata_of_its_task(open_house: Open) -> None:
    async with open_house(echo) as house:
        sent = {"message": a_message("hi", metadata={"inner": 1}), "metadata": {"trace": "t"}}
        task = (await house.result("echo", "SendMessage", sent))["task"]
        assert task["metadata"] == {"trace": "t"}
        assert task["history"][0]["metadata"] == {"inner": 1}


@pytest.mark.parametrize(
    ("error", "ends"), [(Rejected("not mine to do"), "REJECTED"), (ValueError("no paper"), "FAILED")]
)
async def test_a_run_that_fails_is_a_task_that_says_why(open_house: Open, error: Exception, ends: str) -> None:
    @agent
    async def fails(ctx: Context) -> str:
        raise error

    async with open_house(fails) as house:
        task = await house.send("fails", {"data": {}})
        assert state(task) == ends
        assert texts(task["status"]["message"]) == [str(error)]


# -- contexts ---------------------------------------------------------------------------------------------------------
async def test_messages_of_one_context_share_a_conversation(open_house: Open) -> None:
    @agent
    async def remembers(ctx: Context, text: str) -> str:
        return " / ".join(str(m["content"]) for m in await ctx.messages())

    async with open_house(remembers) as house:
        first = await house.send("remembers", "one")
        second = await house.send("remembers", "two", contextId=first["contextId"])
        assert second["id"] != first["id"]
        assert second["contextId"] == first["contextId"]
        assert second["artifacts"][0]["parts"] == [{"text": "one / one / two"}]


@pytest.mark.requirement("a2a.context.rejected")
async def test_a_client_may_choose_its_context(open_house: Open) -> None:
    async with open_house(echo) as house:
        assert (await house.send("echo", "hi", contextId="my-context.7"))["contextId"] == "my-context.7"
        assert (await house.send("echo", "ho", contextId="my-context.7"))["contextId"] == "my-context.7"
        assert (await house.engine.thread(house.caller, "my-context.7")).id == "my-context.7"


async def test_a_context_of_another_tenant_is_another_context(open_house: Open) -> None:
    async with open_house(echo) as house:
        await house.send("echo", "secret", contextId="shared")
        stranger = await house.result(
            "echo",
            "SendMessage",
            {"message": a_message("hi", contextId="shared")},
            headers={"x-caller": "umbrella/eve"},
        )
        values = (await house.engine.thread(Principal("umbrella", "eve"), "shared")).values
        assert stranger["task"]["contextId"] == "shared"
        assert "secret" not in str(values)


# -- what is refused --------------------------------------------------------------------------------------------------
@pytest.mark.requirement("a2a.send.ended", "a2a.cancel.terminal")
async def test_a_task_that_has_ended_takes_no_message_and_is_not_cancelled(open_house: Open) -> None:
    async with open_house(echo) as house:
        task = await house.send("echo", "hi")
        error = await house.error("echo", "SendMessage", {"message": a_message("more", taskId=task["id"])})
        assert (error["code"], error["data"][0]["reason"]) == (-32004, "UNSUPPORTED_OPERATION")
        assert task["contextId"] in error["message"]
        error = await house.error("echo", "CancelTask", {"id": task["id"]})
        assert (error["code"], error["data"][0]["reason"]) == (-32002, "TASK_NOT_CANCELABLE")
        error = await house.error("echo", "SubscribeToTask", {"id": task["id"]})
        assert error["code"] == -32004
        assert await house.runs() == 1


async def test_a_task_at_work_takes_no_message(open_house: Open) -> None:
    async with open_house(works, settings=A2aSettings(blocking_wait=0.02)) as house:
        task = await house.send("works", "go")
        error = await house.error("works", "SendMessage", {"message": a_message("more", taskId=task["id"])})
        assert error["code"] == -32004
        assert "without taskId" in error["message"]
        assert await house.runs() == 1


def by_id(task_id: str) -> dict[str, Any]:
    return {"id": task_id}


def by_message(task_id: str) -> dict[str, Any]:
    return {"message": a_message("yes", taskId=task_id)}


CALLS = [
    ("GetTask", by_id),
    ("CancelTask", by_id),
    ("SubscribeToTask", by_id),
    ("SendMessage", by_message),
    ("SendStreamingMessage", by_message),
]


@pytest.mark.parametrize(("method", "params"), CALLS, ids=[name for name, _ in CALLS])
@pytest.mark.requirement(
    "a2a.errors.hidden", "a2a.errors.not-found", "a2a.task-id.known", "a2a.scope.get", "a2a.scope.no-leak"
)
async def test_a_task_that_is_not_ones_own_is_not_found(open_house: Open, method: str, params: Any) -> None:
    async with open_house(echo, refunds) as house:
        task = await waiting_task(house)
        unknown = await house.error("refunds", method, params("01890000-0000-7000-8000-000000000000"))
        others = await house.error("refunds", method, params(task["id"]), headers={"x-caller": "umbrella/eve"})
        elsewhere = await house.error("echo", method, params(task["id"]))
        for error, named in (
            (unknown, "01890000-0000-7000-8000-000000000000"),
            *((e, task["id"]) for e in (others, elsewhere)),
        ):
            assert error["code"] == -32001
            assert error["message"] == f"There is no task '{named}' of this agent (not found)."
            assert error["data"][0]["reason"] == "TASK_NOT_FOUND"
        assert state(await house.result("refunds", "GetTask", {"id": task["id"]})) == "INPUT_REQUIRED"
        assert await house.runs() == 1


async def test_a_cancelled_task_is_not_cancelled_again(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await waiting_task(house)
        assert state(await house.result("refunds", "CancelTask", {"id": task["id"]})) == "CANCELED"
        assert (await house.error("refunds", "CancelTask", {"id": task["id"]}))["code"] == -32002


# -- what the card says is not there ----------------------------------------------------------------------------------
@pytest.mark.requirement("a2a.capability.extended-card")
async def test_there_is_no_extended_card(open_house: Open) -> None:
    async with open_house(echo) as house:
        assert (await house.error("echo", "GetExtendedAgentCard"))["code"] == -32004
