"""Deliveries and the runs that owe them: restarts, several receivers, bounds, and what is added or replaced."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.engine import RunRequest
from dragoman.memory.model import Principal

from .outboxes import QUICK, Serve, asks, is_done, owed, request, says, serving, state, texts
from .receiver import Answer, receiver

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """``async with serve(agent, settings) as engine``: each time over the same file, as a restart would be."""
    return serving(tmp_path)


async def test_a_waiting_runs_delivery_holds_no_task_and_goes_on_with_the_run(serve: Serve, caller: Principal) -> None:
    async with serve(asks) as engine, receiver() as there:
        run = await engine.run(caller, request("asks", there.url))
        await there.wait(2)
        await state(engine, run, until=lambda _: engine.outbox.at_work == 0)
        (question,) = (await engine.view(caller, run.id)).open_interrupts
        await engine.answer(caller, run.id, {question.key: "yes"})
        assert texts(await there.wait(3)) == ["before", "run.waiting", "run.succeeded"]


async def test_a_delivery_of_an_earlier_process_goes_on_with_its_run(serve: Serve, caller: Principal) -> None:
    async with receiver() as there:
        async with serve(asks) as engine:
            run = await engine.run(caller, request("asks", there.url))
            await there.wait(2)
            await state(engine, run, until=lambda _: engine.outbox.at_work == 0)
        async with serve(asks) as engine:
            (question,) = (await engine.view(caller, run.id)).open_interrupts
            await engine.answer(caller, run.id, {question.key: "yes"})
            assert texts(await there.wait(3)) == ["before", "run.waiting", "run.succeeded"]


async def test_what_was_under_way_at_a_stop_is_sent_after_the_restart(serve: Serve, caller: Principal) -> None:
    async with receiver(lambda n: Answer(pause=60 if n == 1 else 0)) as there:
        async with serve(says) as engine:
            run = await engine.run(caller, request("says", there.url, words=["a", "b"]))
            await there.wait(2)
        async with serve(says) as engine:
            got = await there.wait(4)
            assert texts(got) == ["a", "b", "b", "run.succeeded"]
            assert got[1].id == got[2].id
            await state(engine, run, until=is_done)


async def test_deliveries_of_a_kind_that_nobody_knows_wait_until_somebody_does(serve: Serve, caller: Principal) -> None:
    async with receiver() as there:
        async with serve(says, kinds=False) as engine:
            await engine.run(caller, request("says", there.url, words=["a"]))
        assert there.connections == 0
        async with serve(says):
            assert texts(await there.wait(2)) == ["a", "run.succeeded"]


async def test_requests_at_once_are_bounded_in_all_and_for_a_host(serve: Serve, caller: Principal) -> None:
    settings = replace(QUICK, concurrency=4, per_host=2, linger=0.0)
    async with serve(says, settings=settings) as engine, receiver(Answer(pause=0.02)) as one, receiver() as two:
        for _ in range(10):
            await engine.run(caller, request("says", one.url, words=["a"]))
        quick = await engine.run(caller, request("says", two.url, words=["a"]))
        await state(engine, quick, until=is_done)
        assert len(one.got) < 20  # the slow host did not keep the other from its turn
        await one.wait(20)
        assert one.most <= 2
        assert engine.outbox.at_work <= 4


async def test_one_that_waits_for_news_gives_its_place_to_another(serve: Serve, caller: Principal) -> None:
    settings = replace(QUICK, concurrency=1, linger=60.0)
    async with serve(says, asks, settings=settings) as engine, receiver() as one, receiver() as two:
        await engine.run(caller, request("asks", one.url))
        await one.wait(2)
        await engine.run(caller, request("says", two.url, words=["a"]))
        assert texts(await two.wait(2)) == ["a", "run.succeeded"]


async def test_each_of_several_receivers_has_all_of_it_whatever_the_others_do(serve: Serve, caller: Principal) -> None:
    async with serve(says) as engine, receiver() as well, receiver(Answer(500)) as ill:
        deliveries = [owed(well.url, "well"), owed(ill.url, "ill")]
        await engine.run(caller, RunRequest("says", {"words": ["a"]}, deliveries=deliveries))
        assert texts(await well.wait(2)) == ["a", "run.succeeded"]
        assert texts(await ill.wait(2)) == ["a", "a"]


async def test_a_delivery_added_to_a_run_is_told_what_comes_then(serve: Serve, caller: Principal) -> None:
    async with serve(asks) as engine, receiver() as there:
        run = await engine.run(caller, RunRequest("asks"))
        seen = (await engine.events(caller, run.thread_id, run_id=run.id))[-1].seq
        await engine.outbox.add(replace(owed(there.url), tenant=run.tenant, run_id=run.id, after=seen))
        (question,) = (await engine.view(caller, run.id)).open_interrupts
        await engine.answer(caller, run.id, {question.key: "yes"})
        assert texts(await there.wait(1)) == ["run.succeeded"]


async def test_a_dropped_delivery_is_told_nothing_more(serve: Serve, caller: Principal) -> None:
    async with serve(asks) as engine, receiver() as there, receiver() as other:
        run = await engine.run(caller, RunRequest("asks", deliveries=[owed(there.url), owed(other.url, "other")]))
        await there.wait(2)
        assert await engine.outbox.drop(run.tenant, run.id, "d")
        assert not await engine.outbox.drop(run.tenant, run.id, "d")
        (question,) = (await engine.view(caller, run.id)).open_interrupts
        await engine.answer(caller, run.id, {question.key: "yes"})
        await other.wait(3)
        assert len(there.got) == 2


async def test_a_replaced_delivery_goes_on_at_its_new_address(serve: Serve, caller: Principal) -> None:
    async with serve(asks) as engine, receiver() as old, receiver() as new:
        run = await engine.run(caller, request("asks", old.url))
        await old.wait(2)
        await state(engine, run, until=lambda _: engine.outbox.at_work == 0)
        await engine.outbox.add(replace(owed(new.url), tenant=run.tenant, run_id=run.id))
        (question,) = (await engine.view(caller, run.id)).open_interrupts
        await engine.answer(caller, run.id, {question.key: "yes"})
        assert texts(await new.wait(1)) == ["run.succeeded"]


async def test_a_forgotten_run_is_told_no_more(serve: Serve, caller: Principal) -> None:
    async with serve(says) as engine, receiver(Answer(500)) as there:
        run = await engine.run(caller, request("says", there.url, words=["a"]))
        await there.wait(1)
        await engine.delete_run(caller, run.id)
        while engine.outbox.at_work or await engine.ledger.next_delivery(["plain"]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # nobody is told that nothing more is sent


async def test_a_resent_request_adds_no_delivery(serve: Serve, caller: Principal) -> None:
    async with serve(says) as engine, receiver() as there:
        asked = replace(request("says", there.url, words=[]), idempotency_key="once")
        first = await engine.run(caller, asked)
        again = await engine.run(caller, replace(asked, deliveries=[owed(there.url, "other")]))
        assert first.id == again.id
        assert [each.id for each in (await engine.ledger.deliveries(first.tenant, first.id)).items] == ["d"]
