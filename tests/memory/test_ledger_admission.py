"""The contract of admission: whose run is taken next, how many may run at once, and how many may wait."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

from dragoman.memory.admission import ClaimTerms, Undriven
from dragoman.memory.errors import QueueFull
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Lease, Ledger
from dragoman.memory.model import Event, Run, RunStatus

from .helpers import FAR, TENANT, WORKER, ask, change, claim_one, start, submission, submit

pytestmark = pytest.mark.anyio

Taken = Sequence[tuple[Lease, Run, tuple[Event, ...]]]


async def flood(ledger: Ledger, tenant: str, count: int, **fields: object) -> list[Run]:
    return [await submit(ledger, tenant=tenant, **fields) for _ in range(count)]


def tenants(taken: Taken) -> Counter[str]:
    return Counter(lease.tenant for lease, _, _ in taken)


def agents(taken: Taken) -> list[str]:
    return [run.agent for _, run, _ in taken]


async def end(ledger: Ledger, leases: Iterable[Lease]) -> None:
    for lease in leases:
        await change(ledger, lease, RunStatus.SUCCEEDED)


# -- between tenants --------------------------------------------------------------------------------------------------


async def test_the_run_of_a_tenant_that_has_one_does_not_wait_for_those_of_a_tenant_that_has_many(
    ledger: Ledger,
) -> None:
    await flood(ledger, "flood", 50)
    await flood(ledger, "lone", 1)
    assert tenants(await ledger.claim(WORKER, 4)) == {"flood": 3, "lone": 1}


async def test_a_place_goes_to_the_tenant_that_has_the_fewest_runs_at_work(ledger: Ledger) -> None:
    await flood(ledger, "a", 10)
    assert tenants(await ledger.claim(WORKER, 4)) == {"a": 4}
    await flood(ledger, "b", 10)
    assert tenants(await ledger.claim(WORKER, 5)) == {"b": 4, "a": 1}
    assert tenants(await ledger.claim("worker-2", 4)) == {"b": 2, "a": 2}


async def test_tenants_that_have_as_many_take_turns(ledger: Ledger) -> None:
    for tenant in "abcde":
        await flood(ledger, tenant, 3)
    order: list[str] = []
    after = ""
    for _ in range(10):
        [(lease, _, _)] = await ledger.claim(WORKER, 1, terms=ClaimTerms(after=after))
        after = lease.tenant
        order.append(after)
        await end(ledger, [lease])
    assert order == list("abcdeabcde")


async def test_all_tenants_are_reached_however_many_there_are(ledger: Ledger) -> None:
    names = [f"t{number:03}" for number in range(60)]
    for name in names:
        await flood(ledger, name, 1)
    taken = await ledger.claim(WORKER, 7, terms=ClaimTerms(after="t055"))
    assert [lease.tenant for lease, _, _ in taken] == ["t056", "t057", "t058", "t059", "t000", "t001", "t002"]
    rest = await ledger.claim(WORKER, 100, terms=ClaimTerms(after="t030"))
    assert tenants([*taken, *rest]) == dict.fromkeys(names, 1)


async def test_reserved_places_are_for_tenants_that_have_none(ledger: Ledger) -> None:
    await flood(ledger, "a", 20)
    await flood(ledger, "b", 20)
    terms = ClaimTerms(reserve=3, holding=frozenset({"a"}))
    assert tenants(await ledger.claim(WORKER, 2, terms=terms)) == {"b": 1}
    await flood(ledger, "c", 20)
    assert tenants(await ledger.claim(WORKER, 5, terms=terms)) == {"a": 1, "b": 1, "c": 1}


async def test_what_a_tenant_has_waiting_for_people_and_for_the_clock_is_not_in_the_way(ledger: Ledger) -> None:
    for _ in range(5):
        _, lease = await start(ledger, tenant="parked")
        await ask(ledger, lease, "q")
        await submit(ledger, tenant="parked", wake_at=FAR)
    await flood(ledger, "lone", 1)
    assert tenants(await ledger.claim(WORKER, 10)) == {"lone": 1}


# -- within a tenant --------------------------------------------------------------------------------------------------


async def test_a_higher_priority_starts_earlier_and_equals_start_by_age(ledger: Ledger) -> None:
    low, first, second, high = [await submit(ledger, priority=level) for level in (-1, 0, 0, 5)]
    taken = [(await claim_one(ledger))[0].id for _ in range(4)]
    assert taken == [high.id, first.id, second.id, low.id]


async def test_a_low_priority_is_overtaken_for_as_many_minutes_as_it_is_lower_and_no_longer(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    low = await submit(ledger, priority=-2)
    for minutes, overtakes in ((1.9, True), (2.1, False)):
        later = now_micros() + int(minutes * 60e6)
        with monkeypatch.context() as clock:
            clock.setattr("dragoman.memory.verbs.submit.now_micros", lambda at=later: at)
            young = await submit(ledger)
        run, lease = await claim_one(ledger)
        assert (run.id == young.id) is overtakes
        await end(ledger, [lease])
    assert (await ledger.load(TENANT, low.id)).run.status is RunStatus.SUCCEEDED


async def test_a_priority_does_not_overtake_within_a_thread(ledger: Ledger) -> None:
    first = await submit(ledger, thread_id="t")
    await submit(ledger, thread_id="t", priority=10)
    assert (await claim_one(ledger))[0].id == first.id
    assert await ledger.claim(WORKER, 5) == []


async def test_runs_that_wait_for_their_thread_are_not_in_the_way_of_others(ledger: Ledger) -> None:
    _, lease = await start(ledger, thread_id="t")
    behind = [await submit(ledger, thread_id="t") for _ in range(40)]
    free = await submit(ledger)
    assert [run.id for _, run, _ in await ledger.claim(WORKER, 3)] == [free.id]
    await end(ledger, [lease])
    run, lease = await claim_one(ledger)
    assert run.id == behind[0].id
    back = await change(ledger, lease, RunStatus.QUEUED)
    assert (await claim_one(ledger))[0].id == back.id


async def test_an_answered_run_goes_on_behind_the_one_that_took_its_thread_and_before_the_younger_ones(
    ledger: Ledger,
) -> None:
    asked, lease = await start(ledger, thread_id="t")
    await ask(ledger, lease, "q")
    _, lease = await start(ledger, thread_id="t")
    young = await submit(ledger, thread_id="t")
    await ledger.answer(TENANT, asked.id, {"q": True}, "ada")
    assert await ledger.claim(WORKER, 5) == []
    await end(ledger, [lease])
    for expected in (asked, young):
        run, lease = await claim_one(ledger)
        assert run.id == expected.id
        await end(ledger, [lease])


async def test_a_cancelled_run_lets_the_next_of_its_thread_start(ledger: Ledger) -> None:
    sleeper = await submit(ledger, thread_id="t", wake_at=FAR)
    nexts = [await submit(ledger, thread_id="t") for _ in range(2)]
    assert await ledger.claim(WORKER, 5) == []
    await ledger.cancel(TENANT, sleeper.id)
    await ledger.cancel(TENANT, nexts[0].id, rollback=True)
    assert (await claim_one(ledger))[0].id == nexts[1].id


# -- bounds -----------------------------------------------------------------------------------------------------------


async def test_no_more_runs_of_an_agent_are_at_work_than_it_may_have(ledger: Ledger) -> None:
    limits = {"refunds": 2}
    first = await ledger.submit(submission(agent_limit=2), WORKER)
    assert first.lease is not None
    for tenant in ("a", "b", "c"):
        await flood(ledger, tenant, 3)
    await flood(ledger, "a", 1, agent="other")
    taken = await ledger.claim("worker-2", 10, terms=ClaimTerms(agent_limits=limits))
    assert sorted(agents(taken)) == ["other", "refunds"]
    assert (await ledger.submit(submission(agent_limit=2), WORKER)).lease is None
    assert await ledger.claim(WORKER, 10, terms=ClaimTerms(agent_limits=limits)) == []
    await ask(ledger, first.lease, "q")  # who waits for a person is not at work
    assert agents(await ledger.claim(WORKER, 10, terms=ClaimTerms(agent_limits=limits))) == ["refunds"]


async def test_no_more_runs_of_a_tenant_are_at_work_than_it_may_have(ledger: Ledger) -> None:
    terms = ClaimTerms(tenant_limit=3)
    await flood(ledger, "a", 10)
    await flood(ledger, "b", 2)
    taken = await ledger.claim(WORKER, 10, terms=terms)
    assert tenants(taken) == {"a": 3, "b": 2}
    assert (await ledger.submit(submission(tenant="a", tenant_limit=3), WORKER)).lease is None
    assert (await ledger.submit(submission(tenant="b", tenant_limit=3), WORKER)).lease is not None
    await end(ledger, [lease for lease, _, _ in taken if lease.tenant == "a"][:2])
    assert tenants(await ledger.claim("worker-2", 10, terms=terms)) == {"a": 2}


async def test_a_run_passes_none_that_waits_for_its_bound_or_its_turn(ledger: Ledger) -> None:
    await submit(ledger, tenant="a")
    assert (await ledger.submit(submission(tenant="b", agent_limit=2), WORKER)).lease is None
    assert (await ledger.submit(submission(tenant="c", in_turn=True), WORKER)).lease is not None
    assert (await ledger.submit(submission(tenant="a", in_turn=True), WORKER)).lease is None
    assert (await ledger.submit(submission(tenant="a", agent="refund", agent_limit=2), WORKER)).lease is not None


async def test_bounds_hold_between_workers_that_take_runs_at_once(ledger: Ledger) -> None:
    await flood(ledger, "a", 30)
    terms = ClaimTerms(agent_limits={"refunds": 7}, tenant_limit=5)
    taking = asyncio.gather(*(ledger.claim(f"worker-{n}", 4, terms=terms) for n in range(8)))
    bounds = {"agent_limit": 7, "tenant_limit": 5}
    opening = asyncio.gather(*(ledger.submit(submission(tenant="b", **bounds), f"worker-{n}") for n in range(8)))
    taken = [one for some in await taking for one in some]
    born = [one.run.tenant for one in await opening if one.lease is not None]
    at_work = Counter([*(lease.tenant for lease, _, _ in taken), *born])
    assert max(at_work.values()) <= 5
    assert at_work.total() <= 7
    at_work += tenants(await ledger.claim(WORKER, 10, terms=terms))
    assert max(at_work.values()) <= 5
    assert at_work.total() == 7


async def test_a_tenant_at_its_bound_hides_nobody(ledger: Ledger) -> None:
    names = [f"t{number:02}" for number in range(40)]
    terms = ClaimTerms(tenant_limit=1)
    for name in names:
        await flood(ledger, name, 2)
    assert len(await ledger.claim(WORKER, 39, terms=terms)) == 39
    assert tenants(await ledger.claim(WORKER, 5, terms=terms)) == {"t39": 1}
    assert await ledger.claim(WORKER, 5, terms=terms) == []


@pytest.mark.parametrize("bounds", [{"tenant_queue_limit": 3}, {"queue_limit": 3}])
async def test_past_its_bound_a_queue_takes_no_more(ledger: Ledger, bounds: dict[str, int]) -> None:
    await flood(ledger, TENANT, 3, **bounds)
    with pytest.raises(QueueFull, match="3 runs") as caught:
        await submit(ledger, **bounds)
    assert 0 < caught.value.retry_after <= 60
    run, _ = await claim_one(ledger)
    assert run.tenant == TENANT
    await submit(ledger, **bounds)
    with pytest.raises(QueueFull):
        await submit(ledger, **bounds)


async def test_the_queue_of_one_tenant_takes_nothing_of_anothers(ledger: Ledger) -> None:
    await flood(ledger, "a", 3, tenant_queue_limit=3)
    await flood(ledger, "b", 3, tenant_queue_limit=3)
    with pytest.raises(QueueFull, match="of this tenant"):
        await submit(ledger, tenant="a", tenant_queue_limit=3)


# -- what a worker drives ---------------------------------------------------------------------------------------------


async def test_a_worker_is_given_what_it_drives(ledger: Ledger) -> None:
    for version in ("1", "1.1", "2"):
        await submit(ledger, agent_version=version)
    await submit(ledger, agent="other", agent_version="1")

    async def taken(**kinds: tuple[str, ...]) -> list[str]:
        return [r.agent_version for _, r, _ in await ledger.claim(WORKER, 10, terms=ClaimTerms(kinds=kinds))]

    assert await taken(refunds=("3",), nobody=("*",)) == []
    assert await taken(refunds=("1",)) == ["1"]
    assert await ledger.waits({"refunds": ("1",)}) == (False, False)
    assert await ledger.waits({"refunds": ("3", "1.*")}) == (True, False)
    assert await taken(refunds=("3", "1.*")) == ["1.1"]
    assert await taken(refunds=("*",)) == ["2"]
    assert await taken(other=("*",)) == ["1"]


async def test_what_waits_for_its_thread_is_told_apart(ledger: Ledger) -> None:
    await start(ledger, thread_id="t")
    await submit(ledger, thread_id="t")
    assert await ledger.waits({"refunds": ("*",)}) == (False, True)


async def test_runs_that_nobody_drives_are_told_of(ledger: Ledger) -> None:
    before = now_micros()
    first = await submit(ledger, agent_version="1")
    await submit(ledger, agent_version="1", tenant="other")
    await submit(ledger, agent_version="2")
    await submit(ledger, agent_version="3", wake_at=FAR)
    own = {"refunds": ("2",)}
    assert await ledger.undriven(own) == [Undriven("refunds", "1", 2, first.created_at)]
    assert first.created_at >= before
    await ledger.announce("elsewhere", {"refunds": ("1",)}, 60.0)
    assert await ledger.undriven(own) == []
    await ledger.announce("elsewhere", {"refunds": ("4",)}, 60.0)
    assert [waiting.version for waiting in await ledger.undriven(own)] == ["1"]
    await ledger.announce("elsewhere", {"refunds": ("1",)}, 0.0)
    assert [waiting.version for waiting in await ledger.undriven(own)] == ["1"]
    await ledger.announce("elsewhere", {"refunds": ("1",)}, 60.0)
    await ledger.withdraw("elsewhere")
    assert [waiting.version for waiting in await ledger.undriven(own)] == ["1"]
