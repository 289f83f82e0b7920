"""A short run that only its caller knows of is written once; everything else is opened before it acts."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.agents import Context, agent
from dragoman.engine import RunRequest
from dragoman.memory.errors import LedgerBusy
from dragoman.memory.model import Principal, RunStatus

from .conftest import Start

pytestmark = pytest.mark.anyio


@agent
async def echo(ctx: Context, text: str) -> str:
    return text


async def test_the_same_idempotency_key_gives_the_same_run(start: Start, caller: Principal) -> None:
    async with start(echo) as engine:
        runs = await asyncio.gather(
            *(engine.run(caller, RunRequest("echo", text="x", idempotency_key="k")) for _ in range(50))
        )
        assert len({r.id for r in runs}) == 1
        assert {r.output for r in runs} == {"x"}
        assert len((await engine.list_runs(caller)).items) == 1


async def test_a_short_run_leaves_the_same_log_whether_it_was_opened_late_or_first(
    start: Start, caller: Principal
) -> None:
    logs: list[list[tuple[str, object]]] = []
    threads: list[object] = []
    async with start(echo) as engine:
        late = await engine.run(caller, RunRequest("echo", text="x"))
        first = await engine.accept(caller, RunRequest("echo", text="x"))
        first = await engine.wait(caller, first.id)
        for run in (late, first):
            assert (await engine.get(caller, run.id)) == run
            events = await engine.events(caller, run.thread_id)
            logs.append([(e.type, {**e.data, "message": 0, "messages": 0}) for e in events])
            thread = await engine.thread(caller, run.thread_id)
            threads.append((thread.status, thread.last_seq, [m["content"] for m in thread.values["messages"]]))
    assert logs[0] == logs[1]
    assert threads[0] == threads[1]


async def test_a_run_is_in_the_ledger_before_its_first_step_is_done(start: Start, caller: Principal) -> None:
    seen: list[int] = []

    @agent
    async def works(ctx: Context) -> str:
        async def look() -> None:
            seen.append(len((await engine.list_runs(caller)).items))

        seen.append(len((await engine.list_runs(caller)).items))
        await ctx.step(look)
        return "done"

    async with start(works) as engine:
        run = await engine.run(caller, RunRequest("works"))
    assert run.output == "done"
    assert seen == [0, 1]


async def test_a_run_that_takes_longer_is_opened_for_others_to_see(start: Start, caller: Principal) -> None:
    release = asyncio.Event()

    @agent
    async def slow(ctx: Context) -> str:
        await release.wait()
        return "done"

    async with start(slow) as engine:
        unsettled = await engine.run(caller, RunRequest("slow"), timeout=0.1)
        assert unsettled.status is RunStatus.RUNNING
        assert (await engine.get(caller, unsettled.id)).id == unsettled.id
        release.set()
        assert (await engine.wait(caller, unsettled.id)).output == "done"


async def test_a_late_run_meets_a_submission_with_its_key(start: Start, caller: Principal) -> None:
    begun = 0
    release = asyncio.Event()

    @agent
    async def counts(ctx: Context) -> int:
        nonlocal begun
        begun += 1
        await release.wait()
        return begun

    request = RunRequest("counts", idempotency_key="k")
    async with start(counts) as engine:
        waiting = [asyncio.create_task(engine.run(caller, request)) for _ in range(5)]
        await asyncio.sleep(0)
        accepted = await engine.accept(caller, request)
        release.set()
        runs = await asyncio.gather(*waiting)
        assert {r.id for r in runs} == {accepted.id}
        assert (await engine.run(caller, request)).id == accepted.id
        assert begun == 1


async def test_a_caller_that_leaves_does_not_end_its_late_run(start: Start, caller: Principal) -> None:
    began, release = asyncio.Event(), asyncio.Event()

    @agent
    async def slow(ctx: Context) -> str:
        began.set()
        await release.wait()
        return "done"

    async with start(slow) as engine:
        waiting = asyncio.create_task(engine.run(caller, RunRequest("slow")))
        await began.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        release.set()
        # Nothing tells of a run that nobody knows of yet.
        while not (page := await engine.list_runs(caller)).items:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert (await engine.wait(caller, page.items[0].run.id)).output == "done"


async def test_a_run_that_cannot_be_written_is_told_to_its_caller(start: Start, caller: Principal) -> None:
    async with start(echo) as engine:
        await engine.ledger.close()
        with pytest.raises(LedgerBusy):
            await engine.run(caller, RunRequest("echo", text="x"))


async def test_a_caller_whose_patience_ends_while_its_run_is_being_written_finds_it(
    start: Start, caller: Principal
) -> None:
    async with start(echo) as engine:
        for n in range(200):
            run = await engine.run(caller, RunRequest("echo", text="x"), timeout=n * 1e-5)
            assert (await engine.wait(caller, run.id)).output == "x"
