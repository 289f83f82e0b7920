"""The contract of crons: each due time has one run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from dragoman.memory.assistants import NewAssistant
from dragoman.memory.crons import Cron, CronFilter, CronNotFound
from dragoman.memory.errors import Conflict, QueueFull, ThreadBusy, ThreadNotFound
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import RunStatus, ThreadPolicy

from .conftest import Reopen
from .helpers import TENANT, WORKER, submission

pytestmark = pytest.mark.anyio

KINDS = ["test"]


def new(id: str, **fields: Any) -> Cron:
    known: dict[str, Any] = {"tenant": TENANT, "id": id, "kind": "test", "assistant_id": "one", "schedule": "* * * * *"}
    return Cron(**{**known, **fields})


async def add(ledger: Ledger, id: str, **fields: Any) -> Cron:
    return await ledger.add_cron(new(id, **fields), 100)


async def test_a_cron_is_kept_as_it_was_given(ledger: Ledger, reopen: Reopen) -> None:
    thread = await ledger.create_thread(TENANT, None, {})
    given = new(
        "a",
        thread_id=thread.id,
        subject="ada",
        timezone="Europe/Berlin",
        end_at=99,
        enabled=False,
        on_run_completed="keep",
        payload={"input": {"x": 1}},
        metadata={"m": [1]},
        next_at=7,
    )
    made = await ledger.add_cron(given, 100)
    assert made.created_at == made.updated_at > 0
    assert made == replace(given, wake_at=7, created_at=made.created_at, updated_at=made.updated_at)
    assert await (await reopen()).cron(TENANT, "a") == made


async def test_a_cron_needs_its_thread_a_free_id_and_room(ledger: Ledger) -> None:
    with pytest.raises(ThreadNotFound):
        await add(ledger, "a", thread_id="nowhere")
    await add(ledger, "a")
    with pytest.raises(Conflict):
        await add(ledger, "a")
    with pytest.raises(Conflict, match="most"):
        await ledger.add_cron(new("b"), 1)
    await ledger.add_cron(new("b", tenant="umbrella"), 1)


async def test_a_cron_is_replaced_unless_someone_else_was_faster(ledger: Ledger) -> None:
    made = await add(ledger, "a", next_at=5, payload={"x": 1})
    second = await ledger.replace_cron(replace(made, schedule="0 * * * *", next_at=9, enabled=False, metadata={"n": 1}))
    assert (second.schedule, second.next_at, second.wake_at, second.enabled) == ("0 * * * *", 9, 9, False)
    assert (second.metadata, second.payload, second.revision) == ({"n": 1}, {"x": 1}, 2)
    assert second.created_at == made.created_at
    assert second.updated_at > made.updated_at
    with pytest.raises(Conflict, match="meanwhile"):
        await ledger.replace_cron(replace(made, schedule="1 * * * *"))
    assert await ledger.cron(TENANT, "a") == second
    with pytest.raises(CronNotFound):
        await ledger.replace_cron(new("b"))


async def test_crons_are_due_by_their_time_and_kind(ledger: Ledger) -> None:
    for name, at in (("c", 30), ("a", 10), ("b", 20), ("never", None)):
        await add(ledger, name, next_at=at)
    await add(ledger, "other", kind="other", next_at=1)
    await add(ledger, "theirs", tenant="umbrella", next_at=15)
    assert [c.id for c in await ledger.due_crons(KINDS, 20, 10)] == ["a", "theirs", "b"]
    assert [c.id for c in await ledger.due_crons(KINDS, 99, 2)] == ["a", "theirs"]
    assert await ledger.next_cron(KINDS) == 10
    assert await ledger.next_cron(["other", "test"]) == 1
    assert (await ledger.next_cron(["none"]), await ledger.due_crons([], 99, 10)) == (None, [])


async def test_a_due_time_is_fired_once_however_many_fire_it(ledger: Ledger) -> None:
    cron = await add(ledger, "a", next_at=10)
    fired = await asyncio.gather(
        *(ledger.fire_cron(cron, 20, submission(idempotency_key=f"k{n}"), WORKER) for n in range(5))
    )
    [won] = [one for one in fired if one is not None]
    assert won.run.status is RunStatus.RUNNING
    assert won.lease is not None
    moved = await ledger.cron(TENANT, "a")
    assert (moved.next_at, moved.wake_at, moved.revision) == (20, 20, 1)
    assert await ledger.fire_cron(cron, 30, submission()) is None
    assert (await ledger.cron(TENANT, "a")).next_at == 20


async def test_what_was_changed_since_it_was_read_is_not_fired(ledger: Ledger) -> None:
    cron = await add(ledger, "a", next_at=10)
    changed = await ledger.replace_cron(replace(cron, payload={"new": True}))
    assert await ledger.fire_cron(cron, 20, submission()) is None
    assert await ledger.cron(TENANT, "a") == changed
    assert await ledger.fire_cron(changed, 20, submission()) is not None
    await ledger.delete_cron(TENANT, "a")
    assert await ledger.fire_cron(changed, 30, submission()) is None
    with pytest.raises(CronNotFound):
        await ledger.delete_cron(TENANT, "a")


async def test_a_run_that_cannot_be_opened_leaves_the_cron_where_it_is(ledger: Ledger) -> None:
    thread = await ledger.create_thread(TENANT, None, {})
    cron = await add(ledger, "a", next_at=10, thread_id=thread.id)
    await ledger.submit(submission(thread_id=thread.id))
    with pytest.raises(ThreadBusy):
        await ledger.fire_cron(cron, 20, submission(thread_id=thread.id, policy=ThreadPolicy.REJECT))
    with pytest.raises(QueueFull):
        await ledger.fire_cron(cron, 20, submission(queue_limit=1))
    assert await ledger.cron(TENANT, "a") == cron
    await ledger.postpone_cron(cron, 15)
    later = await ledger.cron(TENANT, "a")
    assert (later.next_at, later.wake_at) == (10, 15)
    assert await ledger.due_crons(KINDS, 12, 10) == []
    assert await ledger.fire_cron(cron, 20, submission()) is not None


async def test_a_due_time_may_be_passed_over(ledger: Ledger) -> None:
    cron = await add(ledger, "a", next_at=10)
    assert await ledger.fire_cron(cron, None, None) is None
    over = await ledger.cron(TENANT, "a")
    assert (over.next_at, over.wake_at) == (None, None)
    assert await ledger.next_cron(KINDS) is None


async def test_a_cron_goes_with_its_thread_and_with_its_assistant(ledger: Ledger) -> None:
    await ledger.create_assistant(NewAssistant(TENANT, "one", "refunds", "one"))
    thread = await ledger.create_thread(TENANT, None, {})
    for name, fields in (
        ("t", {"thread_id": thread.id, "assistant_id": "two"}),
        ("s", {}),
        ("u", {"assistant_id": "x"}),
    ):
        await add(ledger, name, next_at=1, **fields)
    await ledger.delete_thread(TENANT, thread.id)
    assert {c.id for c in await ledger.crons(TENANT)} == {"s", "u"}
    await ledger.delete_assistant(TENANT, "one")
    assert [c.id for c in await ledger.crons(TENANT)] == ["u"]


async def test_crons_are_listed_by_any_order_and_filter(ledger: Ledger) -> None:
    thread = await ledger.create_thread(TENANT, None, {})
    for name, fields in (
        ("b", {"assistant_id": "x", "next_at": 3, "thread_id": thread.id}),
        ("a", {"assistant_id": "y", "enabled": False}),
        ("c", {"assistant_id": "x", "next_at": 1}),
    ):
        await add(ledger, name, metadata={"name": name}, **fields)

    async def ids(order: Any = "created_at", **asked: Any) -> str:
        return "".join(c.id for c in await ledger.crons(TENANT, None, order, **asked))

    assert (await ids(), await ids(descending=False)) == ("cab", "bac")
    assert (await ids("next_at"), await ids("next_at", descending=False)) == ("bca", "acb")
    assert (await ids("assistant_id"), await ids("thread_id")) == ("acb", "bca")
    assert (await ids("id", limit=1, offset=1), await ids("updated_at")) == ("b", "cab")

    async def found(**where: Any) -> str:
        listed = await ledger.crons(TENANT, CronFilter(**where), "id", descending=False)
        assert await ledger.count_crons(TENANT, CronFilter(**where)) == len(listed)
        return "".join(c.id for c in listed)

    assert (await found(assistant_id="x"), await found(thread_id=thread.id)) == ("bc", "b")
    assert (await found(enabled=True), await found(enabled=False)) == ("bc", "a")
    assert (await found(metadata={"name": "c"}), await found(metadata={"name": 1})) == ("c", "")


async def test_another_tenants_crons_are_not_there(ledger: Ledger) -> None:
    theirs = await add(ledger, "a", next_at=1)
    assert await ledger.crons("umbrella") == []
    for verb in (ledger.cron, ledger.delete_cron):
        with pytest.raises(CronNotFound):
            await verb("umbrella", "a")
    with pytest.raises(CronNotFound):
        await ledger.replace_cron(replace(theirs, tenant="umbrella"))
    assert await ledger.fire_cron(replace(theirs, tenant="umbrella"), 2, submission()) is None
    assert await ledger.cron(TENANT, "a") == theirs
