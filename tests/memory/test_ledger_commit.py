"""The contract of ``commit``: steps, events, values, artifacts and status, whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.memory.errors import Conflict, LeaseLost
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Batch, Change, Ledger, NewArtifact, NewEvent, NewStep
from dragoman.memory.model import Failure, FailureKind, RunStatus, StepStatus, ThreadStatus

from .conftest import Reopen
from .helpers import FAR, TENANT, assert_gapless, change, claim_one, emit, finish_step, start, submit, types

pytestmark = pytest.mark.anyio


async def test_a_batch_lands_in_the_order_events_artifacts_steps_values_status(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    done = await ledger.commit(
        lease,
        Batch(
            change=Change(RunStatus.SUCCEEDED, output={"paid": True}),
            values={"stage": "paid"},
            messages=[{"role": "assistant", "content": "done"}],
            steps=[NewStep("look", StepStatus.FINISHED, result={"id": 7})],
            artifacts=[NewArtifact("a1", "receipt.txt", "text/plain", b"12 EUR")],
            events=[NewEvent("progress", {"part": 0.5})],
        ),
    )
    assert_gapless(done.events, after=2)
    assert [(e.type, e.data) for e in done.events] == [
        ("progress", {"part": 0.5}),
        ("artifact", {"id": "a1", "name": "receipt.txt", "mime_type": "text/plain", "size": 6}),
        ("step.finished", {"step": "look", "result": {"id": 7}}),
        (
            "values",
            {"values": {"stage": "paid"}, "messages": [{"role": "assistant", "content": "done"}], "checkpoint": 1},
        ),
        ("run.succeeded", {"output": {"paid": True}}),
    ]
    assert tuple(await ledger.events(TENANT, run.thread_id, after=2)) == done.events
    view = await ledger.load(TENANT, run.id)
    assert view.run == done.run
    assert (view.run.status, view.run.output, view.run.artifacts) == (RunStatus.SUCCEEDED, {"paid": True}, 1)
    assert view.run.ended_at == view.run.updated_at
    assert [(a.id, a.data) for a in view.artifacts] == [("a1", b"12 EUR")]
    thread = await ledger.thread(TENANT, run.thread_id)
    assert thread.values == {"stage": "paid", "messages": [{"role": "assistant", "content": "done"}]}
    assert (thread.status, thread.last_seq, thread.checkpoint) == (ThreadStatus.IDLE, 7, 1)


async def test_a_run_that_has_ended_takes_no_more(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await change(ledger, lease, RunStatus.SUCCEEDED)
    with pytest.raises(LeaseLost):
        await emit(ledger, lease, "late")
    assert await ledger.claim("worker-2", 5) == []
    assert (await types(ledger, run.thread_id))[-1] == "run.succeeded"


async def test_a_batch_that_fails_part_way_leaves_no_trace(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await finish_step(ledger, lease, "pay", 1)
    before = (await ledger.load(TENANT, run.id), await ledger.thread(TENANT, run.thread_id))
    with pytest.raises(Conflict):
        await ledger.commit(
            lease,
            Batch(
                events=[NewEvent("note")],
                artifacts=[NewArtifact("a", "a", "text/plain", b"")],
                values={"x": 1},
                steps=[NewStep("new", StepStatus.FINISHED), NewStep("pay", StepStatus.FINISHED, result=2)],
                change=Change(RunStatus.SUCCEEDED),
            ),
        )
    assert (await ledger.load(TENANT, run.id), await ledger.thread(TENANT, run.thread_id)) == before
    assert {key: step.result for key, step in (await ledger.journal(TENANT, run.id)).items()} == {"pay": 1}
    assert await types(ledger, run.thread_id) == ["run.queued", "run.started", "step.finished"]


async def test_a_finished_step_is_never_changed(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await finish_step(ledger, lease, "pay", 1)
    for status in StepStatus:
        with pytest.raises(Conflict, match="pay"):
            await ledger.commit(lease, Batch(steps=[NewStep("pay", status, result=2)]))
    step = (await ledger.journal(TENANT, run.id))["pay"]
    assert (step.status, step.result) == (StepStatus.FINISHED, 1)


async def test_a_started_step_is_replaced_by_its_end(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    started = await ledger.commit(lease, Batch(steps=[NewStep("pay", StepStatus.STARTED, "d1", result={"until": 5})]))
    assert started.events == ()
    step = (await ledger.journal(TENANT, run.id))["pay"]
    assert (step.status, step.digest, step.position, step.result) == (StepStatus.STARTED, "d1", 0, {"until": 5})
    await ledger.commit(lease, Batch(steps=[NewStep("pay", StepStatus.STARTED, "d1")]))
    await ledger.commit(lease, Batch(steps=[NewStep("pay", StepStatus.FINISHED, "d1", [1])]))
    step = (await ledger.journal(TENANT, run.id))["pay"]
    assert (step.status, step.position, step.result) == (StepStatus.FINISHED, 1, [1])


async def test_a_failed_step_is_final_and_keeps_its_failure(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    failure = Failure(FailureKind.ERROR, "card declined", "CardError")
    done = await ledger.commit(lease, Batch(steps=[NewStep("pay", StepStatus.FAILED, failure=failure)]))
    assert [(e.type, e.data) for e in done.events] == [
        ("step.failed", {"step": "pay", "type": "CardError", "message": "card declined"})
    ]
    with pytest.raises(Conflict):
        await finish_step(ledger, lease, "pay")
    step = (await ledger.journal(TENANT, run.id))["pay"]
    assert (step.failure, step.position) == (failure, 1)


async def test_final_steps_are_numbered_in_the_order_of_their_end(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    both = [NewStep("b", StepStatus.FINISHED), NewStep("c", StepStatus.FAILED)]
    await ledger.commit(lease, Batch(steps=[NewStep("a", StepStatus.STARTED), *both]))
    await finish_step(ledger, lease, "a")
    journal = await ledger.journal(TENANT, run.id)
    assert [(key, step.position) for key, step in journal.items()] == [("b", 1), ("c", 2), ("a", 3)]


async def test_values_merge_key_by_key_and_each_makes_a_checkpoint(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ledger.commit(lease, Batch(values={"a": 1, "b": {"c": 2}}))
    await ledger.commit(lease, Batch(values={"a": None, "b": {"d": 3}, "missing": None}))
    done = await ledger.commit(lease, Batch(steps=[NewStep("s", StepStatus.FINISHED)], messages=[{"content": "x"}]))
    await ledger.commit(lease, Batch(messages=[{"content": "y"}], values={"z": [1]}))
    thread = await ledger.thread(TENANT, run.thread_id)
    assert thread.values == {"b": {"d": 3}, "messages": [{"content": "x"}, {"content": "y"}], "z": [1]}
    found = await ledger.checkpoints(TENANT, run.thread_id)
    assert [c.number for c in found] == [4, 3, 2, 1]
    assert [c.step for c in found] == [None, "s", None, None]
    assert found[-1].values == {"a": 1, "b": {"c": 2}}
    assert {c.run_id for c in found} == {run.id}
    assert done.events[-1].data == {"values": {}, "messages": [{"content": "x"}], "checkpoint": 3}


async def test_an_artifact_of_the_same_id_is_a_later_version(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    for name, data in (("a", b"1"), ("b", b"2"), ("a", b"333")):
        await ledger.commit(lease, Batch(artifacts=[NewArtifact(name, f"{name}.txt", "text/plain", data)]))
    view = await ledger.load(TENANT, run.id)
    assert view.run.artifacts == 2
    assert [(a.id, a.data) for a in view.artifacts] == [("a", b"333"), ("b", b"2")]


async def test_what_was_emitted_is_counted_and_a_late_input_is_kept(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ledger.commit(lease, Batch(events=[NewEvent("delta"), NewEvent("delta")], emitted=2, deltas_only=True))
    done = await ledger.commit(lease, Batch(input={"order": 1}, emitted=1))
    assert (done.run.emitted, done.run.input) == (3, {"order": 1})
    assert (await ledger.load(TENANT, run.id)).run == done.run


async def test_text_deltas_are_in_the_log_as_soon_as_they_are_answered(ledger: Ledger, reopen: Reopen) -> None:
    run, lease = await start(ledger)
    for index in range(20):
        deltas = [NewEvent("text.delta", {"text": f"{index}.{part}"}) for part in range(3)]
        done = await ledger.commit(lease, Batch(events=deltas, deltas_only=True))
        assert len(done.events) == 3
    await finish_step(ledger, lease, "model")
    seen = await ledger.events(TENANT, run.thread_id)
    assert_gapless(seen)
    assert len(seen) == 2 + 60 + 1
    assert await (await reopen()).events(TENANT, run.thread_id) == seen


async def test_what_is_shown_live_is_what_is_replayed(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    shared: dict[str, Any] = {"list": [1], "tuple": (1, 2)}
    done = await ledger.commit(lease, Batch(events=[NewEvent("note", shared)]))
    shared["list"].append(2)  # the agent goes on with its own object
    assert done.events[0].data == {"list": [1], "tuple": [1, 2]}
    assert (await ledger.events(TENANT, run.thread_id, after=2))[0] == done.events[0]


async def test_a_run_can_sleep(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    asleep = await change(ledger, lease, RunStatus.QUEUED, wake_at=FAR)
    assert (asleep.status, asleep.wake_at) == (RunStatus.QUEUED, FAR)
    assert asleep.started_at == run.started_at
    assert (await types(ledger, run.thread_id))[-1] == "run.asleep"
    assert await ledger.claim("worker-2", 5) == []
    assert (await ledger.thread(TENANT, run.thread_id)).status is ThreadStatus.BUSY
    await ledger.wake(TENANT, run.id)
    woken, _ = await claim_one(ledger)
    assert (woken.id, woken.attempt, woken.wake_at) == (run.id, 2, None)


async def test_a_failed_run_says_why(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    failure = Failure(FailureKind.REJECTED, "not my department", "Rejected")
    failed = await change(ledger, lease, RunStatus.FAILED, failure=failure)
    assert failed.failure == failure
    [event] = (await ledger.events(TENANT, run.thread_id))[2:]
    assert (event.type, event.data) == (
        "run.failed",
        {"kind": "rejected", "message": "not my department", "type": "Rejected"},
    )
    assert (await ledger.thread(TENANT, run.thread_id)).status is ThreadStatus.ERROR
    _, lease = await start(ledger, thread_id=run.thread_id)
    await change(ledger, lease, RunStatus.SUCCEEDED)
    assert (await ledger.thread(TENANT, run.thread_id)).status is ThreadStatus.IDLE


async def test_a_running_run_cannot_become_running(ledger: Ledger) -> None:
    _, lease = await start(ledger)
    with pytest.raises(Conflict):
        await change(ledger, lease, RunStatus.RUNNING)
    await change(ledger, lease, RunStatus.SUCCEEDED)


async def test_the_base_of_a_run_is_the_checkpoint_that_it_began_from(ledger: Ledger) -> None:
    _, lease = await start(ledger, thread_id="t")
    queued = await submit(ledger, thread_id="t")
    await ledger.commit(lease, Batch(values={"x": 1}, change=Change(RunStatus.SUCCEEDED)))
    run, lease = await claim_one(ledger)
    assert (run.id, run.base_checkpoint) == (queued.id, 1)
    await ledger.commit(lease, Batch(values={"x": 2}, change=Change(RunStatus.QUEUED)))
    run, _ = await claim_one(ledger)
    assert (run.attempt, run.base_checkpoint) == (2, 1)


async def test_a_time_is_the_time_of_its_commit(ledger: Ledger) -> None:
    before = now_micros()
    run, lease = await start(ledger)
    done = await emit(ledger, lease, "note")
    assert before <= run.created_at <= done.events[0].at <= now_micros()
