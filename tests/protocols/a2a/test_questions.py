"""A task asks: in words and as data, and is answered in words or as data, once, and as its schema says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from dragoman.agents import Context, InterruptKind, agent
from dragoman.engine import RunRequest

from .conftest import Open, a_message
from .served import asks_twice, refunds, state, texts, waiting_task

pytestmark = pytest.mark.anyio


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


async def test_what_is_left_to_answer_is_taken_while_the_task_works_with_another_answer(open_house: Open) -> None:
    reached, opened = asyncio.Event(), asyncio.Event()

    async def at_the_gate() -> None:
        reached.set()
        await opened.wait()

    @agent
    async def works_on(ctx: Context) -> str:
        async def first() -> str:
            answer = await ctx.ask("First?", key="first")
            await ctx.step(at_the_gate)
            return answer

        one, other = await asyncio.gather(first(), ctx.ask("Second?", key="second"))
        return f"{one} {other}"

    async with open_house(works_on) as house:
        task = await house.send("works_on", {"data": {}})
        sending = asyncio.create_task(house.send("works_on", {"data": {"first": "a"}}, taskId=task["id"]))
        await reached.wait()
        seen = await house.result("works_on", "GetTask", {"id": task["id"]})
        other = asyncio.create_task(house.send("works_on", "b", taskId=task["id"]))
        async for event in house.engine.subscribe(house.caller, task["contextId"], 0, task["id"]):
            if event.type == "run.resumed" and event.data["keys"] == ["second"]:
                break
        refused = await house.error("works_on", "SendMessage", {"message": a_message("c", taskId=task["id"])})
        opened.set()
        done = [await sending, await other]
    assert (state(seen), "message" in seen["status"]) == ("WORKING", False)
    assert refused["code"] == -32004
    assert [state(told) for told in done] == ["COMPLETED", "COMPLETED"]
    assert done[0]["artifacts"][0]["parts"] == [{"text": "a b"}]


@pytest.mark.requirement("a2a.in-task-auth.state")
async def test_a_task_that_needs_authorization_says_so(open_house: Open) -> None:
    @agent
    async def reads_mail(ctx: Context) -> str:
        return str(await ctx.interrupt("Sign in.", kind=InterruptKind.AUTH, payload={"url": "https://id.example"}))

    async with open_house(reads_mail) as house:
        task = await house.send("reads_mail", {"data": {}})
        assert state(task) == "AUTH_REQUIRED"
        assert state(await house.send("reads_mail", "signed in", taskId=task["id"])) == "COMPLETED"


@pytest.mark.requirement("a2a.multi-turn.inferred", "a2a.multi-turn.mismatch")
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
    async with open_house(refunds) as house:
        run = await house.engine.run(house.caller, RunRequest("refunds", input={"order": "o1", "amount": 5}))
        task = await house.result("refunds", "GetTask", {"id": run.id})
        assert state(task) == "INPUT_REQUIRED"
        assert task["history"][0]["parts"][0]["data"] == {"order": "o1", "amount": 5}
        assert state(await house.send("refunds", "no", taskId=run.id)) == "COMPLETED"


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
        assert told["error"]["code"] == -32004
        assert "'first' is answered already; open questions: 'second'" in told["error"]["message"]
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


async def test_an_answer_that_is_sent_again_meets_the_task_that_it_was_given_to(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await waiting_task(house)
        answer = {"message": a_message("yes", taskId=task["id"])}
        told = await asyncio.gather(*(house.result("refunds", "SendMessage", answer) for _ in range(10)))
        assert {state(one["task"]) for one in told} == {"COMPLETED"}
        assert state((await house.result("refunds", "SendMessage", answer))["task"]) == "COMPLETED"
    async with open_house(refunds) as house:
        assert state((await house.result("refunds", "SendMessage", answer))["task"]) == "COMPLETED"


async def test_of_two_answers_given_at_once_one_is_taken_and_the_other_is_refused(open_house: Open) -> None:
    async with open_house(refunds) as house:
        for _ in range(10):
            task = await waiting_task(house)
            both = [{"message": a_message(word, taskId=task["id"])} for word in ("yes", "no")]
            told = await asyncio.gather(*(house.call("refunds", "SendMessage", one) for one in both))
            refused = [one["error"]["code"] for one in told if "error" in one]
            assert refused == [-32004]
            (done,) = (one["result"]["task"] for one in told if "result" in one)
            paid = done["artifacts"][-1]["parts"][0]["data"]["paid"]
            assert paid == (5 if "result" in told[0] else 0)


async def test_an_answer_that_did_not_fit_may_be_mended_under_its_old_id(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await waiting_task(house)
        message = a_message("perhaps", taskId=task["id"])
        assert (await house.error("refunds", "SendMessage", {"message": message}))["code"] == -32602
        mended = {"message": {**message, "parts": [{"text": "yes"}]}}
        assert state((await house.result("refunds", "SendMessage", mended))["task"]) == "COMPLETED"
