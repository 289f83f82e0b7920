"""A task over JSON-RPC is a durable run: sent, asked back, answered, listed, cancelled, and only its own caller's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from dragoman.a2a import A2aSettings
from dragoman.agents import Context, InterruptKind, Rejected, agent
from dragoman.memory.model import Principal

from .conftest import House, Open, a_message

pytestmark = pytest.mark.anyio


class Receipt(BaseModel):
    order: str
    paid: float


@agent
async def echo(ctx: Context, text: str) -> str:
    return f"you said {text}"


@agent
async def refunds(ctx: Context, order: str, amount: float) -> Receipt:
    approval = await ctx.approve(f"Refund {amount:g}?", payload={"order": order})
    await ctx.artifact("receipt.txt", f"{order}: {approval.approved}")
    return Receipt(order=order, paid=amount if approval.approved else 0)


@agent
async def asks_twice(ctx: Context) -> str:
    first, second = await ctx.gather(ctx.ask("First?", key="first"), ctx.ask("Second?", key="second"))
    return f"{first} {second}"


@agent
async def works(ctx: Context, text: str) -> str:
    await ctx.progress(1)
    await asyncio.get_running_loop().create_future()
    return "never"


def state(task: dict[str, Any]) -> str:
    return str(task["status"]["state"]).removeprefix("TASK_STATE_")


def texts(message: dict[str, Any]) -> list[str]:
    return [part["text"] for part in message["parts"] if "text" in part]


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


# -- questions --------------------------------------------------------------------------------------------------------
async def test_prose_opens_the_task_and_what_is_missing_is_asked_for(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await house.send("refunds", "I want my money back")
        assert state(task) == "INPUT_REQUIRED"
        asked = task["status"]["message"]
        assert texts(asked) == ["Refunds needs: order, amount."]
        (question,) = asked["parts"][1]["data"]["interrupts"]
        assert question["schema"]["required"] == ["order", "amount"]
        task = await house.send("refunds", {"data": {"order": "o1", "amount": 5}}, taskId=task["id"])
        assert texts(task["status"]["message"]) == ["Refund 5?"]
        (question,) = task["status"]["message"]["parts"][1]["data"]["interrupts"]
        assert (question["kind"], question["payload"]) == ("approval", {"order": "o1"})
        task = await house.send("refunds", "yes, with pleasure", taskId=task["id"])
        assert state(task) == "COMPLETED"
        assert [m["role"] for m in task["history"]] == ["ROLE_USER", "ROLE_AGENT"] * 2 + ["ROLE_USER"]


ANSWERS = [
    ({"data": {"approved": True}},),
    ({"data": {"approval": {"approved": True}}},),
    ("approve",),
    ("Yes",),
    ({"data": {"approved": True, "comment": "fine"}}, "a text beside the data"),
]


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_approval_is_given_as_data_by_key_or_in_a_word(open_house: Open, answer: tuple[Any, ...]) -> None:
    async with open_house(refunds) as house:
        task = await house.send("refunds", {"data": {"order": "o1", "amount": 5}})
        task = await house.send("refunds", *answer, taskId=task["id"])
        assert task["artifacts"][1]["parts"][0]["data"]["paid"] == 5.0


async def test_a_question_is_answered_by_its_id_too(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await house.send("refunds", {"data": {"order": "o1", "amount": 5}})
        view = await house.engine.view(house.caller, task["id"])
        (question,) = view.open_interrupts
        task = await house.send("refunds", {"data": {question.id: {"approved": False}}}, taskId=task["id"])
        assert task["artifacts"][1]["parts"][0]["data"]["paid"] == 0


async def test_a_value_that_has_a_field_named_as_the_question_is_the_whole_answer(open_house: Open) -> None:
    class Sized(BaseModel):
        size: str

    @agent
    async def wears(ctx: Context) -> str:
        sized = await ctx.interrupt("Which size?", schema=Sized, key="size")
        assert isinstance(sized, Sized)
        return sized.size

    async with open_house(wears) as house:
        task = await house.send("wears", {"data": {}})
        task = await house.send("wears", {"data": {"size": "M"}}, taskId=task["id"])
        assert task["artifacts"][0]["parts"] == [{"text": "M"}]


async def test_several_questions_are_answered_by_key_in_one_message_or_in_turn(open_house: Open) -> None:
    async with open_house(asks_twice) as house:
        task = await house.send("asks_twice", {"data": {}})
        assert texts(task["status"]["message"]) == ["First?\nSecond?"]
        done = await house.send("asks_twice", {"data": {"first": "a", "second": "b"}}, taskId=task["id"])
        assert done["artifacts"][0]["parts"] == [{"text": "a b"}]

        task = await house.send("asks_twice", {"data": {}})
        left = await house.send("asks_twice", {"data": {"second": "d"}}, taskId=task["id"])
        assert texts(left["status"]["message"]) == ["First?"]
        done = await house.send("asks_twice", "c", taskId=task["id"])
        assert done["artifacts"][0]["parts"] == [{"text": "c d"}]


async def test_a_task_that_needs_authorization_says_so(open_house: Open) -> None:
    @agent
    async def reads_mail(ctx: Context) -> str:
        return str(await ctx.interrupt("Sign in.", kind=InterruptKind.AUTH, payload={"url": "https://id.example"}))

    async with open_house(reads_mail) as house:
        task = await house.send("reads_mail", {"data": {}})
        assert state(task) == "AUTH_REQUIRED"
        assert state(await house.send("reads_mail", "signed in", taskId=task["id"])) == "COMPLETED"


async def test_a_follow_up_needs_the_task_alone_and_its_context_if_given_must_fit(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await house.send("refunds", {"data": {"order": "o1", "amount": 5}})
        wrong = {"message": a_message("yes", taskId=task["id"], contextId="another")}
        error = await house.error("refunds", "SendMessage", wrong)
        assert error["code"] == -32602
        assert error["data"][1]["fieldViolations"][0]["field"] == "message.contextId"
        fits = await house.send("refunds", "yes", taskId=task["id"], contextId=task["contextId"])
        assert fits["contextId"] == task["contextId"]
        assert state(fits) == "COMPLETED"


async def test_a_question_answered_elsewhere_goes_on_here(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await house.send("refunds", {"data": {"order": "o1", "amount": 5}})
        await house.engine.answer(house.caller, task["id"], {"approval": {"approved": True}})
        await house.engine.wait(house.caller, task["id"])
        assert state(await house.result("refunds", "GetTask", {"id": task["id"]})) == "COMPLETED"


async def test_a_task_opened_elsewhere_is_a_task_here(open_house: Open) -> None:
    from dragoman.engine import RunRequest

    async with open_house(refunds) as house:
        run = await house.engine.run(house.caller, RunRequest("refunds", input={"order": "o1", "amount": 5}))
        task = await house.result("refunds", "GetTask", {"id": run.id})
        assert state(task) == "INPUT_REQUIRED"
        assert task["history"][0]["parts"][0]["data"] == {"order": "o1", "amount": 5}
        assert state(await house.send("refunds", "no", taskId=run.id)) == "COMPLETED"


# -- what is refused --------------------------------------------------------------------------------------------------
async def waiting_task(house: House) -> dict[str, Any]:
    return await house.send("refunds", {"data": {"order": "o1", "amount": 5}})


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
            assert error["message"] == f"There is no task '{named}' of this agent."
            assert error["data"][0]["reason"] == "TASK_NOT_FOUND"
        assert state(await house.result("refunds", "GetTask", {"id": task["id"]})) == "INPUT_REQUIRED"
        assert await house.runs() == 1


async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await waiting_task(house)
        wrong = {"message": a_message({"data": {"approved": "perhaps"}}, taskId=task["id"])}
        error = await house.error("refunds", "SendMessage", wrong)
        assert error["code"] == -32602
        assert error["data"][1]["fieldViolations"][0]["field"] == "approved"
        vague = {"message": a_message("perhaps", taskId=task["id"])}
        assert "Refund 5?" in (await house.error("refunds", "SendMessage", vague))["message"]
        assert await house.result("refunds", "GetTask", {"id": task["id"]}) == task


async def test_an_answer_given_already_is_refused(open_house: Open) -> None:
    async with open_house(asks_twice) as house:
        task = await house.send("asks_twice", {"data": {}})
        await house.send("asks_twice", {"data": {"first": "a"}}, taskId=task["id"])
        again = {"message": a_message({"data": {"first": "b", "second": "c"}}, taskId=task["id"])}
        told = await house.call("asks_twice", "SendMessage", again)
        assert told["error"]["code"] == -32602
        one = await house.send("asks_twice", "c", taskId=task["id"])
        assert one["artifacts"][0]["parts"] == [{"text": "a c"}]
        error = await house.error("asks_twice", "SendMessage", {"message": a_message("d", taskId=task["id"])})
        assert error["code"] == -32004


async def test_prose_does_not_answer_several_questions_at_once(open_house: Open) -> None:
    async with open_house(asks_twice) as house:
        task = await house.send("asks_twice", {"data": {}})
        for part in ("yes", {"data": "yes"}):
            error = await house.error("asks_twice", "SendMessage", {"message": a_message(part, taskId=task["id"])})
            assert error["code"] == -32602
            assert "'first'" in error["message"]
            assert "'second'" in error["message"]


async def test_a_cancelled_task_is_not_cancelled_again(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await waiting_task(house)
        assert state(await house.result("refunds", "CancelTask", {"id": task["id"]})) == "CANCELED"
        assert (await house.error("refunds", "CancelTask", {"id": task["id"]}))["code"] == -32002


# -- lists ------------------------------------------------------------------------------------------------------------
async def listed(house: House, agent: str = "refunds", **params: Any) -> list[str]:
    return [task["id"] for task in (await house.result(agent, "ListTasks", params))["tasks"]]


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


async def test_artifacts_and_history_are_listed_as_asked_for(open_house: Open) -> None:
    async with open_house(echo) as house:
        await house.send("echo", "hi")
        (task,) = (await house.result("echo", "ListTasks"))["tasks"]
        assert "artifacts" not in task
        (task,) = (await house.result("echo", "ListTasks", {"includeArtifacts": True, "historyLength": 0}))["tasks"]
        assert task["artifacts"][0]["parts"] == [{"text": "you said hi"}]
        assert "history" not in task


async def test_lists_show_nothing_of_another_tenant(open_house: Open) -> None:
    async with open_house(echo) as house:
        await house.send("echo", "hi")
        page = await house.result("echo", "ListTasks", headers={"x-caller": "umbrella/eve"})
        assert page == {"tasks": [], "nextPageToken": "", "pageSize": 50, "totalSize": 0}


# -- what the card says is not there ----------------------------------------------------------------------------------
@pytest.mark.parametrize("verb", ["Create", "Get", "Delete"])
async def test_push_notifications_are_not_supported(open_house: Open, verb: str) -> None:
    async with open_house(echo) as house:
        params = {"taskId": "r1", "id": "c1", "url": "https://hooks.example"}
        error = await house.error("echo", f"{verb}TaskPushNotificationConfig", params)
        assert (error["code"], error["data"][0]["reason"]) == (-32003, "PUSH_NOTIFICATION_NOT_SUPPORTED")
        error = await house.error("echo", "ListTaskPushNotificationConfigs", {"taskId": "r1"})
        assert error["code"] == -32003


async def test_there_is_no_extended_card(open_house: Open) -> None:
    async with open_house(echo) as house:
        assert (await house.error("echo", "GetExtendedAgentCard"))["code"] == -32004
