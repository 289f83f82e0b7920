"""The contract of threads: values, checkpoints, status, copies, forks."""

from __future__ import annotations

import pytest

from dragoman.memory.errors import Conflict, InputInvalid, RunNotFound, ThreadNotFound
from dragoman.memory.ledger import Batch, Change, Ledger, NewArtifact, NewStep, RunFilter, ThreadFilter
from dragoman.memory.model import RunStatus, StepStatus, ThreadStatus

from .helpers import (
    TENANT,
    WORKER,
    ask,
    assert_gapless,
    change,
    claim_one,
    emit,
    finish_step,
    start,
    submission,
    submit,
)

pytestmark = pytest.mark.anyio


async def test_a_thread_is_made_with_its_metadata_and_values(ledger: Ledger) -> None:
    made = await ledger.create_thread(TENANT, "t", {"a": 1}, {"x": [1], "none": None})
    assert (made.id, made.status, made.metadata, made.values) == ("t", ThreadStatus.IDLE, {"a": 1}, {"x": [1]})
    assert (made.checkpoint, made.last_seq) == (1, 0)
    assert await ledger.thread(TENANT, "t") == made
    empty = await ledger.create_thread(TENANT, None, {})
    assert (empty.values, empty.checkpoint) == ({}, 0)
    assert await ledger.checkpoints(TENANT, empty.id) == []


async def test_a_thread_that_exists_is_a_conflict_or_returned_as_asked(ledger: Ledger) -> None:
    made = await ledger.create_thread(TENANT, "t", {"a": 1})
    with pytest.raises(Conflict):
        await ledger.create_thread(TENANT, "t", {"a": 2})
    assert await ledger.create_thread(TENANT, "t", {"a": 2}, {"x": 1}, exist_ok=True) == made
    assert (await ledger.create_thread("umbrella", "t", {})).metadata == {}


async def test_updating_merges_metadata_and_values(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {"a": 1, "b": 2}, {"x": 1})
    updated = await ledger.update_thread(
        TENANT, "t", metadata={"b": None, "c": 3}, values={"x": None, "y": 2}, messages=[{"content": "hi"}]
    )
    assert (updated.metadata, updated.values) == ({"a": 1, "c": 3}, {"y": 2, "messages": [{"content": "hi"}]})
    assert await ledger.thread(TENANT, "t") == updated
    assert [c.values for c in await ledger.checkpoints(TENANT, "t")] == [updated.values, {"x": 1}]
    only_metadata = await ledger.update_thread(TENANT, "t", metadata={"d": 4})
    assert (only_metadata.checkpoint, only_metadata.values) == (2, updated.values)
    with pytest.raises(ThreadNotFound):
        await ledger.update_thread(TENANT, "nowhere", metadata={})


async def test_threads_are_listed_newest_first_by_what_they_are(ledger: Ledger) -> None:
    for name in ("idle", "busy", "interrupted", "error"):
        await ledger.create_thread(TENANT, name, {"name": name, "one": 1}, {"v": name})
    await submit(ledger, thread_id="busy")
    _, lease = await start(ledger, thread_id="interrupted")
    await ask(ledger, lease, "ok")
    _, lease = await start(ledger, thread_id="error")
    await change(ledger, lease, RunStatus.FAILED)

    async def names(where: ThreadFilter, limit: int = 50, offset: int = 0) -> list[str]:
        return [thread.id for thread in await ledger.threads(TENANT, where, limit, offset)]

    assert await names(ThreadFilter()) == ["error", "interrupted", "busy", "idle"]
    assert await names(ThreadFilter(), 2, 1) == ["interrupted", "busy"]
    assert await names(ThreadFilter(), 5, 9) == []
    for status in ThreadStatus:
        assert await names(ThreadFilter(status=status)) == [status.value]
    assert await names(ThreadFilter(metadata={"name": "busy"})) == ["busy"]
    assert await names(ThreadFilter(values={"v": "idle"})) == ["idle"]
    assert await names(ThreadFilter(status=ThreadStatus.BUSY, metadata={"one": 1}), 1) == ["busy"]
    assert await names(ThreadFilter(metadata={"one": True})) == []


async def test_a_thread_in_which_one_run_waits_is_interrupted_when_another_ends(ledger: Ledger) -> None:
    _, lease = await start(ledger, thread_id="t")
    await ask(ledger, lease, "ok")
    _, lease = await start(ledger, thread_id="t")
    await finish_step(ledger, lease, "pay")
    await change(ledger, lease, RunStatus.SUCCEEDED)
    assert (await ledger.thread(TENANT, "t")).status is ThreadStatus.INTERRUPTED


