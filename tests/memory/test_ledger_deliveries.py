"""The contract of deliveries: whom a run's log is told to, how far, and what was given up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from dragoman.memory.errors import Conflict, InputInvalid, LeaseLost, RunNotFound, ThreadBusy
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Ledger, Submission
from dragoman.memory.model import RunStatus, ThreadPolicy
from dragoman.memory.outbox import (
    Claimed,
    Delivery,
    DeliveryCounts,
    DeliveryNotFound,
    DeliveryStatus,
    Move,
    NewDeadLetter,
    NewDelivery,
)

from .conftest import Reopen
from .helpers import FAR, TENANT, change, emit, start

pytestmark = pytest.mark.anyio

KINDS = ("test",)
URL = "https://receiver.example/hook"
SECRET = {"token": "whisper"}
MANY = 100


def new(run_id: str, id: str = "d", **fields: Any) -> NewDelivery:
    known: dict[str, Any] = {"tenant": TENANT, "kind": "test", "url": URL, "secret": SECRET, "options": {"shown": 1}}
    return NewDelivery(run_id=run_id, id=id, **{**known, **fields})


async def claim(ledger: Ledger, of: Delivery, worker: str = "w1", lease_s: float = 60.0) -> Claimed:
    claimed = await ledger.claim_delivery(of.tenant, of.run_id, of.id, worker, lease_s)
    assert claimed is not None
    return claimed


async def refused(ledger: Ledger, of: Delivery, worker: str = "w2") -> bool:
    return await ledger.claim_delivery(of.tenant, of.run_id, of.id, worker) is None


async def read(ledger: Ledger, of: Delivery) -> Delivery:
    return (await ledger.delivery(of.tenant, of.run_id, of.id))[0]


async def due(ledger: Ledger) -> list[str]:
    return [delivery.id for delivery in await ledger.due_deliveries(KINDS, MANY)]


async def test_a_delivery_is_kept_with_its_secret_apart_and_is_due_at_once(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    added = await ledger.add_delivery(new(run.id, after=2), MANY)
    found, secret = await ledger.delivery(TENANT, run.id, "d")
    assert found == added
    assert (found.thread_id, found.url, found.options) == (run.thread_id, URL, {"shown": 1})
    assert (found.status, found.cursor, found.part, found.attempts) == (DeliveryStatus.ACTIVE, 2, 0, 0)
    assert secret == SECRET
    assert "whisper" not in str(found)
    assert await due(ledger) == ["d"]
    assert await ledger.due_deliveries(("another",), MANY) == []


async def test_a_delivery_needs_a_run_of_its_tenant(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    with pytest.raises(RunNotFound):
        await ledger.add_delivery(new("nobody"), MANY)
    with pytest.raises(RunNotFound):
        await ledger.add_delivery(new(run.id, tenant="umbrella"), MANY)
    await ledger.add_delivery(new(run.id), MANY)
    with pytest.raises(DeliveryNotFound):
        await ledger.delivery("umbrella", run.id, "d")
    assert await ledger.drop_delivery("umbrella", run.id, "d") is False
    assert await ledger.claim_delivery("umbrella", run.id, "d", "w1") is None


async def test_a_run_has_only_so_many(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    for id in "abc":
        await ledger.add_delivery(new(run.id, id), 3)
    with pytest.raises(Conflict, match="3 deliveries"):
        await ledger.add_delivery(new(run.id, "d"), 3)
    await ledger.add_delivery(new(run.id, "c", url="https://other.example"), 3)
    await ledger.drop_delivery(TENANT, run.id, "a")
    await ledger.add_delivery(new(run.id, "d"), 3)


async def test_one_sender_at_a_time(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    told = await asyncio.gather(*(ledger.claim_delivery(TENANT, run.id, "d", f"w{n}") for n in range(20)))
    [won] = [claimed for claimed in told if claimed is not None]
    assert (won.secret, won.delivery.id) == (SECRET, "d")
    assert await due(ledger) == []
    await ledger.move_delivery(won.lease, Move(cursor=1, keep=True))
    assert await refused(ledger, delivery)
    await ledger.move_delivery(won.lease, Move(cursor=2))
    assert not await refused(ledger, delivery)


async def test_a_lease_that_ran_out_is_anothers_and_its_old_holder_moves_nothing(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    old = await claim(ledger, delivery, lease_s=0.0)
    assert await ledger.sweep_deliveries() == 1
    assert await due(ledger) == ["d"]
    again = await claim(ledger, delivery, "w1")  # the same worker: the turn tells them apart
    with pytest.raises(LeaseLost):
        await ledger.move_delivery(old.lease, Move(cursor=9))
    await ledger.move_delivery(again.lease, Move(cursor=1))
    assert (await read(ledger, delivery)).cursor == 1


async def test_a_failure_waits_for_its_time_and_an_event_does_not_hurry_it(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    claimed = await claim(ledger, delivery)
    await ledger.move_delivery(claimed.lease, Move(cursor=0, part=1, attempts=3, next_at=FAR, error="HTTP 500"))
    await emit(ledger, lease, "note")
    assert await refused(ledger, delivery)
    assert await ledger.sweep_deliveries() == 0
    assert await due(ledger) == []
    assert await ledger.next_delivery(KINDS) == FAR
    assert await ledger.next_delivery(("another",)) is None
    found = await read(ledger, delivery)
    assert (found.part, found.attempts, found.error, found.next_at) == (1, 3, "HTTP 500", FAR)


async def test_what_waits_for_an_event_is_due_when_its_run_has_one(ledger: Ledger) -> None:
    run, lease = await start(ledger)  # two events so far
    delivery = await ledger.add_delivery(new(run.id), MANY)
    await ledger.move_delivery((await claim(ledger, delivery)).lease, Move(cursor=2))
    assert (await due(ledger), await ledger.sweep_deliveries()) == ([], 0)
    await emit(ledger, lease, "note")
    assert await ledger.sweep_deliveries() == 1
    assert await due(ledger) == ["d"]


async def test_another_runs_events_are_none_of_its_own(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    await change(ledger, lease, RunStatus.SUCCEEDED)
    await ledger.move_delivery((await claim(ledger, delivery)).lease, Move(cursor=3))
    await start(ledger, thread_id=run.thread_id)
    assert await ledger.sweep_deliveries() == 0


async def test_a_delivery_put_again_keeps_its_place_and_takes_the_lease_away(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    claimed = await claim(ledger, delivery)
    await ledger.move_delivery(claimed.lease, Move(cursor=2, part=1, attempts=5, next_at=FAR, keep=True))
    again = await ledger.add_delivery(new(run.id, url="https://other.example", secret={"token": "u"}), MANY)
    assert (again.cursor, again.part, again.attempts, again.ordinal) == (2, 1, 0, delivery.ordinal)
    assert (await ledger.delivery(TENANT, run.id, "d"))[1] == {"token": "u"}
    with pytest.raises(LeaseLost):
        await ledger.move_delivery(claimed.lease, Move(cursor=3))
    assert await due(ledger) == ["d"]
    further = await ledger.add_delivery(new(run.id, after=7, secret={}), MANY)
    assert (further.cursor, further.part) == (7, 0)
    assert (await ledger.delivery(TENANT, run.id, "d"))[1] == {}


async def test_a_delivery_that_is_done_has_no_secret_and_is_not_due(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    await ledger.move_delivery((await claim(ledger, delivery)).lease, Move(cursor=3, status=DeliveryStatus.DONE))
    found, secret = await ledger.delivery(TENANT, run.id, "d")
    assert (found.status, secret) == (DeliveryStatus.DONE, {})
    assert await refused(ledger, delivery)
    assert (await due(ledger), await ledger.sweep_deliveries()) == ([], 0)


async def stop_at(ledger: Ledger, delivery: Delivery, seq: int, part: int = 0) -> int:
    """Give a message up and stop there; the letter's number."""
    dead = NewDeadLetter(seq, part, 12, "HTTP 500", b"{}")
    move = Move(cursor=seq - 1, part=part, status=DeliveryStatus.DEAD, attempts=12, error="HTTP 500", dead=dead)
    await ledger.move_delivery((await claim(ledger, delivery)).lease, move)
    return [letter.number for letter in await ledger.dead_letters()][-1]


