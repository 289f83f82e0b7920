"""Events by day: made ahead, read by the days of their thread, dropped whole without what must be kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Batch, Change, NewEvent, NewInterrupt
from dragoman.memory.model import InterruptKind, RunStatus
from dragoman.memory.postgres import dropping
from dragoman.memory.postgres.dialect import OWN
from dragoman.memory.postgres.ledger import PostgresLedger
from dragoman.memory.postgres.tx import PostgresTx
from dragoman.memory.verbs import commit, submit

from .helpers import TENANT, assert_gapless, start
from .postgres_ledgers import url_of

pytestmark = pytest.mark.anyio
DAY = 86_400_000_000
TODAY = now_micros() // DAY
NOTE = Batch(events=[NewEvent("note")])


@pytest.fixture
def url(tmp_path: Path) -> str:
    return url_of(tmp_path)


@pytest.fixture
async def ledger(url: str) -> AsyncGenerator[PostgresLedger]:
    ledger = PostgresLedger(url)
    await ledger.open()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SELECT dragoman_make_days(7)")
    yield ledger
    await ledger.close()
    with psycopg.connect(url, autocommit=True) as db:  # the next test's database is this one
        for name in days(db):
            db.execute(f"DROP TABLE {name}".encode())
        db.execute("SELECT dragoman_make_days(7)")


@pytest.fixture
def at_day(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """What is written from now on is written so many days from today, by a host's clock that says so."""

    def set_clock(days: int) -> None:
        for module in (commit, submit):
            monkeypatch.setattr(module, "now_micros", lambda: now_micros() + days * DAY)

    return set_clock


def named(day: int) -> str:
    return f"events_{date(1970, 1, 1) + timedelta(days=day):%Y%m%d}"


def days(db: psycopg.Connection[tuple[str]]) -> list[str]:
    found = db.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass")
    return sorted(name for (name,) in found.fetchall() if name != "events_rest")


def make(url: str, *back: int) -> None:
    """Partitions of days that are past."""
    with psycopg.connect(url) as db:
        for day in (TODAY - n for n in back):
            bounds = f"FOR VALUES FROM ({day * DAY}) TO ({(day + 1) * DAY})"
            db.execute(f"CREATE TABLE {named(day)} PARTITION OF events {bounds}".encode())


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as db:
        row = db.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert row is not None
        return int(row[0])


async def test_there_is_a_partition_for_today_and_a_week_ahead(ledger: PostgresLedger, url: str) -> None:
    with psycopg.connect(url) as db:
        assert days(db) == [named(TODAY + n) for n in range(8)]
    await start(ledger)
    assert count(url, named(TODAY)) == 2
    assert count(url, "events_rest") == 0


async def test_servers_make_days_ahead_once_without_being_told(ledger: PostgresLedger, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        for n in range(4, 8):
            db.execute(f"DROP TABLE {named(TODAY + n)}".encode())
        others = [PostgresLedger(url, connections=2) for _ in range(4)]
        for one in others:
            await one.open()
        await asyncio.gather(*(one.sweep(3) for one in others))
        assert days(db) == [named(TODAY + n) for n in range(8)]
        for one in others:
            await one.close()


async def test_events_whose_day_is_missing_are_kept_and_go_to_it_when_it_is_made(
    ledger: PostgresLedger, url: str
) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"DROP TABLE {named(TODAY)}".encode())
        run, lease = await start(ledger, thread_id="t")
        await ledger.commit(lease, NOTE)
        assert count(url, "events_rest") == 3
        db.execute("SELECT dragoman_make_days(7)")
    assert (count(url, "events_rest"), count(url, named(TODAY))) == (0, 3)
    assert_gapless(await ledger.events(TENANT, run.thread_id))


async def test_a_replica_whose_clock_is_days_off_hides_no_event(
    ledger: PostgresLedger, url: str, at_day: Callable[[int], None]
) -> None:
    make(url, 1, 2, 3)
    _, lease = await start(ledger, thread_id="t")
    for days_off in (-3, 0, 5, 40, -30):
        at_day(days_off)
        await ledger.commit(lease, NOTE)
    events = await ledger.events(TENANT, "t")
    assert_gapless(events)
    assert len(events) == 7
    assert len(await ledger.events(TENANT, "t", run_id=lease.run_id)) == 7


