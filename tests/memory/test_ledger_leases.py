"""The contract of leases: claiming, renewing, fencing, and taking back what was lost."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.memory.errors import LeaseLost
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Batch, Change, Lease, Ledger, NewEvent, NewStep
from dragoman.memory.model import FailureKind, RunStatus, StepStatus, ThreadStatus

from .conftest import Reopen
from .helpers import FAR, TENANT, WORKER, ask, change, claim_one, emit, finish_step, start, submit, types

pytestmark = pytest.mark.anyio


async def test_runs_are_claimed_oldest_first_up_to_the_limit(ledger: Ledger) -> None:
    runs = [await submit(ledger) for _ in range(5)]
    first = await ledger.claim(WORKER, 3)
    second = await ledger.claim("worker-2", 3)
    assert [run.id for _, run, _ in (*first, *second)] == [run.id for run in runs]
    for lease, run, events in first:
        assert lease == Lease(TENANT, run.id, run.thread_id, WORKER, 1)
        assert (run.status, run.attempt) == (RunStatus.RUNNING, 1)
        assert [(e.seq, e.type, e.data) for e in events] == [(2, "run.started", {"attempt": 1})]
        assert (await ledger.load(TENANT, run.id)).run == run


async def test_the_queued_runs_of_a_thread_start_one_after_the_other(ledger: Ledger) -> None:
    runs = [await submit(ledger, thread_id="t") for _ in range(3)]
    for run in runs:
        [(lease, claimed, _)] = await ledger.claim(WORKER, 10)
        assert claimed.id == run.id
        await change(ledger, lease, RunStatus.SUCCEEDED)


async def test_two_claims_at_once_never_share_a_run(ledger: Ledger) -> None:
    runs = {(await submit(ledger)).id for _ in range(30)}
    claimed = await asyncio.gather(*(ledger.claim(f"worker-{i}", 4) for i in range(10)))
    ids = [run.id for taken in claimed for _, run, _ in taken]
    assert len(ids) == len(set(ids)) == 30
    assert set(ids) == runs


async def test_a_run_handed_back_is_claimed_again_with_a_higher_attempt(ledger: Ledger) -> None:
    _, lease = await start(ledger)
    back = await change(ledger, lease, RunStatus.QUEUED)
    assert (back.status, back.attempt, back.wake_at) == (RunStatus.QUEUED, 1, None)
    run, again = await claim_one(ledger)
    assert (run.attempt, again.attempt, run.started_at) == (2, 2, back.started_at)
    assert await types(ledger, run.thread_id) == ["run.queued", "run.started", "run.started"]


async def test_a_sleeper_is_claimed_when_its_time_has_come_in_the_order_of_submission(ledger: Ledger) -> None:
    sleeper = await submit(ledger, wake_at=FAR)
    younger = await submit(ledger)
    later = await submit(ledger, wake_at=FAR + 1)
    assert (await ledger.next_due(), await ledger.queue_depth()) == (FAR, 1)
    await ledger.wake(TENANT, sleeper.id)
    due = await ledger.next_due()
    assert due is not None
    assert due <= now_micros()
    assert await ledger.queue_depth() == 2
    assert [run.id for _, run, _ in await ledger.claim(WORKER, 10)] == [sleeper.id, younger.id]
    assert (await ledger.load(TENANT, later.id)).run.status is RunStatus.QUEUED


async def test_an_older_sleeper_holds_back_the_younger_runs_of_its_thread(ledger: Ledger) -> None:
    sleeper = await submit(ledger, thread_id="t", wake_at=FAR)
    await submit(ledger, thread_id="t")
    assert await ledger.claim(WORKER, 10) == []
    await ledger.wake(TENANT, sleeper.id)
    run, _ = await claim_one(ledger)
    assert run.id == sleeper.id
    assert run.wake_at is None


async def test_waking_does_nothing_to_others(ledger: Ledger) -> None:
    sleeper = await submit(ledger, wake_at=FAR)
    _, lease = await start(ledger)
    await ledger.wake("umbrella", sleeper.id)
    await ledger.wake(TENANT, "nobody")
    await ledger.wake(TENANT, lease.run_id)
    assert await ledger.claim(WORKER, 10) == []


async def test_renewing_extends_what_is_held_and_tells_what_is_lost_or_to_be_cancelled(ledger: Ledger) -> None:
    kept, _ = await start(ledger)
    ended, ended_lease = await start(ledger)
    await change(ledger, ended_lease, RunStatus.SUCCEEDED)
    cancelled, _ = await start(ledger)
    await ledger.cancel(TENANT, cancelled.id)
    before = await ledger.next_due()
    renewed = await ledger.renew(WORKER, [kept.id, ended.id, cancelled.id], lease_s=100)
    assert (renewed.lost, renewed.cancel) == ((ended.id,), (cancelled.id,))
    after = await ledger.next_due()
    assert before is not None
    assert after is not None
    assert after > before + 60_000_000
    assert (await ledger.renew("worker-2", [kept.id])).lost == (kept.id,)


async def test_a_run_that_nobody_holds_is_not_renewed(ledger: Ledger) -> None:
    held, _ = await start(ledger)
    orphan = await ledger.claim(WORKER, 1)
    assert orphan == []
    await submit(ledger)
    run, _ = await claim_one(ledger, lease_s=0.0)
    await ledger.renew(WORKER, [held.id])
    assert [swept.id for swept, _ in await ledger.sweep(3)] == [run.id]


async def test_an_overdue_run_goes_back_to_the_queue_and_its_worker_is_fenced(ledger: Ledger) -> None:
    await submit(ledger)
    run, zombie = await claim_one(ledger, lease_s=0.0)
    [(swept, _)] = await ledger.sweep(3)
    assert (swept.id, swept.status, swept.crashes) == (run.id, RunStatus.QUEUED, 1)
    with pytest.raises(LeaseLost):
        await finish_step(ledger, zombie, "pay")
    _, lease = await claim_one(ledger, "worker-2")
    before = await types(ledger, run.thread_id)
    for batch in (
        Batch(events=[NewEvent("late")]),
        Batch(events=[NewEvent("late")], deltas_only=True),
        Batch(steps=[NewStep("pay", StepStatus.FINISHED)]),
        Batch(values={"x": 1}, change=Change(RunStatus.SUCCEEDED)),
    ):
        with pytest.raises(LeaseLost):
            await ledger.commit(zombie, batch)
    assert await types(ledger, run.thread_id) == before
    assert await ledger.journal(TENANT, run.id) == {}
    assert (await finish_step(ledger, lease, "pay")).run.crashes == 0


async def test_a_worker_that_takes_its_own_run_again_is_fenced_from_its_past(ledger: Ledger) -> None:
    await submit(ledger)
    _, old = await claim_one(ledger, lease_s=0.0)
    await ledger.sweep(3)
    run, lease = await claim_one(ledger)
    assert old.worker == lease.worker
    with pytest.raises(LeaseLost):
        await emit(ledger, old, "late")
    await emit(ledger, lease, "note")
    assert (await types(ledger, run.thread_id))[-2:] == ["run.started", "note"]


async def test_a_lease_of_another_worker_or_tenant_is_no_lease(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    for other in (
        Lease(TENANT, run.id, run.thread_id, "worker-2", lease.attempt),
        Lease("umbrella", run.id, run.thread_id, WORKER, lease.attempt),
        Lease(TENANT, run.id, run.thread_id, WORKER, lease.attempt + 1),
    ):
        with pytest.raises(LeaseLost):
            await emit(ledger, other, "note")


async def test_a_run_that_crashes_too_often_without_a_step_between_fails(ledger: Ledger) -> None:
    run = await submit(ledger)
    for crash in (1, 2):
        await claim_one(ledger, lease_s=0.0)
        [(swept, _)] = await ledger.sweep(3)
        assert swept.crashes == crash
    _, lease = await claim_one(ledger, lease_s=0.0)
    await finish_step(ledger, lease, "look")  # progress: the count begins anew
    for _ in range(2):
        assert [swept.status for swept, _ in await ledger.sweep(3)] == [RunStatus.QUEUED]
        await claim_one(ledger, lease_s=0.0)
    [(failed, events)] = await ledger.sweep(3)
    assert failed.status is RunStatus.FAILED
    assert failed.failure is not None
    assert failed.failure.kind is FailureKind.ERROR
    assert "3 times" in failed.failure.message
    assert [e.type for e in events] == ["run.failed"]
    assert events[0].data["message"] == failed.failure.message
    assert (await ledger.thread(TENANT, run.thread_id)).status is ThreadStatus.ERROR


async def test_an_overdue_run_that_was_asked_to_cancel_ends(ledger: Ledger) -> None:
    await submit(ledger)
    run, _ = await claim_one(ledger, lease_s=0.0)
    await ledger.cancel(TENANT, run.id, "no longer needed")
    [(swept, events)] = await ledger.sweep(3)
    assert swept.status is RunStatus.CANCELLED
    assert [(e.type, e.data) for e in events] == [("run.cancelled", {"reason": "no longer needed"})]


async def test_opening_takes_running_runs_back_at_once(ledger: Ledger, reopen: Reopen) -> None:
    run, lease = await start(ledger)
    waiting, waiting_lease = await start(ledger)
    await ask(ledger, waiting_lease, "ok")
    again = await reopen()
    assert [swept.id for swept, _ in await again.sweep(3)] == [run.id]
    with pytest.raises(LeaseLost):
        await emit(again, lease, "note")
    claimed, _ = await claim_one(again)
    assert (claimed.id, claimed.attempt) == (run.id, 2)
    assert (await again.load(TENANT, waiting.id)).run.status is RunStatus.WAITING


async def test_nothing_is_due_in_an_empty_ledger(ledger: Ledger) -> None:
    assert await ledger.next_due() is None
    assert await ledger.queue_depth() == 0
    assert await ledger.sweep(3) == []
    assert await ledger.claim(WORKER, 10) == []
    await ledger.ping()