async def test_a_dead_letter_says_what_was_given_up_and_stops_its_delivery(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    before = now_micros()
    number = await stop_at(ledger, delivery, 2, 1)
    await emit(ledger, lease, "note")
    [letter] = await ledger.dead_letters(TENANT)
    assert (letter.number, letter.run_id, letter.delivery_id, letter.url) == (number, run.id, "d", URL)
    assert (letter.seq, letter.part, letter.attempts, letter.error, letter.body) == (2, 1, 12, "HTTP 500", b"{}")
    assert letter.stopped
    assert letter.at >= before
    assert await ledger.dead_letters("umbrella") == []
    assert await refused(ledger, delivery)
    assert (await due(ledger), await ledger.sweep_deliveries()) == ([], 0)
    assert await ledger.count_deliveries() == DeliveryCounts(active=0, stopped=1, dead_letters=1)
    assert await ledger.count_deliveries("umbrella") == DeliveryCounts(0, 0, 0)


async def test_a_dead_letter_is_tried_again_with_all_that_comes_after_it(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    number = await stop_at(ledger, delivery, 2, 1)
    assert await ledger.retry_dead_letter(number, "umbrella") is False
    assert await ledger.retry_dead_letter(number) is True
    assert await ledger.retry_dead_letter(number) is False
    found = await read(ledger, delivery)
    assert (found.status, found.cursor, found.part, found.attempts) == (DeliveryStatus.ACTIVE, 1, 1, 0)
    assert (await due(ledger), await ledger.dead_letters()) == (["d"], [])


async def test_a_dropped_dead_letter_lets_its_delivery_go_on_with_the_next(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    number = await stop_at(ledger, delivery, 2)
    assert await ledger.drop_dead_letter(number, "umbrella") is False
    assert await ledger.drop_dead_letter(number) is True
    assert await ledger.drop_dead_letter(number) is False
    found = await read(ledger, delivery)
    assert (found.status, found.cursor, found.part) == (DeliveryStatus.ACTIVE, 1, 1)
    assert (await due(ledger), await ledger.dead_letters()) == (["d"], [])


async def test_a_message_that_is_skipped_keeps_the_secret_until_it_is_dropped_or_sent(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    claimed = await claim(ledger, delivery)
    for seq in (2, 3):
        skipped = NewDeadLetter(seq, 0, 1, "too large")
        await ledger.move_delivery(claimed.lease, Move(cursor=seq, dead=skipped, keep=True))
    await ledger.move_delivery(claimed.lease, Move(cursor=4, status=DeliveryStatus.DONE))
    assert [(letter.seq, letter.stopped) for letter in await ledger.dead_letters()] == [(2, False), (3, False)]
    assert (await ledger.delivery(TENANT, run.id, "d"))[1] == SECRET
    first, second = [letter.number for letter in await ledger.dead_letters()]
    assert [letter.number for letter in await ledger.dead_letters(after=first)] == [second]
    assert [letter.number for letter in await ledger.dead_letters(limit=1)] == [first]
    await ledger.drop_dead_letter(second)
    assert (await read(ledger, delivery)).status is DeliveryStatus.DONE
    await ledger.retry_dead_letter(first)
    found = await read(ledger, delivery)
    assert (found.status, found.cursor, found.part) == (DeliveryStatus.ACTIVE, 1, 0)


async def test_deliveries_are_listed_in_pages_oldest_first(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    other, _ = await start(ledger, tenant="umbrella")
    for id in "abc":
        await ledger.add_delivery(new(run.id, id), MANY)
    await ledger.add_delivery(new(other.id, "x", tenant="umbrella"), MANY)
    page = await ledger.deliveries(TENANT, run.id, limit=2)
    assert [delivery.id for delivery in page.items] == ["a", "b"]
    rest = await ledger.deliveries(TENANT, run.id, limit=2, cursor=page.cursor)
    assert ([delivery.id for delivery in rest.items], rest.cursor) == (["c"], None)
    assert [delivery.id for delivery in (await ledger.deliveries(None)).items] == ["a", "b", "c", "x"]
    assert [delivery.id for delivery in (await ledger.deliveries("umbrella")).items] == ["x"]
    assert (await ledger.deliveries("umbrella", run.id)).items == ()
    assert (await ledger.deliveries(None, status=DeliveryStatus.DONE)).items == ()
    with pytest.raises(InputInvalid):
        await ledger.deliveries(TENANT, cursor="nonsense")


async def test_what_is_forgotten_takes_its_deliveries_along(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    await stop_at(ledger, delivery, 2)
    await change(ledger, lease, RunStatus.SUCCEEDED)
    second, lease = await start(ledger)
    claimed = await claim(ledger, await ledger.add_delivery(new(second.id), MANY))
    await change(ledger, lease, RunStatus.SUCCEEDED)
    await ledger.delete_run(TENANT, run.id)
    await ledger.delete_thread(TENANT, second.thread_id)
    assert await ledger.count_deliveries() == DeliveryCounts(0, 0, 0)
    for of in (run, second):
        with pytest.raises(DeliveryNotFound):
            await ledger.delivery(TENANT, of.id, "d")
    with pytest.raises(LeaseLost):
        await ledger.move_delivery(claimed.lease, Move(cursor=1))


async def test_a_deleted_delivery_is_gone_with_its_dead_letters(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    await stop_at(ledger, delivery, 2)
    assert await ledger.drop_delivery(TENANT, run.id, "d") is True
    assert await ledger.drop_delivery(TENANT, run.id, "d") is False
    assert await ledger.dead_letters() == []


async def test_a_worker_that_stops_gives_back_what_it_sends_for(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    mine = await ledger.add_delivery(new(run.id, "mine"), MANY)
    others = await ledger.add_delivery(new(run.id, "others"), MANY)
    await claim(ledger, mine, "w1")
    await claim(ledger, others, "w2")
    await ledger.release_deliveries("w1")
    assert await due(ledger) == ["mine"]


async def test_the_place_outlives_the_process_and_its_leases_do_not(ledger: Ledger, reopen: Reopen) -> None:
    run, _ = await start(ledger)
    delivery = await ledger.add_delivery(new(run.id), MANY)
    claimed = await claim(ledger, delivery)
    await ledger.move_delivery(claimed.lease, Move(cursor=1, part=1, keep=True))
    again = await reopen()
    assert await due(again) == ["d"]
    assert ((await read(again, delivery)).cursor, (await read(again, delivery)).part) == (1, 1)
    assert (await again.delivery(TENANT, run.id, "d"))[1] == SECRET


async def test_deliveries_to_an_address_that_has_no_place_are_left_out_of_what_is_due(ledger: Ledger) -> None:
    run, _ = await start(ledger)
    await ledger.add_delivery(replace(new(run.id, "a"), url="HTTPS://One.example/x"), MANY)
    await ledger.add_delivery(replace(new(run.id, "b"), url="https://two.example/x"), MANY)
    found = await ledger.due_deliveries(KINDS, MANY, ["https://one.example"])
    assert [delivery.id for delivery in found] == ["b"]


async def test_a_delivery_is_kept_with_its_run_or_not_at_all(ledger: Ledger) -> None:
    submission = Submission(TENANT, "agent", "1", "run-1", thread_id="t", idempotency_key="k")
    await ledger.submit(replace(submission, deliveries=[new("run-1", "a"), new("run-1", "b")]))
    await ledger.submit(replace(submission, deliveries=[new("run-1", "c")]))
    assert [delivery.id for delivery in (await ledger.deliveries(TENANT, "run-1")).items] == ["a", "b"]
    other = replace(submission, run_id="run-2", idempotency_key=None, policy=ThreadPolicy.REJECT)
    with pytest.raises(ThreadBusy):
        await ledger.submit(replace(other, deliveries=[new("run-2", "a")]))
    assert (await ledger.deliveries(TENANT, "run-2")).items == ()