async def test_a_run_that_came_while_another_was_at_work_keeps_the_thread_busy(ledger: Ledger) -> None:
    _, lease = await start(ledger, thread_id="t", new_thread=True)
    await finish_step(ledger, lease, "pay")
    queued = await submit(ledger, thread_id="t")
    await finish_step(ledger, lease, "ship")
    await change(ledger, lease, RunStatus.SUCCEEDED)
    assert (await ledger.thread(TENANT, "t")).status is ThreadStatus.BUSY
    assert (await claim_one(ledger))[0].id == queued.id


async def test_a_new_thread_whose_id_is_taken_is_refused(ledger: Ledger) -> None:
    run, lease = await start(ledger, thread_id="t")
    with pytest.raises(Conflict):
        await ledger.submit(submission(thread_id="t", new_thread=True), WORKER)
    await change(ledger, lease, RunStatus.SUCCEEDED)
    assert [view.run.id for view in (await ledger.runs(TENANT, RunFilter(thread_id="t"))).items] == [run.id]


async def test_a_thread_is_busy_while_anything_is_queued_or_running(ledger: Ledger) -> None:
    async def status() -> ThreadStatus:
        return (await ledger.thread(TENANT, "t")).status

    waiting, lease = await start(ledger, thread_id="t")
    await ask(ledger, lease, "ok")
    assert await status() is ThreadStatus.INTERRUPTED
    failing, lease = await start(ledger, thread_id="t")
    queued = await submit(ledger, thread_id="t")
    assert await status() is ThreadStatus.BUSY
    await change(ledger, lease, RunStatus.FAILED)
    assert await status() is ThreadStatus.BUSY
    await ledger.cancel(TENANT, queued.id)
    assert await status() is ThreadStatus.INTERRUPTED
    await ledger.cancel(TENANT, waiting.id)
    assert await status() is ThreadStatus.IDLE
    await ledger.delete_run(TENANT, queued.id)
    await ledger.delete_run(TENANT, waiting.id)
    assert await status() is ThreadStatus.ERROR  # the newest ended run that is left
    await ledger.delete_run(TENANT, failing.id)
    assert await status() is ThreadStatus.IDLE


async def test_checkpoints_are_paged_newest_first(ledger: Ledger) -> None:
    _, lease = await start(ledger, thread_id="t")
    for n in range(6):
        await ledger.commit(lease, Batch(values={"n": n}))
    assert [c.number for c in await ledger.checkpoints(TENANT, "t", 2)] == [6, 5]
    older = await ledger.checkpoints(TENANT, "t", 10, before=3)
    assert [(c.number, c.values) for c in older] == [(2, {"n": 1}), (1, {"n": 0})]
    with pytest.raises(ThreadNotFound):
        await ledger.checkpoints(TENANT, "nowhere")


async def test_a_copy_is_independent(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {"a": 1}, {"x": 1})
    _, lease = await start(ledger, thread_id="t")
    await ledger.commit(lease, Batch(values={"x": 2}))
    copy = await ledger.copy_thread(TENANT, "t")
    assert (copy.values, copy.metadata, copy.status, copy.last_seq) == ({"x": 2}, {"a": 1}, ThreadStatus.IDLE, 0)
    assert [c.values for c in await ledger.checkpoints(TENANT, copy.id)] == [{"x": 2}, {"x": 1}]
    assert await ledger.events(TENANT, copy.id) == []
    assert (await ledger.runs(TENANT, RunFilter(thread_id=copy.id))).items == ()
    await ledger.update_thread(TENANT, copy.id, values={"x": 3})
    assert (await ledger.thread(TENANT, "t")).values == {"x": 2}
    with pytest.raises(ThreadNotFound):
        await ledger.copy_thread(TENANT, "nowhere")


async def test_deleting_a_thread_forgets_all_of_it(ledger: Ledger) -> None:
    run, lease = await start(ledger, thread_id="t")
    await finish_step(ledger, lease, "look")
    await ledger.commit(lease, Batch(values={"x": 1}, artifacts=[NewArtifact("a", "a", "text/plain", b"x")]))
    await ask(ledger, lease, "ok")
    with pytest.raises(Conflict):
        await ledger.delete_thread(TENANT, "t")
    await ledger.cancel(TENANT, run.id)
    await ledger.delete_thread(TENANT, "t")
    with pytest.raises(RunNotFound):
        await ledger.load(TENANT, run.id)
    for missing in (ledger.thread(TENANT, "t"), ledger.delete_thread(TENANT, "t"), ledger.checkpoints(TENANT, "t")):
        with pytest.raises(ThreadNotFound):
            await missing
    assert await ledger.events(TENANT, "t") == []
    assert await ledger.journal(TENANT, run.id) == {}
    again = await submit(ledger, thread_id="t")
    assert_gapless(await ledger.events(TENANT, again.thread_id))


