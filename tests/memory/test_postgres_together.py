"""Commits that share a transaction are as far from each other as those that do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal, LiteralString

import psycopg
import pytest

from dragoman.memory.errors import Conflict, LeaseLost, QueueFull
from dragoman.memory.ledger import Batch, Change, Lease, NewArtifact, NewEvent, NewStep, Submitted
from dragoman.memory.model import RunStatus, StepStatus, ThreadStatus
from dragoman.memory.postgres.ledger import PostgresLedger

from .helpers import TENANT, WORKER, assert_gapless, start, submission
from .postgres_ledgers import url_of

pytestmark = pytest.mark.anyio
_WRITTEN: dict[str, LiteralString] = {
    "steps": "SELECT count(DISTINCT xmin::text) FROM steps",
    "runs": "SELECT count(DISTINCT xmin::text) FROM runs",
}
NOTE = Batch(events=[NewEvent("note")])


def step(n: int = 0) -> Batch:
    return Batch(steps=[NewStep(f"s{n}", StepStatus.FINISHED, result=n)])


@pytest.fixture
def url(tmp_path: Path) -> str:
    return url_of(tmp_path)


@pytest.fixture
async def two(url: str) -> AsyncGenerator[tuple[PostgresLedger, PostgresLedger]]:
    here, there = PostgresLedger(url, connections=6), PostgresLedger(url, connections=4)
    for ledger in (here, there):
        await ledger.open()
    yield here, there
    for ledger in (here, there):
        await ledger.close()


async def leases_of(ledger: PostgresLedger, number: int) -> list[Lease]:
    return [(await start(ledger, thread_id=f"t{n}"))[1] for n in range(number)]


def transactions(url: str, table: Literal["steps", "runs"] = "steps") -> int:
    """How many have written a row of a table."""
    with psycopg.connect(url) as db:
        row = db.execute(_WRITTEN[table]).fetchone()
        assert row is not None
        return int(row[0])


async def test_steps_that_come_at_once_share_transactions(two: tuple[PostgresLedger, PostgresLedger], url: str) -> None:
    leases = await leases_of(two[0], 20)
    done = await asyncio.gather(*(two[0].commit(lease, step()) for lease in leases))
    assert [[event.seq for event in one.events] for one in done] == [[3]] * 20
    assert 2 <= transactions(url) <= 4, "so many are two, of which one is made up while the other is written"
    for n in range(20):
        assert_gapless(await two[1].events(TENANT, f"t{n}"))


async def test_runs_that_are_opened_at_once_share_transactions(
    two: tuple[PostgresLedger, PostgresLedger], url: str
) -> None:
    here, there = two
    known = (await here.submit(submission(idempotency_key="known"), WORKER)).run
    wanted = [submission(thread_id=f"t{n}", new_thread=True) for n in range(20)]
    wanted += [submission(idempotency_key=key) for key in ("known", "twice", "twice")]
    made = await asyncio.gather(*(here.submit(one, WORKER) for one in wanted))
    assert [(one.created, one.run.status) for one in made[:20]] == [(True, RunStatus.RUNNING)] * 20
    assert (made[20].created, made[20].run.id) == (False, known.id)
    assert sorted(one.created for one in made[21:]) == [False, True]
    assert made[21].run.id == made[22].run.id
    assert transactions(url, "runs") <= 6
    for n, one in enumerate(made[:20]):
        assert one.lease is not None
        await here.commit(one.lease, step())
        assert_gapless(await there.events(TENANT, f"t{n}"))


async def test_a_thread_that_is_there_harms_no_other_run_that_is_opened_with_it(
    two: tuple[PostgresLedger, PostgresLedger],
) -> None:
    here, there = two
    await there.create_thread(TENANT, "t3", {})
    calls = (here.submit(submission(thread_id=f"t{n}", new_thread=True), WORKER) for n in range(8))
    made = await asyncio.gather(*calls, return_exceptions=True)
    assert [n for n, one in enumerate(made) if isinstance(one, Conflict)] == [3]
    assert sum(isinstance(one, BaseException) for one in made) == 1


async def test_a_queue_takes_no_more_for_being_asked_at_once(two: tuple[PostgresLedger, PostgresLedger]) -> None:
    calls = (two[0].submit(submission(queue_limit=10)) for _ in range(60))
    made = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(one) for one in made} == {Submitted, QueueFull}
    assert sum(isinstance(one, Submitted) for one in made) <= 10 + 6  # those that are counted on other connections


async def test_one_that_is_refused_among_many_is_refused_alone(two: tuple[PostgresLedger, PostgresLedger]) -> None:
    leases = await leases_of(two[0], 8)
    await two[0].commit(leases[3], step())
    done = await asyncio.gather(*(two[0].commit(lease, step()) for lease in leases), return_exceptions=True)
    assert isinstance(done[3], Conflict)
    assert [n for n, one in enumerate(done) if isinstance(one, BaseException)] == [3]
    for n in range(8):
        assert len(await two[1].journal(TENANT, leases[n].run_id)) == 1
        assert_gapless(await two[1].events(TENANT, f"t{n}"))


async def test_a_zombie_among_many_writes_nothing(two: tuple[PostgresLedger, PostgresLedger]) -> None:
    here, there = two
    leases = await leases_of(here, 4)
    await there.commit(leases[0], Batch(change=Change(RunStatus.QUEUED)))
    [(taken, _, _)] = await there.claim("w2", 1)
    done = await asyncio.gather(*(here.commit(lease, step()) for lease in leases), return_exceptions=True)
    assert isinstance(done[0], LeaseLost)
    assert not any(isinstance(one, BaseException) for one in done[1:])
    assert await there.journal(TENANT, taken.run_id) == {}
    await there.commit(taken, step())


async def test_what_another_replica_wrote_since_is_counted_in(two: tuple[PostgresLedger, PostgresLedger]) -> None:
    here, there = two
    leases = await leases_of(here, 6)
    await there.submit(submission(thread_id="t1"))
    await there.update_thread(TENANT, "t2", values={"told": 1})
    await there.cancel(TENANT, leases[3].run_id, "enough")
    batch = Batch(values={"a": 1})
    done = await asyncio.gather(*(here.commit(lease, batch) for lease in leases))
    assert done[2].values == {"told": 1, "a": 1}
    assert done[3].run.cancel_requested
    assert not done[4].run.cancel_requested
    for n in range(6):
        assert_gapless(await there.events(TENANT, f"t{n}"))


async def test_a_run_that_another_replica_queued_is_seen_by_the_one_that_ends(
    two: tuple[PostgresLedger, PostgresLedger],
) -> None:
    here, there = two
    leases = await leases_of(here, 4)
    await asyncio.gather(*(here.commit(lease, step()) for lease in leases))
    queued = await there.submit(submission(thread_id="t1"))
    end = Batch(change=Change(RunStatus.SUCCEEDED))
    await asyncio.gather(*(here.commit(lease, end) for lease in leases))
    statuses = [(await there.thread(TENANT, f"t{n}")).status for n in range(4)]
    assert statuses == [ThreadStatus.IDLE, ThreadStatus.BUSY, ThreadStatus.IDLE, ThreadStatus.IDLE]
    assert [run.id for _, run, _ in await there.claim("w2", 4)] == [queued.run.id]


async def test_a_thread_that_somebody_holds_holds_nobody_else_up(
    two: tuple[PostgresLedger, PostgresLedger], url: str
) -> None:
    here, _ = two
    leases = await leases_of(here, 4)
    with psycopg.connect(url) as db:
        db.execute("SELECT 1 FROM threads WHERE id = 't0' FOR UPDATE")
        held = asyncio.create_task(here.commit(leases[0], NOTE))
        async with asyncio.timeout(5):
            await asyncio.gather(*(here.commit(lease, NOTE) for lease in leases[1:]))
        assert not held.done()
    async with asyncio.timeout(5):
        await held


async def test_many_writes_to_one_run_are_written_one_after_the_other(
    two: tuple[PostgresLedger, PostgresLedger],
) -> None:
    _, lease = await start(two[0], thread_id="t")
    await asyncio.gather(*(two[0].commit(lease, step(n)) for n in range(12)))
    journal = await two[1].journal(TENANT, lease.run_id)
    assert sorted(found.position for found in journal.values()) == list(range(1, 13))
    assert_gapless(await two[1].events(TENANT, "t"))


async def test_runs_that_are_written_once_with_one_key_are_one(two: tuple[PostgresLedger, PostgresLedger]) -> None:
    here, there = two
    ended = Batch(change=Change(RunStatus.SUCCEEDED, 1))
    wanted = [submission(idempotency_key=f"k{n % 2}") for n in range(8)]
    made = await asyncio.gather(*((here, there)[n % 3 == 0].record(one, ended, 1) for n, one in enumerate(wanted)))
    assert [one.created for one in made].count(True) == 2
    assert len({one.run.id for one in made}) == 2


async def test_a_caller_that_goes_away_takes_nothing_with_it(two: tuple[PostgresLedger, PostgresLedger]) -> None:
    leases = await leases_of(two[0], 3)
    tasks = [asyncio.create_task(two[0].commit(lease, step())) for lease in leases]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await two[0].renew(WORKER, [])  # which waits for what is under way
    for lease in leases:
        assert len(await two[1].journal(TENANT, lease.run_id)) == 1


async def test_children_and_their_parent_are_written_at_once(two: tuple[PostgresLedger, PostgresLedger]) -> None:
    here, there = two
    parent, lease = await start(here, thread_id="parent")
    children = [await start(here, thread_id=f"c{n}", parent_run_id=parent.id) for n in range(6)]
    ended = Batch(change=Change(RunStatus.SUCCEEDED))
    async with asyncio.timeout(20):
        await asyncio.gather(here.commit(lease, step()), *(here.commit(child, ended) for _, child in children))
    again = await here.commit(lease, Batch(change=Change(RunStatus.QUEUED, wake_at=2**60)))
    assert again.run.wake_at is None, "a child has settled meanwhile"
    assert_gapless(await there.events(TENANT, "parent"))


async def test_a_write_that_is_tried_again_stays_before_the_next_one_of_its_run(
    two: tuple[PostgresLedger, PostgresLedger], url: str
) -> None:
    here, there = two
    _, lease = await start(here, thread_id="t")
    waiting: LiteralString = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(url) as db, psycopg.connect(url, autocommit=True) as admin:
        db.execute("SELECT 1 FROM threads FOR UPDATE")
        file = NewArtifact("f", "f.txt", "text/plain", b"kept")
        first = asyncio.create_task(here.commit(lease, Batch(artifacts=[file], emitted=1)))
        async with asyncio.timeout(5):
            while not (found := admin.execute(waiting).fetchall()):
                await here.ping()
        last = asyncio.create_task(here.commit(lease, Batch(change=Change(RunStatus.SUCCEEDED))))
        for _ in range(30):  # it may come as far as it can
            await here.ping()
        admin.execute("SELECT pg_terminate_backend(%s)", found[0])
    await asyncio.gather(first, last)
    assert [kept.data for kept in (await there.load(TENANT, lease.run_id)).artifacts] == [b"kept"]
