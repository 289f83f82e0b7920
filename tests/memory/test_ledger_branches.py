"""The contract of going back: states revised, runs begun from older ones, and conversations closed after a cancel."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.memory.conversation import closed, joined
from dragoman.memory.ledger import Batch, Change, Ledger
from dragoman.memory.model import NO_RUN, Json, RunStatus, ThreadPolicy
from dragoman.memory.setup import RunSetup
from dragoman.memory.threads import CheckpointNotFound, Revision

from .helpers import TENANT, WORKER, change, claim_one, start, submission, submit, types

pytestmark = pytest.mark.anyio


def said(id: str, content: str = "", **more: Json) -> dict[str, Json]:
    return {"role": "user", "content": content or id, "id": id, **more}


async def history(ledger: Ledger, thread_id: str = "t") -> list[tuple[int, int, Any]]:
    return [(c.number, c.parent, c.values) for c in await ledger.checkpoints(TENANT, thread_id, 100)][::-1]


async def test_a_thread_is_made_with_its_history(ledger: Ledger) -> None:
    steps = [Revision({"a": n}, metadata={"as_node": f"n{n}"}) for n in range(3)]
    made = await ledger.create_thread(TENANT, "t", {}, revisions=steps)
    assert (made.values, made.checkpoint) == ({"a": 2}, 3)
    assert await history(ledger) == [(1, 0, {"a": 0}), (2, 1, {"a": 1}), (3, 2, {"a": 2})]
    kept = await ledger.checkpoints(TENANT, "t")
    assert [c.metadata for c in kept] == [{"as_node": "n2"}, {"as_node": "n1"}, {"as_node": "n0"}]


async def test_an_older_state_is_revised_beside_the_newer_ones(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"a": 1, "long": "x" * 2000})
    await ledger.update_thread(TENANT, "t", values={"a": 2, "b": 2})
    revised = await ledger.revise_thread(TENANT, "t", [Revision({"c": 3}), Revision({"a": None})], base=1)
    assert revised.values == {"c": 3, "long": "x" * 2000}
    assert [(n, p) for n, p, _ in await history(ledger)] == [(1, 0), (2, 1), (3, 1), (4, 3)]
    [second] = await ledger.checkpoints(TENANT, "t", 1, 3)
    assert second.values == {"a": 2, "b": 2, "long": "x" * 2000}
    with pytest.raises(CheckpointNotFound):
        await ledger.revise_thread(TENANT, "t", [Revision({})], base=9)
    copy = await ledger.copy_thread(TENANT, "t")
    assert [(n, p) for n, p, _ in await history(ledger, copy.id)] == [(1, 0), (2, 1), (3, 1), (4, 3)]


async def test_each_edit_is_an_event_of_no_run(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"a": 1})
    await ledger.update_thread(TENANT, "t", values={"a": 2})
    await ledger.update_thread(TENANT, "t", metadata={"of": "metadata"})
    await ledger.revise_thread(TENANT, "t", [Revision({"a": 3}), Revision({"a": 4})], base=1)
    events = await ledger.events(TENANT, "t", 0, 10)
    assert [(e.seq, e.run_id, e.type) for e in events] == [(n, NO_RUN, "values") for n in (1, 2, 3)]
    assert [(e.data["checkpoint"], e.data["parent"]) for e in events] == [(2, 1), (3, 1), (4, 3)]


async def test_messages_of_a_revision_are_joined_by_id(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"messages": [said("1"), said("2"), said("3")]})
    new = [said("2", "other"), {"role": "remove", "id": "1"}, said("4")]
    revised = await ledger.revise_thread(TENANT, "t", [Revision(messages=new)])
    assert revised.values["messages"] == [said("2", "other"), said("3"), said("4")]
    gone = await ledger.revise_thread(TENANT, "t", [Revision(messages=[{"role": "remove", "id": "__remove_all__"}])])
    assert gone.values["messages"] == []
    assert joined([said("")], [said("")]) == [said(""), said("")]


@pytest.mark.parametrize("born", [True, False])
async def test_a_run_begins_from_the_checkpoint_it_names(ledger: Ledger, born: bool) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"a": 1})
    await ledger.update_thread(TENANT, "t", values={"a": 2, "b": 2})
    opened = submission(thread_id="t", setup=RunSetup(from_checkpoint=1))
    if born:
        lease = (await ledger.submit(opened, WORKER)).lease
        assert lease is not None
        run = (await ledger.load(TENANT, opened.run_id)).run
    else:
        await ledger.submit(opened)
        await ledger.update_thread(TENANT, "t", values={"late": True})
        run, lease = await claim_one(ledger)
    base = 3 if born else 4
    assert run.base_checkpoint == base
    assert (await ledger.thread(TENANT, "t")).values == {"a": 1}
    await ledger.commit(lease, Batch(values={"c": 3}, change=Change(RunStatus.SUCCEEDED)))
    found = await history(ledger)
    assert found[base - 1 :] == [(base, 1, {"a": 1}), (base + 1, base, {"a": 1, "c": 3})]
    assert found[1] == (2, 1, {"a": 2, "b": 2})
    [forked] = await ledger.checkpoints(TENANT, "t", 1, base + 1)
    assert (forked.metadata, forked.run_id) == ({"source": "fork"}, run.id)
    log = await ledger.events(TENANT, "t")
    told = next(event for event in log if event.type == "values" and event.run_id == run.id).data
    changed = {"a": 1, "b": None, **({} if born else {"late": None})}
    assert told == {"values": changed, "checkpoint": base, "parent": 1, "source": "fork"}


async def test_rolling_a_branch_back_gives_what_was_before_it(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"a": 1})
    await ledger.update_thread(TENANT, "t", values={"a": 2})
    _, lease = await start(ledger, thread_id="t", setup=RunSetup(from_checkpoint=1))
    await ledger.commit(lease, Batch(values={"a": 3}))
    await ledger.cancel(TENANT, lease.run_id, rollback=True)
    await change(ledger, lease, RunStatus.CANCELLED)
    assert (await ledger.thread(TENANT, "t")).values == {"a": 2}


async def test_rolling_back_a_run_that_never_began_changes_nothing(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"a": 1})
    _, lease = await start(ledger, thread_id="t")
    waiting = await submit(ledger, thread_id="t")
    await ledger.commit(lease, Batch(values={"a": 2}, change=Change(RunStatus.SUCCEEDED)))
    await ledger.cancel(TENANT, waiting.id, rollback=True)
    assert (await ledger.thread(TENANT, "t")).values == {"a": 2}


CALL = {"role": "assistant", "content": "", "id": "ai", "tool_calls": [{"id": "c1", "name": "pay"}, {"id": "c2"}]}
DONE = {"role": "tool", "content": "paid", "id": "r1", "tool_call_id": "c1"}


@pytest.mark.parametrize("policy", [ThreadPolicy.INTERRUPT, ThreadPolicy.ROLLBACK])
async def test_no_call_of_a_tool_dangles_after_a_run_was_displaced(ledger: Ledger, policy: ThreadPolicy) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"messages": [said("1")]})
    _, lease = await start(ledger, thread_id="t")
    await ledger.commit(lease, Batch(messages=[CALL, DONE]))
    await ledger.submit(submission(thread_id="t", policy=policy))
    await change(ledger, lease, RunStatus.CANCELLED)
    messages = (await ledger.thread(TENANT, "t")).values["messages"]
    if policy is ThreadPolicy.ROLLBACK:
        assert messages == [said("1")]
        return
    assert [m["id"] for m in messages] == ["1", "ai", "r1", "c2:cancelled"]
    assert messages[-1]["tool_call_id"] == "c2"
    log = await ledger.events(TENANT, "t")
    assert [e.data["messages"] for e in log if e.type == "values"][-1] == messages[-1:]
    assert (await types(ledger, "t"))[-2:] == ["values", "run.cancelled"]


def test_results_are_put_after_their_call_and_only_where_they_lack() -> None:
    assert closed([said("1"), CALL, DONE, {**DONE, "tool_call_id": "c2"}]) is None
    assert closed([said("1"), said("2")]) is None
    found = closed([CALL, DONE, said("2")])
    assert found is not None
    assert [m["id"] for m in found] == ["ai", "r1", "c2:cancelled", "2"]
    blocks = {"role": "assistant", "content": "", "id": "b", "parts": [{"type": "tool_use", "id": "u", "name": "look"}]}
    found = closed([blocks])
    assert found is not None
    assert (found[-1]["tool_call_id"], found[-1]["name"], found[-1]["role"]) == ("u", "look", "tool")
    result = {"role": "user", "content": "", "id": "r", "parts": [{"type": "tool_result", "tool_use_id": "u"}]}
    assert closed([blocks, result]) is None