async def test_a_fork_begins_after_a_step_of_another_run(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"x": 0})
    old, lease = await start(ledger, thread_id="t", input={"order": 1}, subject="ada", metadata={"m": 1})
    await finish_step(ledger, lease, "look", 1)
    await ledger.commit(lease, Batch(steps=[NewStep("risk", StepStatus.FINISHED, result=2)], values={"x": 1}))
    await ledger.commit(lease, Batch(values={"x": 2}))
    await ledger.commit(lease, Batch(steps=[NewStep("pay", StepStatus.FINISHED)], change=Change(RunStatus.SUCCEEDED)))
    forked = await ledger.fork(TENANT, old.id, 2, "fork", {"y": 9})
    run = forked.run
    assert (run.status, run.attempt, run.input, run.subject) == (RunStatus.QUEUED, 0, {"order": 1}, "ada")
    assert run.thread_id != "t"
    assert (await ledger.thread(TENANT, run.thread_id)).values == {"x": 1, "y": 9}
    journal = await ledger.journal(TENANT, "fork")
    assert {key: (step.result, step.position, step.run_id) for key, step in journal.items()} == {
        "look": (1, 1, "fork"),
        "risk": (2, 2, "fork"),
    }
    [event] = forked.events
    assert (event.seq, event.type, event.data["forked_from"]) == (1, "run.queued", {"run_id": old.id, "at_step": 2})
    claimed, lease = await claim_one(ledger)
    assert claimed.id == "fork"
    await finish_step(ledger, lease, "pay")
    assert (await ledger.journal(TENANT, "fork"))["pay"].position == 3
    assert len(await ledger.journal(TENANT, old.id)) == 3
    assert (await ledger.load(TENANT, "fork")).run.status is RunStatus.RUNNING


async def test_a_fork_at_the_start_has_no_journal_and_the_first_values(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"x": 0})
    old, lease = await start(ledger, thread_id="t")
    await ledger.commit(lease, Batch(steps=[NewStep("look", StepStatus.FINISHED)], values={"x": 1}))
    forked = await ledger.fork(TENANT, old.id, 0, "fork")
    assert await ledger.journal(TENANT, "fork") == {}
    assert (await ledger.thread(TENANT, forked.run.thread_id)).values == {"x": 0}


async def test_a_fork_keeps_the_answers_that_came_before_its_step(ledger: Ledger) -> None:
    old, lease = await start(ledger)
    await ask(ledger, lease, "early")
    await ledger.answer(TENANT, old.id, {"early": "yes"}, "ada")
    _, lease = await claim_one(ledger)
    await finish_step(ledger, lease, "pay")
    await ask(ledger, lease, "late")
    await ledger.answer(TENANT, old.id, {"late": "no"}, "ada")
    forked = await ledger.fork(TENANT, old.id, 1, "fork")
    view = await ledger.load(TENANT, "fork")
    assert [(i.key, i.answer, i.answered_by) for i in view.interrupts] == [("early", "yes", "ada")]
    assert view.run.interrupts == forked.run.interrupts == 1
    assert view.interrupts[0].id != (await ledger.load(TENANT, old.id)).interrupts[0].id
    assert view.interrupts[0].thread_id == forked.run.thread_id
    await ledger.fork(TENANT, old.id, 0, "from the start")
    assert (await ledger.load(TENANT, "from the start")).interrupts == ()


async def test_a_fork_needs_a_run_and_a_step_that_are_there(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await finish_step(ledger, lease, "look")
    with pytest.raises(RunNotFound):
        await ledger.fork("umbrella", run.id, 0, "fork")
    for step in (-1, 2):
        with pytest.raises(InputInvalid):
            await ledger.fork(TENANT, run.id, step, "fork")
    with pytest.raises(Conflict):
        await ledger.fork(TENANT, run.id, 1, run.id)
    assert (await ledger.runs(TENANT, RunFilter())).items[0].run.id == run.id
    await emit(ledger, lease, "note")
    assert await ledger.claim(WORKER, 5) == []
