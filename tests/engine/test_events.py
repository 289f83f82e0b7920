"""What a run tells: gapless logs, live and replayed; artifacts, values, the store, forks."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.agents import Context, agent
from dragoman.engine import EngineSettings, RunRequest, SlowSubscriber
from dragoman.memory.model import Principal

from .conftest import Start

pytestmark = pytest.mark.anyio


async def test_replay_and_live_events_are_one_gapless_sequence(start: Start, caller: Principal) -> None:
    go = asyncio.Event()

    @agent
    async def talks(ctx: Context) -> str:
        for n in range(50):
            await ctx.stream_text(f"{n} ")
        go.set()
        for n in range(50, 300):
            await ctx.stream_text(f"{n} ")
            await asyncio.sleep(0)
        return "end"

    async with start(talks) as engine:
        run = await engine.accept(caller, RunRequest("talks"))
        await go.wait()
        live = [[e async for e in engine.subscribe(caller, run.thread_id, 0, run.id)] for _ in range(3)]
        replay = [e async for e in engine.subscribe(caller, run.thread_id, 0, run.id)]
        middle = [e async for e in engine.subscribe(caller, run.thread_id, 120, run.id)]
    assert live == [replay] * 3
    assert middle == replay[120:]
    assert [e.seq for e in replay] == list(range(1, len(replay) + 1))
    assert "".join(e.data["text"] for e in replay if e.type == "text") == "".join(f"{n} " for n in range(300))


async def test_what_was_said_before_a_wait_is_not_said_again(start: Start, caller: Principal) -> None:
    @agent
    async def talks(ctx: Context) -> str:
        await ctx.stream_text("before ")
        await ctx.update({"mood": "good"})
        await ctx.artifact("note.txt", "hello")
        answer = await ctx.ask("?")
        await ctx.stream_text("after ")
        return f"{answer} {(await ctx.values())['mood']}"

    async with start(talks) as engine:
        run = await engine.run(caller, RunRequest("talks"))
        await engine.answer_text(caller, run.id, "x")
        run = await engine.wait(caller, run.id)
        events = await engine.events(caller, run.thread_id)
        view = await engine.view(caller, run.id)
    assert run.output == "x good"
    assert [e.data["text"] for e in events if e.type == "text"] == ["before ", "after "]
    assert len([e for e in events if e.type == "artifact"]) == 1
    assert [a.data for a in view.artifacts] == [b"hello"]


async def test_a_subscriber_that_does_not_keep_up_is_cut_off_and_told_where_to_go_on(
    start: Start, caller: Principal
) -> None:
    go = asyncio.Event()

    @agent
    async def talks(ctx: Context) -> None:
        await go.wait()
        for n in range(200):
            await ctx.emit("tick", n)

    async with start(talks, settings=EngineSettings(subscriber_buffer=10)) as engine:
        run = await engine.accept(caller, RunRequest("talks"))
        stream = engine.subscribe(caller, run.thread_id, 0, run.id)
        first = await anext(stream)
        go.set()
        await engine.wait(caller, run.id)
        seen = [first]

        async def read_on() -> None:
            async for event in stream:
                seen.append(event)

        with pytest.raises(SlowSubscriber) as slow:
            await read_on()
        assert slow.value.last_seq == seen[-1].seq
        rest = [e async for e in engine.subscribe(caller, run.thread_id, seen[-1].seq, run.id)]
        assert rest[0].seq == seen[-1].seq + 1
        assert len(engine.hub) == 0


async def test_the_store_is_the_tenants_own_and_reads_are_journaled(
    start: Start, caller: Principal, stranger: Principal
) -> None:
    @agent
    async def remembers(ctx: Context) -> object:
        seen = await ctx.store.get(["notes"], "colour")
        await ctx.ask("?")
        await ctx.store.put(["notes"], "colour", {"is": "red"})
        return [seen, await ctx.store.get(["notes"], "colour")]

    async with start(remembers) as engine:
        run = await engine.run(caller, RunRequest("remembers"))
        await engine.put_item(caller, ["notes"], "colour", {"is": "blue"})
        await engine.answer_text(caller, run.id, "x")
        run = await engine.wait(caller, run.id)
        assert run.output == [None, {"is": "red"}]
        assert await engine.get_item(stranger, ["notes"], "colour") is None


async def test_a_fork_goes_on_from_a_step_with_the_journal_up_to_it(start: Start, caller: Principal) -> None:
    calls: list[str] = []

    async def one() -> str:
        calls.append("one")
        return f"one{len(calls)}"

    async def two() -> str:
        calls.append("two")
        return f"two{len(calls)}"

    @agent
    async def counts(ctx: Context) -> list[str]:
        return [await ctx.step(one), await ctx.step(two)]

    async with start(counts) as engine:
        run = await engine.run(caller, RunRequest("counts"))
        fork = await engine.fork(caller, run.id, 1)
        fork = await engine.wait(caller, fork.id)
    assert run.output == ["one1", "two2"]
    assert fork.output == ["one1", "two3"]
    assert fork.thread_id != run.thread_id