async def test_a_thread_is_read_by_its_days_alone(
    ledger: PostgresLedger, url: str, at_day: Callable[[int], None]
) -> None:
    make(url, *range(1, 31))
    at_day(-20)
    _, lease = await start(ledger, thread_id="t")
    at_day(-19)
    await ledger.commit(lease, NOTE)
    queries = {
        "events_of_thread": (TENANT, "t", 0, 100),
        "events_of_run": (TENANT, lease.run_id, "t", 0, 100),
        "first_events": (TENANT, "t", 100),
    }
    with psycopg.connect(url) as db:
        db.execute("SET plan_cache_mode = force_generic_plan")
        for name, values in queries.items():
            db.execute(f"PREPARE {name} AS {OWN[name].text}".encode())
            given = ", ".join(repr(value) for value in values)
            plan = [
                line
                for (line,) in db.execute(f"EXPLAIN (ANALYZE, COSTS OFF) EXECUTE {name} ({given})".encode()).fetchall()
            ]
            touched = {
                match[1]
                for line in plan
                if (match := re.search(r"on (events_\w+)", line)) and "never executed" not in line
            }
            assert touched == {named(TODAY - 20), named(TODAY - 19)}, "\n".join(plan)


async def test_days_are_dropped_without_what_must_be_kept(
    ledger: PostgresLedger, url: str, at_day: Callable[[int], None]
) -> None:
    make(url, *range(1, 12))
    at_day(-10)
    ended = Batch(change=Change(RunStatus.SUCCEEDED))
    question = NewInterrupt("q", InterruptKind.INPUT, "Well?", {}, {})
    for tenant, thread_id, change in [
        (TENANT, "over", ended),
        ("strict", "over", ended),
        (TENANT, "asks", Batch(interrupts=[question], change=Change(RunStatus.WAITING))),
    ]:
        _, lease = await start(ledger, tenant=tenant, thread_id=thread_id)
        await ledger.commit(lease, NOTE)
        await ledger.commit(lease, change)
    _, gone = await start(ledger, thread_id="gone")
    await ledger.commit(gone, ended)
    await ledger.delete_thread(TENANT, "gone")
    at_day(0)
    _, fresh = await start(ledger, thread_id="over")
    await ledger.commit(fresh, ended)
    before = {key: await ledger.events(*key) for key in [("strict", "over"), (TENANT, "asks"), (TENANT, "over")]}
    dropped = await ledger.drop_days(now_micros() - 5 * DAY, keeping=["strict"])
    assert [day.name for day in dropped] == [named(TODAY - n) for n in (11, 10, 9, 8, 7, 6)]
    assert sum(day.dropped for day in dropped) == 3
    assert await ledger.events("strict", "over") == before["strict", "over"]
    assert await ledger.events(TENANT, "asks") == before[TENANT, "asks"]
    left = await ledger.events(TENANT, "over")
    assert [(event.seq, event.type) for event in left] == [
        (4, "log.purged"),
        *((event.seq, event.type) for event in before[TENANT, "over"][4:]),
    ]
    assert left[0].data == {"through": 4}
    await start(ledger, thread_id="over")
    assert (await ledger.events(TENANT, "over", 7))[-1].seq == 9
    assert await ledger.drop_days(now_micros() - 5 * DAY) == []
    with psycopg.connect(url) as db:
        assert named(TODAY - 10) not in days(db)
        assert named(TODAY - 5) in days(db)


