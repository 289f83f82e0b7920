"""The contract of signals: questions and answers, cancellation, deletion, and children that wake their parent."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.memory.errors import Conflict, RunEnded, RunNotFound
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Batch, Change, Ledger, NewArtifact
from dragoman.memory.model import InterruptKind, InterruptStatus, RunStatus, ThreadStatus

from .helpers import (
    FAR,
    TENANT,
    WORKER,
    ask,
    change,
    claim_one,
    finish_step,
    question,
    start,
    submission,
    submit,
    types,
)

pytestmark = pytest.mark.anyio


async def statuses(ledger: Ledger, run_id: str) -> dict[str, InterruptStatus]:
    return {i.key: i.status for i in (await ledger.load(TENANT, run_id)).interrupts}


async def test_a_waiting_run_shows_its_questions(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    waiting = await ask(ledger, lease, "a", "b")
    assert (waiting.status, waiting.interrupts, waiting.settled) == (RunStatus.WAITING, 2, True)
    view = await ledger.load(TENANT, run.id)
    first, second = view.open_interrupts
    assert (first.key, first.kind, first.message) == ("a", InterruptKind.APPROVAL, "a?")
    assert (first.schema, first.payload, first.thread_id) == ({"type": "boolean"}, {"about": "a"}, run.thread_id)
    assert first.id != second.id
    event = (await ledger.events(TENANT, run.thread_id))[-1]
    assert event.type == "run.waiting"
    assert event.data["interrupts"][0] == {
        "key": "a",
        "id": first.id,
        "kind": "approval",
        "message": "a?",
        "schema": {"type": "boolean"},
        "payload": {"about": "a"},
    }
    assert (await ledger.thread(TENANT, run.thread_id)).status is ThreadStatus.INTERRUPTED
    assert await ledger.claim(WORKER, 5) == []


async def test_an_answer_puts_the_run_back_into_the_queue(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ask(ledger, lease, "ok")
    resumed, events = await ledger.answer(TENANT, run.id, {"ok": True}, "ada")
    assert resumed.status is RunStatus.QUEUED
    assert [(e.type, e.data) for e in events] == [("run.resumed", {"keys": ["ok"], "by": "ada"})]
    [interrupt] = (await ledger.load(TENANT, run.id)).interrupts
    assert (interrupt.status, interrupt.answer, interrupt.answered_by) == (InterruptStatus.ANSWERED, True, "ada")
    assert interrupt.answered_at is not None
    assert (await ledger.thread(TENANT, run.thread_id)).status is ThreadStatus.BUSY
    again, _ = await claim_one(ledger)
    assert (again.id, again.attempt) == (run.id, 2)


async def test_an_interrupt_is_answered_at_most_once(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ask(ledger, lease, "ok")
    answers = [ledger.answer(TENANT, run.id, {"ok": n}, f"person {n}") for n in range(12)]
    results = await asyncio.gather(*answers, return_exceptions=True)
    refused = [r for r in results if isinstance(r, Conflict)]
    assert len(refused) == 11
    assert all("answered" in e.message for e in refused)
    [winner] = [n for n, r in enumerate(results) if not isinstance(r, BaseException)]
    [interrupt] = (await ledger.load(TENANT, run.id)).interrupts
    assert (interrupt.answer, interrupt.answered_by) == (winner, f"person {winner}")
    assert (await types(ledger, run.thread_id)).count("run.resumed") == 1


async def test_all_keys_are_answered_or_none(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ask(ledger, lease, "a", "b")
    with pytest.raises(Conflict, match="'c'"):
        await ledger.answer(TENANT, run.id, {"a": 1, "c": 2}, "ada")
    assert await statuses(ledger, run.id) == {"a": InterruptStatus.OPEN, "b": InterruptStatus.OPEN}
    assert (await ledger.load(TENANT, run.id)).run.status is RunStatus.WAITING
    with pytest.raises(Conflict):
        await ledger.answer(TENANT, run.id, {}, "ada")


async def test_answering_needs_a_run_that_can_take_it(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    with pytest.raises(RunNotFound):
        await ledger.answer(TENANT, "nobody", {"ok": 1}, "ada")
    with pytest.raises(RunNotFound):
        await ledger.answer("umbrella", run.id, {"ok": 1}, "eve")
    with pytest.raises(Conflict):
        await ledger.answer(TENANT, run.id, {"ok": 1}, "ada")
    await change(ledger, lease, RunStatus.SUCCEEDED)
    with pytest.raises(RunEnded):
        await ledger.answer(TENANT, run.id, {"ok": 1}, "ada")


async def test_a_question_that_is_open_stays_so_while_the_run_works_with_the_answer_to_another(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ask(ledger, lease, "a", "b")
    before = (await ledger.load(TENANT, run.id)).open_interrupts[1]
    await ledger.answer(TENANT, run.id, {"a": 1}, "ada")
    _, lease = await claim_one(ledger)
    assert (await ledger.load(TENANT, run.id)).open_interrupts == (before,)
    await ask(ledger, lease, "b")
    assert (await ledger.load(TENANT, run.id)).open_interrupts == (before,)


async def test_a_question_that_is_not_asked_again_is_withdrawn_and_may_be_asked_later(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ask(ledger, lease, "a", "b")
    await ledger.answer(TENANT, run.id, {"a": 1}, "ada")
    _, lease = await claim_one(ledger)
    await ask(ledger, lease, "c")
    assert await statuses(ledger, run.id) == {"a": "answered", "b": "withdrawn", "c": "open"}
    with pytest.raises(Conflict, match="withdrawn"):
        await ledger.answer(TENANT, run.id, {"b": 1}, "ada")
    await ledger.answer(TENANT, run.id, {"c": 1}, "ada")
    _, lease = await claim_one(ledger)
    await ask(ledger, lease, "b")
    assert [i.key for i in (await ledger.load(TENANT, run.id)).open_interrupts] == ["b"]


async def test_a_run_asleep_that_asks_nothing_withdraws_what_is_open(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ask(ledger, lease, "a", "b")
    await ledger.answer(TENANT, run.id, {"a": 1}, "ada")
    _, lease = await claim_one(ledger)
    asleep = await change(ledger, lease, RunStatus.QUEUED, wake_at=FAR, withdraws=True)
    assert (asleep.status, asleep.wake_at) == (RunStatus.QUEUED, FAR)
    assert await statuses(ledger, run.id) == {"a": "answered", "b": "withdrawn"}


async def test_a_run_that_is_handed_back_or_waits_for_another_run_keeps_what_is_open(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ask(ledger, lease, "a", "b")
    await ledger.answer(TENANT, run.id, {"a": 1}, "ada")
    _, lease = await claim_one(ledger)
    await change(ledger, lease, RunStatus.QUEUED)
    _, lease = await claim_one(ledger)
    await change(ledger, lease, RunStatus.QUEUED, wake_at=FAR)
    assert await statuses(ledger, run.id) == {"a": "answered", "b": "open"}
    awake, _ = await ledger.answer(TENANT, run.id, {"b": 2}, "bob")
    assert awake.wake_at is None


async def test_an_answer_that_comes_while_the_run_is_at_work_is_found_when_it_asks(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ask(ledger, lease, "a", "b")
    await ledger.answer(TENANT, run.id, {"a": 1}, "ada")
    _, lease = await claim_one(ledger)
    at_work, events = await ledger.answer(TENANT, run.id, {"b": 2}, "bob")
    assert at_work.status is RunStatus.RUNNING
    assert [e.type for e in events] == ["run.resumed"]
    parked = await ask(ledger, lease, "b")
    assert parked.status is RunStatus.QUEUED  # there is nothing left to wait for
    assert (await claim_one(ledger))[0].id == run.id


async def test_ending_withdraws_what_is_open(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ledger.commit(lease, Batch(interrupts=[question("a")]))
    await change(ledger, lease, RunStatus.SUCCEEDED)
    assert await statuses(ledger, run.id) == {"a": "withdrawn"}


async def test_an_expired_question_lets_the_run_go_on(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    past, future = now_micros() - 1, FAR
    asked = [question("a", past), question("b", future), question("c")]
    waiting = (await ledger.commit(lease, Batch(interrupts=asked, change=Change(RunStatus.WAITING)))).run
    assert waiting.wake_at == past == await ledger.next_due()
    [(swept, events)] = await ledger.sweep(3)
    assert (swept.id, swept.status, swept.crashes) == (run.id, RunStatus.QUEUED, 0)
    assert [(e.type, e.data["keys"]) for e in events] == [("run.resumed", ["a"])]
    assert await statuses(ledger, run.id) == {"a": "expired", "b": "open", "c": "open"}
    with pytest.raises(Conflict, match="expired"):
        await ledger.answer(TENANT, run.id, {"a": 1}, "ada")
    assert await ledger.sweep(3) == []


async def test_a_run_may_wait_for_an_answer_and_for_a_time(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    due = now_micros() - 1
    await ledger.commit(lease, Batch(interrupts=[question("a")], change=Change(RunStatus.WAITING, wake_at=due)))
    [(swept, events)] = await ledger.sweep(3)
    assert (swept.id, swept.status, events) == (run.id, RunStatus.QUEUED, ())
    assert await statuses(ledger, run.id) == {"a": "open"}


async def test_cancelling_ends_a_queued_and_a_waiting_run_at_once(ledger: Ledger) -> None:
    queued = await submit(ledger)
    waiting, lease = await start(ledger)
    await ask(ledger, lease, "ok")
    for run in (queued, waiting):
        cancelled, events = await ledger.cancel(TENANT, run.id, "changed my mind")
        assert (cancelled.status, cancelled.ended) == (RunStatus.CANCELLED, True)
        assert [(e.type, e.data) for e in events] == [("run.cancelled", {"reason": "changed my mind"})]
        assert (await ledger.thread(TENANT, run.thread_id)).status is ThreadStatus.IDLE
        assert await ledger.cancel(TENANT, run.id) == (cancelled, ())
    assert await statuses(ledger, waiting.id) == {"ok": "withdrawn"}
    assert await ledger.claim(WORKER, 5) == []


async def test_cancelling_a_running_run_asks_it(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    asked, events = await ledger.cancel(TENANT, run.id, "stop")
    assert (asked.status, asked.cancel_requested, events) == (RunStatus.RUNNING, True, ())
    assert (await ledger.cancel(TENANT, run.id, "again"))[0].cancel_requested
    done = await ledger.commit(lease, Batch(change=Change(RunStatus.CANCELLED)))
    assert [(e.type, e.data) for e in done.events] == [("run.cancelled", {"reason": "stop"})]


@pytest.mark.parametrize("pause", [RunStatus.WAITING, RunStatus.QUEUED])
async def test_a_run_that_was_asked_to_cancel_ends_where_it_would_pause(ledger: Ledger, pause: RunStatus) -> None:
    run, lease = await start(ledger)
    await ledger.cancel(TENANT, run.id, "stop")
    asked = [question("ok")] if pause is RunStatus.WAITING else []
    done = await ledger.commit(lease, Batch(interrupts=asked, change=Change(pause, wake_at=FAR)))
    assert done.run.status is RunStatus.CANCELLED
    assert set((await statuses(ledger, run.id)).values()) <= {InterruptStatus.WITHDRAWN}


async def test_cancelling_what_has_ended_or_is_not_there_is_refused(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await change(ledger, lease, RunStatus.SUCCEEDED)
    with pytest.raises(RunEnded):
        await ledger.cancel(TENANT, run.id)
    for tenant, run_id in ((TENANT, "nobody"), ("umbrella", run.id)):
        with pytest.raises(RunNotFound):
            await ledger.cancel(tenant, run_id)


async def test_deleting_a_run_keeps_its_events(ledger: Ledger) -> None:
    run, lease = await start(ledger, idempotency_key="k")
    await finish_step(ledger, lease, "look")
    await ledger.commit(lease, Batch(artifacts=[NewArtifact("a", "a", "text/plain", b"x")]))
    with pytest.raises(Conflict):
        await ledger.delete_run(TENANT, run.id)
    await change(ledger, lease, RunStatus.FAILED)
    with pytest.raises(RunNotFound):
        await ledger.delete_run("umbrella", run.id)
    before = await types(ledger, run.thread_id)
    await ledger.delete_run(TENANT, run.id)
    with pytest.raises(RunNotFound):
        await ledger.load(TENANT, run.id)
    assert await ledger.journal(TENANT, run.id) == {}
    assert await types(ledger, run.thread_id) == before
    assert (await ledger.thread(TENANT, run.thread_id)).status is ThreadStatus.IDLE
    assert (await ledger.submit(submission(idempotency_key="k"))).created


@pytest.mark.parametrize("settled", [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.WAITING])
async def test_a_child_that_settles_wakes_its_sleeping_parent(ledger: Ledger, settled: RunStatus) -> None:
    parent, lease = await start(ledger)
    _, child_lease = await start(ledger, parent_run_id=parent.id)
    await change(ledger, lease, RunStatus.QUEUED, wake_at=FAR)
    assert await ledger.claim(WORKER, 5) == []
    await change(ledger, child_lease, settled)
    assert (await claim_one(ledger))[0].id == parent.id


async def test_a_child_that_ends_wakes_a_parent_that_waits(ledger: Ledger) -> None:
    parent, lease = await start(ledger)
    child, child_lease = await start(ledger, parent_run_id=parent.id)
    await ask(ledger, lease, "ok")
    await change(ledger, child_lease, RunStatus.SUCCEEDED)
    assert (await ledger.thread(TENANT, parent.thread_id)).status is ThreadStatus.BUSY
    run, lease = await claim_one(ledger)
    assert run.id == parent.id
    await ask(ledger, lease, "ok")
    queued = await submit(ledger, parent_run_id=parent.id)
    await ledger.cancel(TENANT, queued.id)
    assert (await claim_one(ledger))[0].id == parent.id
    assert child.parent_run_id == parent.id


async def test_a_child_that_settles_while_its_parent_is_about_to_sleep_is_not_missed(ledger: Ledger) -> None:
    parent, lease = await start(ledger)
    _, child_lease = await start(ledger, parent_run_id=parent.id)
    await change(ledger, child_lease, RunStatus.SUCCEEDED)
    await change(ledger, lease, RunStatus.QUEUED, wake_at=FAR)
    run, lease = await claim_one(ledger)
    assert run.id == parent.id
    asleep = await change(ledger, lease, RunStatus.QUEUED, wake_at=FAR)  # on news that it has by now
    assert asleep.wake_at == FAR
