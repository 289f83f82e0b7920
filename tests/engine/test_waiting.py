"""A run waits for people, for time and for its children without holding anything, and goes on with the right answer."""

from __future__ import annotations

import asyncio
import gc

import pytest
from pydantic import BaseModel

from dragoman.agents import ChildFailed, Context, InterruptExpired, agent
from dragoman.engine import Engine, EngineSettings, RunRequest
from dragoman.memory.errors import Conflict, InputInvalid, RunEnded, RunNotFound
from dragoman.memory.model import InterruptKind, Principal, Run, RunStatus

from .conftest import Start

pytestmark = pytest.mark.anyio


class Address(BaseModel):
    street: str
    number: int


async def ended(engine: Engine, caller: Principal, run: Run) -> Run:
    while not run.ended:
        run = await engine.wait(caller, run.id, timeout=10)
    return run


async def test_a_waiting_run_holds_no_task(start: Start, caller: Principal) -> None:
    @agent
    async def asks(ctx: Context) -> str:
        return await ctx.ask("Which?", choices=["a", "b"])

    async with start(asks) as engine:
        before = len(asyncio.all_tasks())
        runs = [await engine.run(caller, RunRequest("asks")) for _ in range(20)]
        gc.collect()
        assert all(r.status is RunStatus.WAITING for r in runs)
        assert len(asyncio.all_tasks()) == before
        assert engine.active == 0


async def test_an_answer_is_checked_against_its_schema_and_given_as_its_type(start: Start, caller: Principal) -> None:
    @agent
    async def ships(ctx: Context) -> str:
        address = await ctx.interrupt("Where to?", schema=Address, key="address")
        assert isinstance(address, Address)
        return f"{address.street} {address.number}"

    async with start(ships) as engine:
        run = await engine.run(caller, RunRequest("ships"))
        with pytest.raises(InputInvalid, match="number"):
            await engine.answer(caller, run.id, {"address": {"street": "Low Road", "number": "ten"}})
        with pytest.raises(InputInvalid, match="never asked 'adress'; open questions: 'address'"):
            await engine.answer(caller, run.id, {"adress": {}})
        assert (await engine.get(caller, run.id)).status is RunStatus.WAITING
        await engine.answer(caller, run.id, {"address": {"street": "Low Road", "number": 10}})
        run = await ended(engine, caller, run)
    assert run.output == "Low Road 10"


async def test_a_question_is_answered_once(start: Start, caller: Principal) -> None:
    @agent
    async def asks(ctx: Context) -> str:
        one = await ctx.ask("One?", key="one")
        two = await ctx.ask("Two?", key="two")
        return one + two

    async with start(asks) as engine:
        run = await engine.run(caller, RunRequest("asks"))
        await engine.answer(caller, run.id, {"one": "1"})
        await engine.wait(caller, run.id)
        with pytest.raises(Conflict, match="'one' is answered already; open questions: 'two'"):
            await engine.answer(caller, run.id, {"one": "again"})
        await engine.answer(caller, run.id, {"two": "2"})
        run = await ended(engine, caller, run)
        assert run.output == "12"
        with pytest.raises(RunEnded):
            await engine.answer(caller, run.id, {"two": "3"})


async def test_several_questions_are_open_at_once_and_each_answer_finds_its_own(
    start: Start, caller: Principal
) -> None:
    @agent
    async def asks(ctx: Context) -> list[str]:
        return await ctx.gather(ctx.ask("A?", key="a"), ctx.ask("B?", key="b"), ctx.ask("C?", key="c"))

    async with start(asks) as engine:
        run = await engine.run(caller, RunRequest("asks"))
        view = await engine.view(caller, run.id)
        assert [i.key for i in view.open_interrupts] == ["a", "b", "c"]
        await engine.answer(caller, run.id, {"b": "bee"})
        run = await engine.wait(caller, run.id)
        assert [i.key for i in (await engine.view(caller, run.id)).open_interrupts] == ["a", "c"]
        await engine.answer(caller, run.id, {"c": "sea", "a": "eh"})
        run = await ended(engine, caller, run)
    assert run.output == ["eh", "bee", "sea"]


