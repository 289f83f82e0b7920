"""Steps are done once, journaled, retried and timed as they were asked to be."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import BaseModel

from dragoman.agents import Context, Retry, StepTimeout, agent, tool
from dragoman.engine import RunRequest
from dragoman.memory.model import Principal, RunStatus, StepStatus

from .conftest import Start

pytestmark = pytest.mark.anyio


class Order(BaseModel):
    id: str
    amount: float


async def test_a_finished_step_is_not_done_again_after_a_wait(start: Start, caller: Principal) -> None:
    calls: list[str] = []

    async def load(order_id: str) -> Order:
        calls.append(order_id)
        return Order(id=order_id, amount=3.5)

    @agent
    async def desk(ctx: Context, order_id: str) -> dict[str, object]:
        order = await ctx.step(load, order_id)
        word = await ctx.ask("Which word?")
        assert isinstance(order, Order)
        return {"order": order.id, "amount": order.amount, "word": word}

    async with start(desk) as engine:
        run = await engine.run(caller, RunRequest("desk", text="A-1"))
        assert run.status is RunStatus.WAITING
    async with start(desk) as engine:
        await engine.answer_text(caller, run.id, "hello")
        run = await engine.wait(caller, run.id)
    assert run.output == {"order": "A-1", "amount": 3.5, "word": "hello"}
    assert calls == ["A-1"]


async def test_parallel_steps_keep_their_names_whatever_their_order_of_ending(start: Start, caller: Principal) -> None:
    release = asyncio.Event()

    async def first(n: int) -> int:
        await release.wait()
        return n

    async def second(n: int) -> int:
        release.set()
        return n

    @agent
    async def both(ctx: Context) -> list[int]:
        return await ctx.gather(ctx.step(first, 1), ctx.step(second, 2), ctx.step(second, 3))

    async with start(both) as engine:
        run = await engine.run(caller, RunRequest("both"))
        steps = {s.key: s.result for s in await engine.steps(caller, run.id)}
    assert run.output == [1, 2, 3]
    assert steps == {"first": 1, "second": 2, "second#2": 3}


async def test_a_failing_step_is_tried_as_often_as_it_was_asked(start: Start, caller: Principal) -> None:
    tries: list[str] = []

    @tool(retry=Retry(attempts=3, wait_initial=0.001, wait_max=0.002, wait_jitter=0.0))
    async def flaky(ctx: Context) -> str:
        tries.append(ctx.idempotency_key)
        if len(tries) < 3:
            raise ConnectionError("not yet")
        return "done"

    @agent
    async def patient(ctx: Context) -> str:
        return await ctx.step(flaky)

    async with start(patient) as engine:
        run = await engine.run(caller, RunRequest("patient"))
        events = [e for e in await engine.events(caller, run.thread_id) if e.type == "step.retried"]
    assert run.output == "done"
    assert tries == [f"{run.id}:flaky"] * 3
    assert [e.data["try"] for e in events] == [2, 3]


async def test_a_step_that_takes_too_long_fails_with_its_name(start: Start, caller: Principal) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    @agent
    async def bounded(ctx: Context) -> str:
        try:
            await ctx.step(never, timeout=0.02)
        except StepTimeout as error:
            return error.message
        return "no time-out"

    async with start(bounded) as engine:
        run = await engine.run(caller, RunRequest("bounded"))
    assert run.output == "The step 'never' took longer than its time-out of 0.02 s."


async def test_a_failure_is_replayed_as_the_error_it_was(start: Start, caller: Principal) -> None:
    calls: list[int] = []

    async def breaks() -> None:
        calls.append(1)
        raise LookupError("gone")

    @agent
    async def careful(ctx: Context) -> str:
        try:
            await ctx.step(breaks)
        except LookupError as error:
            return f"{await ctx.ask('Go on?')} after {error}"
        return "unreachable"

    async with start(careful) as engine:
        run = await engine.run(caller, RunRequest("careful"))
        await engine.answer_text(caller, run.id, "yes")
        run = await engine.wait(caller, run.id)
    assert run.output == "yes after gone"
    assert calls == [1]


async def test_a_journal_that_does_not_fit_the_code_fails_the_run_and_says_how_to_mend_it(
    start: Start, caller: Principal
) -> None:
    seen: list[int] = []

    async def add(n: int) -> int:
        return n

    @agent
    async def drifting(ctx: Context) -> str:
        seen.append(1)
        await ctx.step(add, len(seen))
        return await ctx.ask("?")

    async with start(drifting) as engine:
        run = await engine.run(caller, RunRequest("drifting"))
        await engine.answer_text(caller, run.id, "x")
        run = await engine.wait(caller, run.id)
    assert run.status is RunStatus.FAILED
    assert run.failure is not None
    assert "'add' was journaled with other arguments" in run.failure.message


async def test_a_step_inside_of_a_step_is_refused_by_name(start: Start, caller: Principal) -> None:
    async def inner() -> None: ...

    async def outer(ctx: Context) -> None:
        await ctx.step(inner)

    @agent
    async def nested(ctx: Context) -> None:
        await ctx.step(outer)

    async with start(nested) as engine:
        run = await engine.run(caller, RunRequest("nested"))
    assert run.failure is not None
    assert "inside of the step 'outer'" in run.failure.message


async def test_a_result_that_is_no_json_names_the_step(start: Start, caller: Principal) -> None:
    async def odd():  # type: ignore[no-untyped-def]  # an annotation would make it JSON
        return object()

    @agent
    async def careless(ctx: Context) -> None:
        await ctx.step(odd)  # pyright: ignore[reportUnknownArgumentType]

    async with start(careless) as engine:
        run = await engine.run(caller, RunRequest("careless"))
    assert run.failure is not None
    assert "'odd'" in run.failure.message


async def test_when_one_of_several_steps_fails_the_others_are_cancelled(start: Start, caller: Principal) -> None:
    stopped = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def bad() -> None:
        raise ValueError("bad")

    @agent
    async def together(ctx: Context) -> None:
        await ctx.gather(ctx.step(slow), ctx.step(bad))

    async with start(together) as engine:
        run = await engine.run(caller, RunRequest("together"))
        journal = {s.key: s.status for s in await engine.steps(caller, run.id)}
    assert run.failure is not None
    assert (run.failure.type, run.failure.message) == ("ValueError", "bad")
    assert stopped.is_set()
    assert journal == {"bad": StepStatus.FAILED}
