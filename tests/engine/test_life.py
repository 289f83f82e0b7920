"""Runs are cancelled, timed out, queued, refused and handed back; nothing is left running and nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.agents import Context, Rejected, agent
from dragoman.engine import EngineSettings, RunRequest
from dragoman.memory.errors import AgentNotFound, InputInvalid, QueueFull, RunEnded, ThreadNotFound
from dragoman.memory.model import FailureKind, Principal, RunStatus, ThreadPolicy

from .conftest import Start

pytestmark = pytest.mark.anyio


@agent
async def echo(ctx: Context, text: str) -> str:
    return text


async def test_cancellation_reaches_the_coroutine_at_once(start: Start, caller: Principal) -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    @agent
    async def works(ctx: Context) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            assert ctx.cancelled
            stopped.set()

    async with start(works) as engine:
        run = await engine.accept(caller, RunRequest("works"))
        await began.wait()
        run = await engine.cancel(caller, run.id, "enough")
        assert run.status is RunStatus.CANCELLED
        assert stopped.is_set()
        assert (await engine.cancel(caller, run.id)).status is RunStatus.CANCELLED
        types = [e.type for e in await engine.events(caller, run.thread_id)]
    assert types == ["run.queued", "run.started", "run.cancelled"]


async def test_a_waiting_run_is_cancelled_and_its_question_withdrawn(start: Start, caller: Principal) -> None:
    @agent
    async def asks(ctx: Context) -> str:
        return await ctx.ask("?", key="q")

    async with start(asks) as engine:
        run = await engine.run(caller, RunRequest("asks"))
        run = await engine.cancel(caller, run.id)
        assert run.status is RunStatus.CANCELLED
        with pytest.raises(RunEnded):
            await engine.answer(caller, run.id, {"q": "late"})
        ended = await engine.run(caller, RunRequest("asks"))
        await engine.answer(caller, ended.id, {"q": "x"})
        await engine.wait(caller, ended.id)
        with pytest.raises(RunEnded):
            await engine.cancel(caller, ended.id)


async def test_cancelling_a_parent_cancels_its_child(start: Start, caller: Principal) -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    @agent
    async def child(ctx: Context) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    @agent
    async def parent(ctx: Context) -> None:
        await ctx.call("child")

    async with start(parent, child) as engine:
        run = await engine.accept(caller, RunRequest("parent"))
        await began.wait()
        await engine.cancel(caller, run.id)
        await asyncio.wait_for(stopped.wait(), 5)
        (below,) = [v.run for v in (await engine.list_runs(caller)).items if v.run.agent == "child"]
        assert (await engine.wait(caller, below.id)).status is RunStatus.CANCELLED


async def test_a_run_that_takes_too_long_times_out(start: Start, caller: Principal) -> None:
    @agent(timeout=0.05)
    async def forever(ctx: Context) -> None:
        await asyncio.Event().wait()

    async with start(forever) as engine:
        run = await engine.run(caller, RunRequest("forever"))
    assert run.failure is not None
    assert run.failure.kind is FailureKind.TIMEOUT
    assert "time-out" in run.failure.message


async def test_an_agents_refusal_is_a_rejection(start: Start, caller: Principal) -> None:
    @agent
    async def refuses(ctx: Context) -> None:
        raise Rejected("We are closed.")

    async with start(refuses) as engine:
        run = await engine.run(caller, RunRequest("refuses"))
    assert run.failure is not None
    assert (run.failure.kind, run.failure.message) == (FailureKind.REJECTED, "We are closed.")


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        (RunRequest("ecco", text="x"), AgentNotFound, "no agent 'ecco' here; there are: echo"),
        (RunRequest("echo", input={"text": 3}), InputInvalid, "text: Input should be a valid string"),
        (RunRequest("echo", input={"text": "x", "more": 1}), InputInvalid, "more"),
        (RunRequest("echo", input=[1]), InputInvalid, "echo"),
        (RunRequest("echo"), InputInvalid, "text: Field required"),
        (RunRequest("echo", text="x", thread_id="nowhere", create_thread=False), ThreadNotFound, "nowhere"),
    ],
)
async def test_a_request_that_cannot_be_run_leaves_nothing_behind(
    start: Start, caller: Principal, request_: RunRequest, error: type[Exception], says: str
) -> None:
    async with start(echo) as engine:
        with pytest.raises(error, match=says):
            await engine.run(caller, request_)
        assert (await engine.list_runs(caller)).items == ()
        assert await engine.threads(caller) == []


async def test_past_the_queue_limit_submissions_are_refused_with_the_wait_to_expect(
    start: Start, caller: Principal
) -> None:
    release = asyncio.Event()

    @agent
    async def works(ctx: Context) -> str:
        await release.wait()
        return "done"

    async with start(works, settings=EngineSettings(concurrency=2, queue_limit=3)) as engine:
        accepted = [await engine.accept(caller, RunRequest("works")) for _ in range(5)]
        with pytest.raises(QueueFull) as full:
            await engine.accept(caller, RunRequest("works"))
        assert full.value.retry_after > 0
        assert len((await engine.list_runs(caller)).items) == 5
        release.set()
        ended = [await engine.wait(caller, r.id) for r in accepted]
        assert [r.output for r in ended] == ["done"] * 5


async def test_runs_of_a_thread_are_done_one_at_a_time_in_order(start: Start, caller: Principal) -> None:
    at_work: list[str] = []
    order: list[str] = []

    @agent
    async def takes_turns(ctx: Context, text: str) -> str:
        at_work.append(text)
        assert len(at_work) == 1
        await asyncio.sleep(0)
        order.append(text)
        at_work.remove(text)
        return text

    async with start(takes_turns) as engine:
        thread = await engine.create_thread(caller)
        runs = [
            await engine.accept(caller, RunRequest("takes_turns", text=str(n), thread_id=thread.id)) for n in range(20)
        ]
        await asyncio.gather(*(engine.wait(caller, r.id) for r in runs))
        messages = (await engine.thread(caller, thread.id)).values["messages"]
    assert order == [str(n) for n in range(20)]
    assert [m["content"] for m in messages] == [s for n in range(20) for s in (str(n), str(n))]


async def test_a_new_message_may_interrupt_the_run_before_it(start: Start, caller: Principal) -> None:
    began = asyncio.Event()

    @agent
    async def works(ctx: Context, text: str) -> str:
        if text == "first":
            began.set()
            await asyncio.Event().wait()
        return text

    async with start(works) as engine:
        thread = await engine.create_thread(caller)
        first = await engine.accept(caller, RunRequest("works", text="first", thread_id=thread.id))
        await began.wait()
        request = RunRequest("works", text="second", thread_id=thread.id, policy=ThreadPolicy.INTERRUPT)
        second = await engine.run(caller, request)
        assert second.output == "second"
        assert (await engine.get(caller, first.id)).status is RunStatus.CANCELLED


async def test_a_stop_hands_back_what_it_cannot_finish_and_the_next_start_goes_on(
    start: Start, caller: Principal
) -> None:
    began, done = asyncio.Event(), asyncio.Event()
    steps: list[str] = []

    async def once() -> str:
        steps.append("once")
        return "first"

    @agent
    async def works(ctx: Context) -> str:
        await ctx.step(once)
        began.set()
        await done.wait()
        return "done"

    async with start(works) as engine:
        run = await engine.accept(caller, RunRequest("works"))
        await began.wait()
        await engine.stop(grace=0.01)
        assert (await engine.get(caller, run.id)).status is RunStatus.QUEUED
        with pytest.raises(QueueFull, match="stopping"):
            await engine.accept(caller, RunRequest("works"))
    done.set()
    async with start(works) as engine:
        run = await engine.wait(caller, run.id)
    assert run.output == "done"
    assert steps == ["once"]
    assert run.crashes == 0


async def test_a_coroutine_that_ignores_its_cancellation_is_cancelled_all_the_same(
    start: Start, caller: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dragoman.engine.engine as module

    monkeypatch.setattr(module, "_CANCEL_PATIENCE", 0.05)
    began, release = asyncio.Event(), asyncio.Event()

    @agent
    async def stubborn(ctx: Context) -> str:
        began.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "ignored"

    async with start(stubborn) as engine:
        run = await engine.accept(caller, RunRequest("stubborn"))
        await began.wait()
        assert (await engine.cancel(caller, run.id)).status is RunStatus.CANCELLED
        release.set()
        assert (await engine.wait(caller, run.id)).output is None
