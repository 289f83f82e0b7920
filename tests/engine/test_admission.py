"""How an engine admits runs: bounds of agents, places for other tenants, priorities, versions that nobody drives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import pytest

from dragoman.agents import Agent, Context, agent
from dragoman.engine import Engine, EngineSettings, RunRequest
from dragoman.engine.load import Load
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json, Principal, Run, RunStatus

from .conftest import Start

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]


async def until(engine: Engine, caller: Principal, run: Run, status: RunStatus) -> Run:
    async for event in engine.subscribe(caller, run.thread_id):
        if event.type == f"run.{status}":
            break
    return await engine.get(caller, run.id)


# -- bounds of agents -------------------------------------------------------------------------------------------------


async def test_no_more_runs_of_an_agent_are_at_work_than_it_has_places(start: Start, caller: Principal) -> None:
    now, most = 0, 0
    full, go = asyncio.Event(), asyncio.Event()

    @agent(concurrency=2)
    async def narrow(ctx: Context) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 2:
            full.set()
        await go.wait()
        now -= 1

    @agent
    async def wide(ctx: Context) -> None:
        pass

    async with start(narrow, wide) as engine:
        waiting = [asyncio.create_task(engine.run(caller, RunRequest("narrow"))) for _ in range(7)]
        await full.wait()
        await engine.run(caller, RunRequest("wide"))  # which comes after them, and is taken
        assert now == 2
        go.set()
        runs = await asyncio.gather(*waiting)
    assert {run.status for run in runs} == {RunStatus.SUCCEEDED}
    assert most == 2


async def test_a_run_that_waits_for_a_person_or_sleeps_leaves_its_place(start: Start, caller: Principal) -> None:
    @agent(concurrency=1)
    async def pauses(ctx: Context, how: str) -> str:
        if how == "asks":
            await ctx.ask("Well?")
        elif how == "sleeps":
            await ctx.sleep(3600)
        return how

    async with start(pauses) as engine:
        asks, sleeps = [await engine.accept(caller, RunRequest("pauses", text=how)) for how in ("asks", "sleeps")]
        await until(engine, caller, asks, RunStatus.WAITING)
        assert (await engine.run(caller, RunRequest("pauses", text="goes"))).output == "goes"
        assert (await engine.get(caller, sleeps.id)).wake_at is not None


async def test_a_bounded_agent_may_call_itself(start: Start, caller: Principal) -> None:
    @agent(concurrency=1)
    async def nested(ctx: Context, depth: int) -> int:
        if depth:
            await ctx.call("nested", {"depth": depth - 1})
        return depth

    async with start(nested) as engine:
        assert (await engine.run(caller, RunRequest("nested", {"depth": 3}))).output == 3


async def test_a_tenant_has_no_more_at_work_than_it_may(start: Start, caller: Principal, stranger: Principal) -> None:
    release = asyncio.Event()

    @agent
    async def holds(ctx: Context) -> None:
        await release.wait()

    async with start(holds, settings=EngineSettings(tenant_concurrency=2)) as engine:
        mine = [await engine.accept(caller, RunRequest("holds")) for _ in range(4)]
        theirs = await engine.accept(stranger, RunRequest("holds"))
        assert [run.status for run in mine].count(RunStatus.RUNNING) == 2
        assert theirs.status is RunStatus.RUNNING
        release.set()
        for run in mine:
            assert (await engine.wait(caller, run.id)).ended


# -- places -----------------------------------------------------------------------------------------------------------


async def test_reserved_places_are_for_tenants_that_have_none(
    start: Start, caller: Principal, stranger: Principal
) -> None:
    release = asyncio.Event()

    @agent
    async def holds(ctx: Context) -> None:
        await release.wait()

    async with start(holds, settings=EngineSettings(concurrency=4, reserve=1)) as engine:
        mine = await asyncio.gather(*(engine.accept(caller, RunRequest("holds")) for _ in range(6)))
        theirs = [await engine.accept(stranger, RunRequest("holds")) for _ in range(2)]
        assert [run.status for run in mine].count(RunStatus.RUNNING) == 3
        assert [run.status for run in theirs] == [RunStatus.RUNNING, RunStatus.QUEUED]
        release.set()
        assert all([(await engine.wait(caller, run.id)).ended for run in mine])
        assert all([(await engine.wait(stranger, run.id)).ended for run in theirs])


async def test_who_comes_later_does_not_pass_those_who_wait_for_a_place(start: Start, caller: Principal) -> None:
    order: list[int] = []

    @agent
    async def notes(ctx: Context, n: int) -> None:
        order.append(n)
        await asyncio.sleep(0.002)  # its work

    async with start(notes, settings=EngineSettings(concurrency=1)) as engine:
        runs = [await engine.accept(caller, RunRequest("notes", {"n": n})) for n in range(12)]
        await asyncio.gather(*(engine.wait(caller, run.id) for run in runs))
    assert order == list(range(12))


async def test_a_worker_takes_fewer_while_it_does_not_keep_up() -> None:
    load = Load(64)
    assert (load.most, load.strained) == (64, False)
    load.told(turn=0.3, claim=0.001)
    assert (load.most, load.strained, load.pause) == (32, True, 0.3)
    for _ in range(10):
        load.told(turn=0.0, claim=2.0)
    assert (load.most, load.pause) == (1, 0.5)
    for _ in range(6):
        load.told(turn=0.001, claim=0.01)
    assert (load.most, load.strained, load.pause) == (64, False, 0.0)


# -- priorities -------------------------------------------------------------------------------------------------------


async def test_priorities_come_from_the_request_its_metadata_or_the_agent(start: Start, caller: Principal) -> None:
    order: list[str] = []
    release = asyncio.Event()

    async def note(ctx: Context, name: str) -> None:
        if name == "first":
            await release.wait()
        order.append(name)

    usual, urgent = agent(name="usual")(note), agent(name="urgent", priority=3)(note)

    def asked(
        name: str, by: Agent, metadata: Mapping[str, Json] | None = None, priority: int | None = None
    ) -> RunRequest:
        return RunRequest(by.name, {"name": name}, metadata=metadata or {}, priority=priority)

    async with start(usual, urgent, settings=EngineSettings(concurrency=1)) as engine:
        requests = [
            asked("first", usual),
            asked("low", usual, {"dragoman/priority": -2}),
            asked("usual", usual, {"priority": "whatever it means to them"}),
            asked("of the agent", urgent),
            asked("of the request", urgent, {"dragoman/priority": -10}, priority=5),
            asked("high", usual, {"dragoman/priority": 10}),
        ]
        runs = [await engine.accept(caller, request) for request in requests]
        release.set()
        await asyncio.gather(*(engine.wait(caller, run.id) for run in runs))
    assert order == ["first", "high", "of the request", "of the agent", "usual", "low"]


@pytest.mark.parametrize("priority", [11, -11, "high", 1.0, True])
async def test_a_priority_that_is_none_is_refused(start: Start, caller: Principal, priority: Json) -> None:
    @agent
    async def works(ctx: Context) -> None: ...

    async with start(works) as engine:
        with pytest.raises(InputInvalid, match="dragoman/priority: must be a whole number from -10 to 10"):
            await engine.accept(caller, RunRequest("works", metadata={"dragoman/priority": priority}))


@pytest.mark.parametrize(("field", "value"), [("concurrency", 0), ("priority", 11)])
async def test_an_agent_says_what_it_may_have(field: str, value: int) -> None:
    async def works(ctx: Context) -> None: ...

    with pytest.raises(ValueError, match=field):
        agent(**{field: value})(works)  # type: ignore[call-overload]


# -- versions ---------------------------------------------------------------------------------------------------------


def asker(version: str, *resumes: str) -> Agent:
    @agent(name="asks", version=version, resumes=resumes)
    async def asks(ctx: Context) -> str:
        await ctx.ask("Well?")
        return version

    return asks


async def test_a_run_goes_on_with_its_version_or_with_one_that_says_so(
    start: Start, caller: Principal, caplog: pytest.LogCaptureFixture
) -> None:
    async with start(asker("1.0.0")) as engine:
        run = await engine.run(caller, RunRequest("asks"))
        assert run.status is RunStatus.WAITING
    async with start(asker("2.0.0")) as engine:
        with caplog.at_level(logging.WARNING, "dragoman.engine"):
            await engine.answer(caller, run.id, await answers(engine, caller, run))
            while not engine.presence.undriven:
                await engine.presence.look()
                await asyncio.sleep(0)
            await engine.presence.look()
            held = (await engine.get(caller, run.id)).held
        assert held == "no server drives 'asks' 1.0.0; it is 2.0.0 here."
        assert (await engine.view(caller, run.id)).run.held == held
        [view] = (await engine.list_runs(caller)).items
        assert (view.run.status, view.run.held) == (RunStatus.QUEUED, held)
        assert [waiting.count for waiting in engine.presence.undriven] == [1]
        assert [record.message for record in caplog.records] == [f"1 due runs wait: {held}"]
    async with start(asker("2.1.0", "1.*")) as engine:
        done = await engine.wait(caller, run.id)
        assert (done.status, done.output, done.held) == (RunStatus.SUCCEEDED, "2.1.0", "")


async def answers(engine: Engine, caller: Principal, run: Run) -> dict[str, Json]:
    [question] = (await engine.view(caller, run.id)).open_interrupts
    return {question.key: "yes"}
