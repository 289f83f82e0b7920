"""The contract of retention: what is old and needed by nothing goes, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from dragoman.memory.crons import Cron
from dragoman.memory.errors import RunNotFound, ThreadNotFound
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Batch, Change, Ledger, NewArtifact, NewEvent, NewStep, RunFilter
from dragoman.memory.model import Run, RunStatus, StepStatus
from dragoman.memory.outbox import DeliveryStatus, Move, NewDeadLetter, NewDelivery
from dragoman.memory.retention import PURGED, WALKS, Cutoffs
from dragoman.memory.threads import CheckpointNotFound, ThreadFilter

from .conftest import Reopen
from .helpers import FAR, TENANT, WORKER, ask, assert_gapless, change, emit, start, submission, submit

pytestmark = pytest.mark.anyio

EVERY = Cutoffs(FAR, FAR, FAR, FAR, FAR, FAR, FAR)


async def purge(ledger: Ledger, cutoffs: Cutoffs, limit: int = 100) -> Counter[str]:
    """All walks to their ends."""
    counts: Counter[str] = Counter()
    for walk in WALKS:
        if not cutoffs.needs(walk):
            continue
        after: tuple[Any, ...] | None = ()
        while after is not None:
            done = await ledger.purge(TENANT, walk, cutoffs, after, limit, 10.0)
            counts.update(done.counts)
            after = done.after
    return +counts


async def ended(ledger: Ledger, status: RunStatus = RunStatus.SUCCEEDED, **fields: Any) -> Run:
    """A run that has ended, with a step, an artifact, an event and a checkpoint."""
    _, lease = await start(ledger, **fields)
    made = Batch(
        steps=[NewStep("one", StepStatus.FINISHED, result=1)],
        artifacts=[NewArtifact("a", "a", "text/plain", b"a")],
        events=[NewEvent("custom", {"name": "n"})],
        values={"n": 1},
        change=Change(status),
    )
    return (await ledger.commit(lease, made)).run


async def run_ids(ledger: Ledger, tenant: str = TENANT) -> set[str]:
    return {view.run.id for view in (await ledger.runs(tenant, RunFilter(), 1000)).items}


async def test_ended_runs_that_are_old_go_with_what_is_theirs_and_their_events_stay(ledger: Ledger) -> None:
    old = [await ended(ledger, status, metadata={"n": 1}) for status in sorted(_TERMINAL)]
    await ledger.add_delivery(NewDelivery(TENANT, old[0].id, "d", "test", "https://r.example"), 10)
    await _deliver(ledger, old[0], DeliveryStatus.DONE)
    cutoff = now_micros() + 1
    while now_micros() <= cutoff:
        pass
    young = await ended(ledger, metadata={"n": 1})
    assert await purge(ledger, Cutoffs(runs=cutoff)) == {"runs": 3}
    assert await run_ids(ledger) == {young.id}
    for run in old:
        with pytest.raises(RunNotFound):
            await ledger.load(TENANT, run.id)
        assert await ledger.journal(TENANT, run.id) == {}
        assert_gapless(await ledger.events(TENANT, run.thread_id))
    found = await ledger.runs(TENANT, RunFilter(metadata={"n": 1}))
    assert [view.run.id for view in found.items] == [young.id]
    assert (await ledger.deliveries(TENANT)).items == ()


_TERMINAL = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED)


async def _deliver(ledger: Ledger, run: Run, status: DeliveryStatus, stopped: bool = True) -> None:
    claimed = await ledger.claim_delivery(TENANT, run.id, "d", WORKER, 60.0)
    assert claimed is not None
    dead = NewDeadLetter(1, 0, 3, "no") if status is DeliveryStatus.DEAD or not stopped else None
    await ledger.move_delivery(claimed.lease, Move(1, 0, status, 0, None, "", dead))


async def test_what_a_run_at_work_needs_stays(ledger: Ledger) -> None:
    parent, lease = await start(ledger)
    child = await ended(ledger, parent_run_id=parent.id)
    thread = (await ended(ledger)).thread_id
    waiting = await submit(ledger, thread_id=thread)
    told = await ended(ledger)
    await ledger.add_delivery(NewDelivery(TENANT, told.id, "d", "test", "https://r.example"), 10)
    before = await run_ids(ledger)
    assert await purge(ledger, replace(EVERY, deliveries=0, dead_letters=0)) == {}
    assert await run_ids(ledger) == before
    await change(ledger, lease, RunStatus.SUCCEEDED)
    await ledger.cancel(TENANT, waiting.id)
    assert await purge(ledger, Cutoffs(runs=FAR)) == {"runs": len(before) - 1}
    assert await run_ids(ledger) == {told.id}
    with pytest.raises(RunNotFound):
        await ledger.load(TENANT, child.id)


@pytest.mark.parametrize("status", ["running", "waiting", "queued", "asleep"])
async def test_a_run_that_has_not_ended_is_never_touched(ledger: Ledger, status: str, reopen: Reopen) -> None:
    if status in ("queued", "asleep"):
        run = await submit(ledger, wake_at=FAR if status == "asleep" else None)
    else:
        run, lease = await start(ledger)
        await emit(ledger, lease, "custom", name="n")
        if status == "waiting":
            await ask(ledger, lease, "pay")
    kept = await ledger.events(TENANT, run.thread_id)
    assert await purge(ledger, EVERY) == {}
    ledger = await reopen()
    assert await ledger.events(TENANT, run.thread_id) == kept
    assert (await ledger.load(TENANT, run.id)).run.id == run.id


async def test_threads_that_were_not_used_go_whole(ledger: Ledger) -> None:
    run = await ended(ledger, thread_metadata={"m": 1})
    lone = await ledger.create_thread(TENANT, None, {"m": 1}, {"n": 1})
    with_cron = await ledger.create_thread(TENANT, None, {})
    await ledger.add_cron(Cron(TENANT, "c", "test", "one", "@daily", with_cron.id), 10)
    assert await purge(ledger, Cutoffs(threads=FAR), limit=1) == {"threads": 2}
    for id in (run.thread_id, lone.id):
        with pytest.raises(ThreadNotFound):
            await ledger.thread(TENANT, id)
    assert await run_ids(ledger) == set()
    assert await ledger.threads(TENANT, ThreadFilter(metadata={"m": 1})) == []
    assert (await ledger.cron(TENANT, "c")).thread_id == with_cron.id


async def test_a_log_without_its_beginning_says_so_and_its_numbers_go_on(ledger: Ledger, reopen: Reopen) -> None:
    run = await ended(ledger)
    before = await ledger.events(TENANT, run.thread_id)
    assert await purge(ledger, Cutoffs(events=FAR)) == {"events": len(before)}
    [mark] = await ledger.events(TENANT, run.thread_id)
    assert (mark.type, mark.seq, mark.data) == (PURGED, len(before), {"through": len(before)})
    assert await purge(ledger, Cutoffs(events=FAR)) == {}
    ledger = await reopen()
    assert (await ledger.thread(TENANT, run.thread_id)).last_seq == len(before)
    again, _ = await start(ledger, thread_id=run.thread_id)
    events = await ledger.events(TENANT, run.thread_id)
    assert_gapless(events, len(before) - 1)
    assert events[1].run_id == again.id
    assert await ledger.events(TENANT, run.thread_id, len(before)) == events[1:]


async def test_only_the_old_beginning_of_a_log_goes(ledger: Ledger) -> None:
    run = await ended(ledger)
    cutoff = now_micros() + 1
    while now_micros() <= cutoff:
        pass
    newer = await ended(ledger, thread_id=run.thread_id)
    last = next(e.seq for e in await ledger.events(TENANT, run.thread_id) if e.run_id == newer.id) - 1
    assert await purge(ledger, Cutoffs(events=cutoff)) == {"events": last}
    events = await ledger.events(TENANT, run.thread_id)
    assert events[0].type == PURGED
    assert_gapless(events, last - 1)
    assert (await ledger.events(TENANT, run.thread_id, run_id=newer.id))[0].type == "run.queued"


async def test_a_long_log_goes_in_pieces(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    for _ in range(3):
        await ledger.commit(lease, Batch(events=[NewEvent("custom", {"n": n}) for n in range(400)]))
    await change(ledger, lease, RunStatus.SUCCEEDED)
    events = await ledger.events(TENANT, run.thread_id, 0, 5000)
    done = await ledger.purge(TENANT, "logs", Cutoffs(events=FAR))
    assert 0 < done.counts["events"] <= 500
    assert done.after is not None
    assert done.counts["events"] + (await purge(ledger, Cutoffs(events=FAR)))["events"] == len(events)


async def test_older_states_go_and_the_newest_stays(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    for n in range(5):
        long = {"role": "user", "content": f"{n}" * 2000}
        await ledger.commit(lease, Batch(messages=[long], steps=[NewStep(f"s{n}", StepStatus.FINISHED)]))
    await change(ledger, lease, RunStatus.SUCCEEDED)
    values = (await ledger.thread(TENANT, run.thread_id)).values
    assert await purge(ledger, Cutoffs(checkpoints=FAR)) == {"checkpoints": 4}
    [kept] = await ledger.checkpoints(TENANT, run.thread_id)
    assert kept.values == values == (await ledger.thread(TENANT, run.thread_id)).values
    with pytest.raises(CheckpointNotFound):
        await ledger.fork(TENANT, run.id, 2, submission().run_id)
    forked = await ledger.fork(TENANT, run.id, 5, submission().run_id)
    assert (await ledger.thread(TENANT, forked.run.thread_id)).values == values


async def test_artifacts_go_and_their_run_tells_of_none(ledger: Ledger) -> None:
    run = await ended(ledger)
    assert await purge(ledger, Cutoffs(artifacts=FAR)) == {"artifacts": 1}
    view = await ledger.load(TENANT, run.id)
    assert (view.artifacts, view.run.artifacts) == ((), 0)


async def test_deliveries_that_are_over_go_and_active_ones_stay(ledger: Ledger) -> None:
    runs = [await ended(ledger) for _ in range(4)]
    for run in runs:
        await ledger.add_delivery(NewDelivery(TENANT, run.id, "d", "test", "https://r.example", {}, {"t": 1}), 10)
    await _deliver(ledger, runs[0], DeliveryStatus.DONE)
    await _deliver(ledger, runs[1], DeliveryStatus.DEAD)
    await _deliver(ledger, runs[2], DeliveryStatus.ACTIVE, stopped=False)
    assert await purge(ledger, Cutoffs(dead_letters=FAR)) == {"deliveries": 1, "dead_letters": 1}
    assert await ledger.dead_letters(TENANT) == []
    assert {d.run_id for d in (await ledger.deliveries(TENANT)).items} == {runs[0].id, runs[2].id, runs[3].id}
    assert await purge(ledger, Cutoffs(deliveries=FAR)) == {"deliveries": 1}
    assert {d.run_id for d in (await ledger.deliveries(TENANT)).items} == {runs[2].id, runs[3].id}


async def test_a_call_is_bounded_in_rows_and_in_time_and_goes_on_where_it_stopped(ledger: Ledger) -> None:
    for _ in range(7):
        await ended(ledger)
    first = await ledger.purge(TENANT, "succeeded", Cutoffs(runs=FAR), (), 3)
    assert first.counts == {"runs": 3}
    assert first.after is not None
    second = await ledger.purge(TENANT, "succeeded", Cutoffs(runs=FAR), first.after, 3)
    assert second.counts == {"runs": 3}
    brief = await ledger.purge(TENANT, "threads", Cutoffs(threads=FAR), (), 100, 0.0)
    assert brief.counts == {"threads": 1}


async def test_one_tenant_s_purge_leaves_the_others_alone(ledger: Ledger) -> None:
    await ended(ledger)
    other = await ended(ledger, tenant="other")
    assert await purge(ledger, Cutoffs(runs=FAR, threads=FAR)) == {"threads": 1}
    assert await run_ids(ledger, "other") == {other.id}
    assert await ledger.tenant_after("") == "other"
    await ended(ledger, tenant="zeta")
    assert await ledger.tenant_after("other") == "zeta"
    assert await ledger.tenant_after("zeta") is None
