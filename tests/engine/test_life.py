"""Runs are cancelled, timed out, queued, refused and handed back; nothing is left running and nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.agents import Context, Rejected, agent
from dragoman.engine import EngineSettings, RunRequest, SlowSubscriber
from dragoman.memory.errors import AgentNotFound, InputInvalid, LedgerBusy, QueueFull, RunEnded, ThreadNotFound
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
    assert "0.05 s" in run.failure.message


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


async def test_the_same_idempotency_key_gives_the_same_run(start: Start, caller: Principal) -> None:
    async with start(echo) as engine:
        runs = await asyncio.gather(
            *(engine.run(caller, RunRequest("echo", text="x", idempotency_key="k")) for _ in range(50))
        )
        assert len({r.id for r in runs}) == 1
        assert {r.output for r in runs} == {"x"}
        assert len((await engine.list_runs(caller)).items) == 1


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