async def test_two_answers_to_two_questions_at_the_same_moment_both_count(start: Start, caller: Principal) -> None:
    @agent
    async def asks(ctx: Context) -> list[str]:
        return await ctx.gather(ctx.ask("A?", key="a"), ctx.ask("B?", key="b"))

    async with start(asks) as engine:
        for _ in range(10):
            run = await engine.run(caller, RunRequest("asks"))
            await asyncio.gather(engine.answer(caller, run.id, {"a": "1"}), engine.answer(caller, run.id, {"b": "2"}))
            run = await ended(engine, caller, run)
            assert run.output == ["1", "2"]


async def test_a_question_that_is_left_is_asked_while_the_run_works_with_the_answer_to_another(
    start: Start, caller: Principal
) -> None:
    reached, opened = asyncio.Event(), asyncio.Event()

    async def works() -> str:
        reached.set()
        await opened.wait()
        return "worked"

    @agent
    async def asks(ctx: Context) -> list[str]:
        async def with_a() -> str:
            return await ctx.ask("A?", key="a") + await ctx.step(works)

        return list(await asyncio.gather(with_a(), ctx.ask("B?", key="b")))

    async with start(asks) as engine:
        run = await engine.run(caller, RunRequest("asks"))
        await engine.answer(caller, run.id, {"a": "1"})
        await reached.wait()
        view = await engine.view(caller, run.id)
        assert (view.run.status, [i.key for i in view.open_interrupts]) == (RunStatus.RUNNING, ["b"])
        await engine.answer(caller, run.id, {"b": "2"})
        assert (await engine.view(caller, run.id)).open_interrupts == ()
        opened.set()
        run = await ended(engine, caller, run)
    assert run.output == ["1worked", "2"]


async def test_a_run_that_sleeps_has_given_up_what_it_asked_before(start: Start, caller: Principal) -> None:
    @agent
    async def asks(ctx: Context) -> str:
        if ctx.attempt == 1:
            await ctx.gather(ctx.ask("A?", key="a"), ctx.ask("B?", key="b"))
        await ctx.sleep(3600)
        return "awake"

    async with start(asks, settings=EngineSettings(short_sleep=0.0)) as engine:
        run = await engine.run(caller, RunRequest("asks"))
        await engine.answer(caller, run.id, {"a": "1"})
        async for event in engine.subscribe(caller, run.thread_id, 0, run.id):
            if event.type == "run.asleep":
                break
        view = await engine.view(caller, run.id)
        assert {i.key: i.status for i in view.interrupts} == {"a": "answered", "b": "withdrawn"}
        with pytest.raises(Conflict, match="withdrawn"):
            await engine.answer(caller, run.id, {"b": "2"})


@pytest.mark.parametrize(
    ("said", "approved", "comment"),
    [("yes", True, ""), ("Approve, go ahead", True, "go ahead"), ("no too much", False, "too much")],
)
async def test_prose_answers_an_approval(
    start: Start, caller: Principal, said: str, approved: bool, comment: str
) -> None:
    @agent
    async def asks(ctx: Context) -> dict[str, object]:
        answer = await ctx.approve("Pay?")
        return {"approved": answer.approved, "comment": answer.comment}

    async with start(asks) as engine:
        run = await engine.run(caller, RunRequest("asks"))
        with pytest.raises(InputInvalid, match="does not answer"):
            await engine.answer_text(caller, run.id, "perhaps")
        await engine.answer_text(caller, run.id, said)
        run = await ended(engine, caller, run)
    assert run.output == {"approved": approved, "comment": comment}


async def test_a_question_that_nobody_answers_expires(start: Start, caller: Principal) -> None:
    @agent
    async def asks(ctx: Context) -> str:
        try:
            return await ctx.ask("Anyone?", timeout=0.1)
        except InterruptExpired:
            return "nobody"

    async with start(asks) as engine:
        run = await engine.run(caller, RunRequest("asks"))
        assert run.status is RunStatus.WAITING
        while not run.ended:
            async for _ in engine.subscribe(caller, run.thread_id, 0, run.id, until_ended=True):
                pass
            run = await engine.get(caller, run.id)
    assert run.output == "nobody"


