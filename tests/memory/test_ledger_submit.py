"""The contract of ``submit``: whole or not at all, once a key, and by the policy of its thread."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.memory.errors import Conflict, InputInvalid, QueueFull, RunNotFound, ThreadBusy, ThreadNotFound
from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import Batch, Change, Ledger, NewArtifact, NewEvent, NewStep, RunFilter
from dragoman.memory.model import Failure, FailureKind, RunStatus, StepStatus, ThreadPolicy, ThreadStatus

from .helpers import FAR, TENANT, WORKER, ask, change, claim_one, outcome, question, start, submission, submit, types

pytestmark = pytest.mark.anyio


async def test_a_submitted_run_is_queued_on_a_thread_of_its_own(ledger: Ledger) -> None:
    message = {"role": "user", "content": "refund it"}
    made = await ledger.submit(
        submission(input={"order": 7}, message=message, subject="ada", metadata={"a": 1}, thread_metadata={"b": 2})
    )
    assert outcome(made) == (RunStatus.QUEUED, False)
    view = await ledger.load(TENANT, made.run.id)
    assert view.run == made.run
    assert (view.run.input, view.run.message, view.run.subject) == ({"order": 7}, message, "ada")
    assert (view.run.metadata, view.run.attempt, view.run.started_at) == ({"a": 1}, 0, None)
    thread = await ledger.thread(TENANT, made.run.thread_id)
    assert (thread.status, thread.metadata, thread.values) == (ThreadStatus.BUSY, {"b": 2}, {})
    [event] = await ledger.events(TENANT, thread.id)
    assert (event,) == made.events
    assert (event.type, event.data) == ("run.queued", {"agent": "refunds", "message": message})


async def test_a_run_born_claimed_is_running_and_says_so(ledger: Ledger) -> None:
    made = await ledger.submit(submission(), WORKER)
    assert outcome(made) == (RunStatus.RUNNING, True)
    assert made.lease is not None
    assert (made.lease.attempt, made.lease.worker, made.run.attempt) == (1, WORKER, 1)
    assert made.run.started_at == made.run.created_at
    assert [(e.seq, e.type, e.data) for e in made.events] == [
        (1, "run.queued", {"agent": "refunds"}),
        (2, "run.started", {"attempt": 1}),
    ]
    assert tuple(await ledger.events(TENANT, made.run.thread_id)) == made.events
    assert await ledger.claim("worker-2", 5) == []


async def test_a_run_that_is_to_start_later_is_not_born_claimed(ledger: Ledger) -> None:
    made = await ledger.submit(submission(wake_at=FAR), WORKER)
    assert outcome(made) == (RunStatus.QUEUED, False)
    assert await ledger.claim(WORKER, 5) == []
    assert await ledger.next_due() == FAR
    past = await ledger.submit(submission(wake_at=now_micros() - 1), WORKER)
    assert outcome(past) == (RunStatus.RUNNING, True)


async def test_a_second_submission_with_a_key_returns_the_first_run_and_writes_nothing(ledger: Ledger) -> None:
    first = await ledger.submit(submission(idempotency_key="k"), WORKER)
    again = await ledger.submit(submission(idempotency_key="k", thread_id="new"), WORKER)
    assert (again.created, again.lease, again.events) == (False, None, ())
    assert again.run == first.run
    with pytest.raises(ThreadNotFound):
        await ledger.thread(TENANT, "new")
    other = await ledger.submit(submission(tenant="umbrella", idempotency_key="k"))
    assert other.created


async def test_of_many_submissions_with_a_key_at_once_one_is_opened(ledger: Ledger) -> None:
    made = await asyncio.gather(*(ledger.submit(submission(idempotency_key="k"), WORKER) for _ in range(40)))
    assert sum(m.created for m in made) == 1
    assert len({m.run.id for m in made}) == 1
    assert len((await ledger.runs(TENANT, RunFilter())).items) == 1


async def test_an_unknown_thread_is_made_or_refused_as_asked(ledger: Ledger) -> None:
    with pytest.raises(ThreadNotFound):
        await ledger.submit(submission(thread_id="talk", create_thread=False))
    assert (await submit(ledger, thread_id="talk")).thread_id == "talk"
    assert (await submit(ledger, thread_id="talk", create_thread=False)).thread_id == "talk"
    with pytest.raises(ThreadNotFound):
        await ledger.submit(submission(tenant="umbrella", thread_id="talk", create_thread=False))


async def test_a_run_id_that_is_taken_is_a_conflict(ledger: Ledger) -> None:
    run = await submit(ledger)
    with pytest.raises(Conflict):
        await ledger.submit(submission(run_id=run.id, thread_id="other"))
    with pytest.raises(ThreadNotFound):
        await ledger.thread(TENANT, "other")


async def test_what_json_cannot_hold_is_refused_and_leaves_no_trace(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        await ledger.submit(submission(thread_id="t", input={"x": object()}))
    with pytest.raises((InputInvalid, ValueError)):
        await ledger.submit(submission(thread_id="\ud800"))
    with pytest.raises(ThreadNotFound):
        await ledger.thread(TENANT, "t")


async def test_enqueue_waits_for_the_thread(ledger: Ledger) -> None:
    _, lease = await start(ledger, thread_id="t")
    second = await ledger.submit(submission(thread_id="t"), WORKER)
    third = await ledger.submit(submission(thread_id="t"), WORKER)
    assert outcome(second) == outcome(third) == (RunStatus.QUEUED, False)
    assert await ledger.claim(WORKER, 5) == []
    await change(ledger, lease, RunStatus.SUCCEEDED)
    run, _ = await claim_one(ledger)
    assert run.id == second.run.id
    assert await ledger.claim(WORKER, 5) == []


async def test_enqueue_does_not_wait_for_a_question_that_is_still_open(ledger: Ledger) -> None:
    _, lease = await start(ledger, thread_id="t")
    await ask(ledger, lease, "ok")
    assert outcome(await ledger.submit(submission(thread_id="t"), WORKER)) == (RunStatus.RUNNING, True)


async def test_reject_refuses_a_second_active_run(ledger: Ledger) -> None:
    _, lease = await start(ledger, thread_id="t")
    second = submission(thread_id="t", policy=ThreadPolicy.REJECT)
    with pytest.raises(ThreadBusy):
        await ledger.submit(second)
    with pytest.raises(RunNotFound):
        await ledger.load(TENANT, second.run_id)
    await change(ledger, lease, RunStatus.SUCCEEDED)
    assert (await ledger.submit(second)).created


async def test_interrupt_ends_what_is_queued_and_waiting_and_asks_what_is_running(ledger: Ledger) -> None:
    waiting, lease = await start(ledger, thread_id="t")
    await ask(ledger, lease, "ok")
    running, running_lease = await start(ledger, thread_id="t")
    queued = await submit(ledger, thread_id="t")
    made = await ledger.submit(submission(thread_id="t", policy=ThreadPolicy.INTERRUPT), WORKER)
    assert outcome(made) == (RunStatus.QUEUED, False)
    assert {run.id: run.status for run in made.displaced} == {
        waiting.id: RunStatus.CANCELLED,
        running.id: RunStatus.RUNNING,
        queued.id: RunStatus.CANCELLED,
    }
    assert [run.cancel_requested for run in made.displaced if run.id == running.id] == [True]
    assert (await ledger.renew(WORKER, [running.id])).cancel == (running.id,)
    assert made.events[-1].type == "run.queued"
    assert {e.run_id for e in made.events if e.type == "run.cancelled"} == {waiting.id, queued.id}
    await change(ledger, running_lease, RunStatus.CANCELLED)
    run, _ = await claim_one(ledger)
    assert run.id == made.run.id
    assert (await types(ledger, "t"))[-2:] == ["run.cancelled", "run.started"]


async def test_interrupt_on_a_free_thread_is_born_claimed(ledger: Ledger) -> None:
    queued = await submit(ledger, thread_id="t", wake_at=FAR)
    made = await ledger.submit(submission(thread_id="t", policy=ThreadPolicy.INTERRUPT), WORKER)
    assert outcome(made) == (RunStatus.RUNNING, True)
    assert [run.id for run in made.displaced] == [queued.id]


async def test_rollback_forgets_the_displaced_run_and_restores_the_values(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"kept": 1, "gone": True})
    displaced, lease = await start(ledger, thread_id="t")
    await ledger.commit(lease, Batch(values={"kept": 2, "gone": None, "new": 3}, messages=[{"content": "hi"}]))
    made = await ledger.submit(submission(thread_id="t", policy=ThreadPolicy.ROLLBACK), WORKER)
    assert (await ledger.thread(TENANT, "t")).values["kept"] == 2  # not before it has ended
    ended = await change(ledger, lease, RunStatus.CANCELLED)
    assert ended.status is RunStatus.CANCELLED
    thread = await ledger.thread(TENANT, "t")
    assert thread.values == {"kept": 1, "gone": True}
    assert thread.status is ThreadStatus.BUSY
    with pytest.raises(RunNotFound):
        await ledger.load(TENANT, displaced.id)
    assert await ledger.journal(TENANT, displaced.id) == {}
    events = await ledger.events(TENANT, "t")
    assert [(e.type, e.data.get("values")) for e in events[-2:]] == [
        ("values", {"kept": 1, "gone": True, "new": None, "messages": None}),
        ("run.cancelled", None),
    ]
    run, _ = await claim_one(ledger)
    assert (run.id, run.base_checkpoint) == (made.run.id, thread.checkpoint)


async def test_rollback_forgets_a_waiting_run_at_once(ledger: Ledger) -> None:
    displaced, lease = await start(ledger, thread_id="t")
    await ledger.commit(lease, Batch(values={"x": 1}))
    await ask(ledger, lease, "ok")
    made = await ledger.submit(submission(thread_id="t", policy=ThreadPolicy.ROLLBACK), WORKER)
    assert outcome(made) == (RunStatus.RUNNING, True)
    assert (await ledger.thread(TENANT, "t")).values == {}
    with pytest.raises(RunNotFound):
        await ledger.load(TENANT, displaced.id)


async def test_a_full_queue_refuses_and_tells_how_long_to_wait(ledger: Ledger) -> None:
    for _ in range(3):
        await submit(ledger, queue_limit=3)
    refused = submission(queue_limit=3, thread_id="t")
    with pytest.raises(QueueFull) as caught:
        await ledger.submit(refused)
    assert 0 < caught.value.retry_after <= 60
    with pytest.raises(ThreadNotFound):
        await ledger.thread(TENANT, "t")
    assert await ledger.queue_depth() == 3
    assert outcome(await ledger.submit(refused, WORKER)) == (RunStatus.RUNNING, True)  # it does not wait for a worker
    await submit(ledger, queue_limit=4, run_id=uuid7())


async def test_sleepers_do_not_fill_the_queue(ledger: Ledger) -> None:
    for _ in range(3):
        await submit(ledger, wake_at=FAR)
    await submit(ledger, queue_limit=1)
    assert await ledger.queue_depth() == 1


async def test_a_run_that_has_ended_already_is_recorded_as_if_it_had_been_submitted(ledger: Ledger) -> None:
    message = {"role": "user", "content": "refund it"}
    wanted = submission(input={"order": 7}, message=message, idempotency_key="k", metadata={"m": 1})
    batch = Batch(
        events=[NewEvent("note", {"n": 1})],
        emitted=1,
        values={"x": 1},
        messages=[message],
        change=Change(RunStatus.SUCCEEDED, output={"ok": True}),
    )
    began = now_micros()
    made = await ledger.record(wanted, batch, began)
    submitted = await ledger.submit(submission(input={"order": 7}, message=message, metadata={"m": 1}), WORKER)
    assert submitted.lease is not None
    committed = await ledger.commit(submitted.lease, batch)
    assert [(e.seq, e.type, e.data) for e in made.events] == [
        (e.seq, e.type, e.data) for e in (*submitted.events, *committed.events)
    ]
    view = await ledger.load(TENANT, wanted.run_id)
    assert view.run == made.run
    named = {name: getattr(made.run, name) for name in ("input", "message", "output", "status", "attempt", "emitted")}
    assert named == {name: getattr(committed.run, name) for name in named}
    assert (made.run.created_at, made.run.started_at) == (began, began)
    assert made.run.ended_at is not None
    assert made.run.ended_at >= began
    thread, other = [await ledger.thread(TENANT, run.thread_id) for run in (made.run, committed.run)]
    assert (thread.values, thread.status, thread.last_seq) == (other.values, other.status, other.last_seq)
    assert tuple(await ledger.events(TENANT, thread.id)) == made.events
    again = await ledger.record(submission(idempotency_key="k"), batch, began)
    assert (again.created, again.run, again.events) == (False, made.run, ())
    assert await ledger.find_run(TENANT, "k") == made.run
    assert await ledger.find_run("umbrella", "k") is None
    assert [v.run.id for v in (await ledger.runs(TENANT, RunFilter())).items] == [committed.run.id, made.run.id]


async def test_a_recorded_failure_shows_in_its_thread(ledger: Ledger) -> None:
    failure = Failure(FailureKind.ERROR, "broken", "ValueError")
    batch = Batch(change=Change(RunStatus.FAILED, failure=failure))
    made = await ledger.record(submission(), batch, now_micros())
    assert made.run.failure == failure
    assert (await ledger.thread(TENANT, made.run.thread_id)).status is ThreadStatus.ERROR


@pytest.mark.parametrize(
    "batch",
    [
        Batch(),
        Batch(change=Change(RunStatus.WAITING)),
        Batch(change=Change(RunStatus.SUCCEEDED), steps=[NewStep("s", StepStatus.FINISHED)]),
        Batch(change=Change(RunStatus.SUCCEEDED), interrupts=[question("q")]),
        Batch(change=Change(RunStatus.SUCCEEDED), artifacts=[NewArtifact("a", "a", "text/plain", b"")]),
    ],
)
async def test_only_a_run_that_has_ended_is_recorded(ledger: Ledger, batch: Batch) -> None:
    with pytest.raises(Conflict):
        await ledger.record(submission(thread_id="t"), batch, now_micros())
    with pytest.raises(ThreadNotFound):
        await ledger.thread(TENANT, "t")


async def test_a_run_that_takes_a_thread_that_is_there_is_not_recorded(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {})
    with pytest.raises(Conflict):
        await ledger.record(submission(thread_id="t"), Batch(change=Change(RunStatus.SUCCEEDED)), now_micros())
    assert (await ledger.runs(TENANT, RunFilter())).items == ()
