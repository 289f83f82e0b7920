"""What a run is opened with reaches the agent and is kept; callers pause it; messages are appended once; threads go."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from dragoman.agents import Context, agent
from dragoman.engine import Engine, RunRequest
from dragoman.memory.errors import RunNotFound, ThreadNotFound
from dragoman.memory.model import Principal, Run, RunStatus, ThreadPolicy, ThreadStatus
from dragoman.memory.setup import RunSetup
from dragoman.memory.threads import ThreadTtl

from .conftest import Start

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]

SAID: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "name": "look", "args": {}}]}


@agent
async def tells(ctx: Context) -> dict[str, Any]:
    answer = await ctx.ask("Ready?")
    return {"config": dict(ctx.config), "context": dict(ctx.context), "answer": answer}


@agent
async def two_steps(ctx: Context) -> list[int]:
    async def one() -> int:
        return 1

    async def two() -> int:
        return 2

    return [await ctx.step(one), await ctx.step(two), await ctx.step(two)]


@agent
async def calls(ctx: Context, wait: bool = False) -> list[str]:
    await ctx.append(SAID)
    if wait:
        await asyncio.get_running_loop().create_future()
    await ctx.ask("Go on?")
    await ctx.append({"role": "tool", "content": "seen", "tool_call_id": "c1"})
    return [str(m["role"]) for m in await ctx.messages()]


def open_keys(view: Any) -> list[str]:
    return [i.key for i in view.open_interrupts]


async def gone(engine: Engine, caller: Principal, thread_id: str) -> None:
    """Until a thread is no more; the deadline of the test bounds it."""
    with contextlib.suppress(ThreadNotFound):
        while await engine.thread(caller, thread_id):  # noqa: ASYNC110 -- the sweeper tells nobody
            await asyncio.sleep(0.02)


async def paused_at(engine: Engine, caller: Principal, run: Run) -> list[str]:
    """Let a run go on from its pause; where it pauses next."""
    await engine.answer(caller, run.id, dict.fromkeys(open_keys(await engine.view(caller, run.id))))
    run = await engine.wait(caller, run.id, 10)
    return open_keys(await engine.view(caller, run.id))


async def test_config_and_context_reach_the_agent_after_a_restart_too(start: Start, caller: Principal) -> None:
    setup = RunSetup({"configurable": {"model": "m"}}, {"user": "ada"})
    async with start(tells) as engine:
        run = await engine.run(caller, RunRequest("tells", setup=setup))
        assert run.status is RunStatus.WAITING
    async with start(tells) as engine:
        await engine.answer(caller, run.id, {"input": "yes"})
        run = await engine.wait(caller, run.id, 10)
        assert run.output == {"config": setup.config, "context": setup.context, "answer": "yes"}
        plain = await engine.run(caller, RunRequest("tells"))
        await engine.answer(caller, plain.id, {"input": "yes"})
        plain = await engine.wait(caller, plain.id, 10)
        assert plain.output == {"config": {}, "context": {}, "answer": "yes"}


async def test_a_short_run_keeps_its_setup(start: Start, caller: Principal) -> None:
    @agent
    async def short(ctx: Context) -> Any:
        return dict(ctx.config)

    async with start(short) as engine:
        run = await engine.run(caller, RunRequest("short", setup=RunSetup({"tags": ["a"]})))
        assert run.output == {"tags": ["a"]}
        assert (await engine.get(caller, run.id)).setup == RunSetup({"tags": ["a"]})


async def test_a_run_pauses_before_and_after_the_steps_it_was_told(start: Start, caller: Principal) -> None:
    async with start(two_steps) as engine:
        request = RunRequest("two_steps", setup=RunSetup(pause_before=("two",), pause_after=("one",)))
        run = await engine.run(caller, request)
        assert open_keys(await engine.view(caller, run.id)) == ["pause:after:one"]
        assert await paused_at(engine, caller, run) == ["pause:before:two"]
    async with start(two_steps) as engine:
        assert await paused_at(engine, caller, run) == ["pause:before:two#2"]
        assert await paused_at(engine, caller, run) == []
        assert (await engine.get(caller, run.id)).output == [1, 2, 2]


async def test_any_node_is_the_agent_itself_and_each_step(start: Start, caller: Principal) -> None:
    async with start(two_steps) as engine:
        run = await engine.run(caller, RunRequest("two_steps", setup=RunSetup(pause_before=("*",))))
        found = [open_keys(await engine.view(caller, run.id))]
        while found[-1]:
            found.append(await paused_at(engine, caller, run))
        names = ["two_steps", "one", "two", "two#2"]
        assert found == [*([f"pause:before:{name}"] for name in names), []]
        last = await engine.run(caller, RunRequest("two_steps", setup=RunSetup(pause_after=("two_steps",))))
        assert await paused_at(engine, caller, last) == []
        assert (await engine.get(caller, last.id)).output == [1, 2, 2]


async def test_messages_are_appended_once_in_their_order(start: Start, caller: Principal) -> None:
    async with start(calls) as engine:
        run = await engine.run(caller, RunRequest("calls", text="hello"))
        assert run.status is RunStatus.WAITING
    async with start(calls) as engine:
        await engine.answer(caller, run.id, {"input": "yes"})
        run = await engine.wait(caller, run.id, 10)
        assert run.output == ["user", "assistant", "tool"]
        messages = (await engine.thread(caller, run.thread_id)).values["messages"]
        assert [m["role"] for m in messages] == ["user", "assistant", "tool", "assistant"]
        assert len({m["id"] for m in messages}) == 4


async def test_a_cancelled_run_leaves_no_call_without_a_result(start: Start, caller: Principal) -> None:
    async with start(calls) as engine:
        run = await engine.accept(caller, RunRequest("calls", {"wait": True}, text="hello"))
        async for event in engine.subscribe(caller, run.thread_id):
            if event.type == "values":
                break
        await engine.cancel(caller, run.id)
        messages = (await engine.thread(caller, run.thread_id)).values["messages"]
        assert [m["role"] for m in messages] == ["user", "assistant", "tool"]
        assert messages[-1]["tool_call_id"] == "c1"
        assert "Cancelled" in messages[-1]["content"]


async def test_a_run_rolled_back_is_forgotten_with_what_it_said(start: Start, caller: Principal) -> None:
    async with start(calls) as engine:
        thread = await engine.create_thread(caller, values={"kept": 1})
        run = await engine.accept(caller, RunRequest("calls", {"wait": True}, thread_id=thread.id))
        async for event in engine.subscribe(caller, run.thread_id):
            if event.type == "values":
                break
        assert (await engine.cancel(caller, run.id, rollback=True)).status is RunStatus.CANCELLED
        with pytest.raises(RunNotFound):
            await engine.get(caller, run.id)
        assert (await engine.thread(caller, thread.id)).values == {"kept": 1}


async def test_a_thread_goes_when_its_time_is_over(start: Start, caller: Principal) -> None:
    async with start(two_steps) as engine:
        kept = await engine.create_thread(caller)
        thread = await engine.create_thread(caller, ttl=ThreadTtl(0.2 / 60))
        assert (await engine.thread(caller, thread.id)).id == thread.id
        await gone(engine, caller, thread.id)
        assert (await engine.thread(caller, kept.id)).id == kept.id


async def test_a_thread_whose_time_was_over_while_nobody_served_goes_at_the_start(
    start: Start, caller: Principal
) -> None:
    async with start(two_steps) as engine:
        thread = await engine.create_thread(caller, ttl=ThreadTtl(0.05 / 60))
        await engine.sweeper.stop()
    async with start(two_steps) as engine:
        await gone(engine, caller, thread.id)


async def test_the_thread_of_a_run_to_be_forgotten_stays_for_who_waited(start: Start, caller: Principal) -> None:
    async with start(two_steps) as engine:
        run = await engine.run(caller, RunRequest("two_steps", setup=RunSetup(forget=True)))
        assert (run.status, run.output) == (RunStatus.SUCCEEDED, [1, 2, 2])
        expiry = await engine.thread_expiry(caller, run.thread_id)
        assert expiry is not None
        assert expiry.ttl.minutes == 1


@pytest.mark.parametrize("policy", [ThreadPolicy.INTERRUPT, ThreadPolicy.ROLLBACK])
async def test_a_run_displaced_before_its_first_line_ends_as_any_other(
    start: Start, caller: Principal, policy: ThreadPolicy
) -> None:
    """Submissions that land in one commit: the later ones displace a run whose task has not begun."""
    async with start(two_steps) as engine:
        request = RunRequest("two_steps", thread_id="t", policy=policy)
        runs = await asyncio.gather(*(engine.accept(caller, request) for _ in range(10)))
        assert (await engine.wait(caller, runs[-1].id, 10)).status is RunStatus.SUCCEEDED
        assert (await engine.thread(caller, "t")).status is ThreadStatus.IDLE