async def test_prose_to_an_agent_with_fields_leads_to_a_question_for_them(start: Start, caller: Principal) -> None:
    @agent
    async def refunds(ctx: Context, order_id: str, amount: float) -> str:
        return f"{order_id}:{amount}"

    async with start(refunds) as engine:
        run = await engine.run(caller, RunRequest("refunds", text="I want my money back"))
        (question,) = (await engine.view(caller, run.id)).open_interrupts
        assert question.kind is InterruptKind.INPUT
        assert set(question.schema["required"]) == {"order_id", "amount"}
        with pytest.raises(InputInvalid, match="amount"):
            await engine.answer(caller, run.id, {"input": {"order_id": "A-1"}})
        await engine.answer(caller, run.id, {"input": {"order_id": "A-1", "amount": 3}})
        run = await ended(engine, caller, run)
    assert run.output == "A-1:3.0"


async def test_a_sleep_outlasts_a_restart_and_holds_nothing(start: Start, caller: Principal) -> None:
    @agent
    async def sleeps(ctx: Context) -> str:
        await ctx.sleep(0.4)
        return "awake"

    settings = EngineSettings(short_sleep=0.0)
    async with start(sleeps, settings=settings) as engine:
        run = await engine.accept(caller, RunRequest("sleeps"))
        async for event in engine.subscribe(caller, run.thread_id, 0, run.id):
            if event.type == "run.asleep":
                break
        run = await engine.wait_here(run)
        assert engine.active == 0
        assert run.status is RunStatus.QUEUED
    async with start(sleeps, settings=settings) as engine:
        run = await ended(engine, caller, run)
    assert run.output == "awake"


async def test_a_child_asks_through_its_parent_and_its_result_comes_back(start: Start, caller: Principal) -> None:
    @agent
    async def child(ctx: Context, what: str) -> str:
        return f"{what}:{await ctx.ask('Colour?', key='colour')}"

    @agent
    async def parent(ctx: Context) -> str:
        return f"<{await ctx.call('child', {'what': 'door'})}>"

    async with start(parent, child) as engine:
        run = await engine.run(caller, RunRequest("parent"))
        assert run.status is RunStatus.WAITING
        (question,) = (await engine.view(caller, run.id)).open_interrupts
        assert question.message == "Colour?"
    async with start(parent, child) as engine:
        await engine.answer(caller, run.id, {question.key: "red"})
        run = await ended(engine, caller, run)
    assert run.output == "<door:red>"


async def test_a_child_that_is_answered_itself_wakes_its_parent(start: Start, caller: Principal) -> None:
    @agent
    async def child(ctx: Context) -> str:
        return await ctx.ask("First?", key="one") + await ctx.ask("Second?", key="two")

    @agent
    async def parent(ctx: Context) -> str:
        return str(await ctx.call("child"))

    async with start(parent, child) as engine:
        run = await engine.run(caller, RunRequest("parent"))
        (below,) = [v.run for v in (await engine.list_runs(caller)).items if v.run.agent == "child"]
        assert below.parent_run_id == run.id
        for key in ("one", "two"):
            await engine.answer(caller, below.id, {key: key})
            below = await engine.wait(caller, below.id)
        run = await ended(engine, caller, run)
    assert run.output == "onetwo"


async def test_a_child_that_fails_raises_in_its_parent(start: Start, caller: Principal) -> None:
    @agent
    async def child(ctx: Context) -> str:
        raise ValueError("broken")

    @agent
    async def parent(ctx: Context) -> str:
        try:
            return str(await ctx.call("child"))
        except ChildFailed as error:
            return error.message

    async with start(parent, child) as engine:
        run = await engine.run(caller, RunRequest("parent"))
    assert run.output == "The agent 'child', called as 'call:child', did not succeed: broken"


async def test_another_tenants_run_is_not_found_whatever_is_asked(
    start: Start, caller: Principal, stranger: Principal
) -> None:
    @agent
    async def asks(ctx: Context) -> str:
        return await ctx.ask("?", key="q")

    async with start(asks) as engine:
        run = await engine.run(caller, RunRequest("asks"))
        with pytest.raises(RunNotFound):
            await engine.get(stranger, run.id)
        with pytest.raises(RunNotFound):
            await engine.answer(stranger, run.id, {"q": "x"})
        with pytest.raises(RunNotFound):
            await engine.cancel(stranger, run.id)
        with pytest.raises(RunNotFound):
            async for _ in engine.subscribe(stranger, run.thread_id, 0, run.id):
                pass
        assert (await engine.list_runs(stranger)).items == ()
        assert (await engine.get(caller, run.id)).status is RunStatus.WAITING