async def test_a_servers_role_makes_and_drops_nothing_by_itself(ledger: PostgresLedger, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SET ROLE dragoman_app")
        for attempt in (
            "SELECT dragoman_make_days(9)",
            f"SELECT dragoman_begin_day('{named(TODAY)}')",
            f"SELECT * FROM dragoman_end_day('{named(TODAY)}', '', 0)",
            f"SELECT * FROM {named(TODAY)}",
            "SELECT * FROM events_rest",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(attempt.encode())


def test_a_day_is_named_by_its_date(url: str) -> None:
    assert named(TODAY) == f"events_{datetime.now(UTC):%Y%m%d}"


# -- while others work ------------------------------------------------------------------------------------------------
def fill(url: str, back: int, threads: int, tenant: str = TENANT, events: int = 2) -> None:
    """A past day with some events of many threads."""
    make(url, back)
    at = (TODAY - back) * DAY
    with psycopg.connect(url) as db:
        db.execute(
            "INSERT INTO threads (tenant, id, ordinal, status, created_at, updated_at, checkpoint, metadata, last_seq)"
            " SELECT %s, 'many' || n, n, 'idle', %s, %s, 0, '{}', %s FROM generate_series(1, %s) AS n",
            (tenant, at, at, events, threads),
        )
        db.execute(
            "INSERT INTO events (tenant, thread_id, seq, run_id, type, at, data) SELECT %s, 'many' || n, seq, 'r',"
            " 'note', %s + seq, '1' FROM generate_series(1, %s) AS n, generate_series(1, %s) AS seq",
            (tenant, at, threads, events),
        )


async def test_what_is_kept_of_a_large_day_is_its_partition_and_no_lock_is_held_to_move_it(
    ledger: PostgresLedger, url: str
) -> None:
    fill(url, 10, 2500, events=3)
    fill(url, 9, 10, tenant="strict")
    [large, small] = await ledger.drop_days((TODAY - 8) * DAY, keeping=["strict"])
    assert (large.dropped, large.kept) == (5000, 2500)
    assert (small.dropped, small.kept) == (0, 20)
    assert (count(url, named(TODAY - 10)), count(url, "events_rest")) == (2500, 20)
    assert [event.data for event in await ledger.events(TENANT, "many7")] == [{"through": 3}]
    assert len(await ledger.events("strict", "many7")) == 2
    assert await ledger.drop_days((TODAY - 8) * DAY, keeping=["strict"]) == [], "and is not looked at again for a day"
    with psycopg.connect(url) as db:
        assert (
            db.execute("SELECT relname FROM pg_class WHERE relname LIKE 'kept_of_%' AND relkind = 'r'").fetchall() == []
        )
        assert db.execute("SELECT 1 FROM pg_constraint WHERE conname = 'events_fence'").fetchall() == []
        db.execute("SET ROLE dragoman_app")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute(f"SELECT * FROM {named(TODAY - 10)}".encode())


async def test_earlier_marks_of_a_log_go_when_a_later_day_of_it_does(ledger: PostgresLedger, url: str) -> None:
    fill(url, 10, 2500, events=1)
    at = (TODAY - 9) * DAY
    make(url, 9)
    with psycopg.connect(url) as db:
        db.execute(
            "INSERT INTO events SELECT tenant, thread_id, n, run_id, type, %s + n, data FROM events,"
            " generate_series(2, 3) AS n WHERE thread_id LIKE 'many%%'",
            (at,),
        )
        db.execute("UPDATE events SET type = 'log.purged' WHERE at < %s", (at,))
    await ledger.drop_days((TODAY - 8) * DAY)
    assert [(event.seq, event.type) for event in await ledger.events(TENANT, "many2400")] == [(3, "log.purged")]
    assert count(url, named(TODAY - 10)) == 0


async def test_what_is_deleted_while_a_day_is_dropped_does_not_come_back(
    ledger: PostgresLedger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(url, 10, 300)
    step = dropping.step_of_day
    seen: list[str] = []

    def between(tx: PostgresTx, name: str, args: tuple[Any, ...]) -> Any:
        seen.append(name)
        if name == "end_day" and seen.count(name) == 1:
            with psycopg.connect(url) as db:
                db.execute("DELETE FROM events WHERE thread_id = 'many7'")
                db.execute("DELETE FROM threads WHERE id = 'many7'")
        return step(tx, name, args)

    between.__module__, between.__name__ = step.__module__, step.__name__
    monkeypatch.setattr(dropping, "step_of_day", between)
    [gone] = await ledger.drop_days((TODAY - 8) * DAY, keeping=[TENANT])
    assert seen.count("begin_day") == 2, "it is begun anew"
    assert (gone.dropped, gone.kept) == (0, 598)
    assert count(url, "events_rest") == 598


async def test_a_reader_of_events_is_not_waited_for_with_all_commits_behind(ledger: PostgresLedger, url: str) -> None:
    fill(url, 10, 100)
    _, lease = await start(ledger)
    other = PostgresLedger(url)
    await other.open()
    async with await psycopg.AsyncConnection.connect(url) as reader:
        await reader.execute("SELECT count(*) FROM events")
        dropping_it = asyncio.create_task(other.drop_days((TODAY - 8) * DAY))
        for _ in range(20):
            async with asyncio.timeout(2):  # the reader is there all the time
                await ledger.commit(lease, NOTE)
        assert not dropping_it.done()
        await reader.rollback()
        [gone] = await dropping_it
    assert (gone.dropped, gone.kept) == (100, 100)
    await other.close()


async def test_replicas_that_drop_the_same_day_at_once_drop_it_once(ledger: PostgresLedger, url: str) -> None:
    fill(url, 10, 600)
    with psycopg.connect(url) as db:
        db.execute(f"COMMENT ON TABLE {named(TODAY - 10)} IS 'ours: see the wiki'".encode())
    others = [PostgresLedger(url, connections=2) for _ in range(3)]
    for one in others:
        await one.open()
    found = await asyncio.gather(*(one.drop_days((TODAY - 8) * DAY) for one in others))
    assert [day.dropped for days in found for day in days] == [600]
    assert count(url, "events_rest") == 600
    for one in others:
        await one.close()
