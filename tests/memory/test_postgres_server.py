"""What many processes on one Postgres, and a Postgres that goes away, do to a ledger: nothing."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests import postgres
from tests.chaos.proxy import Proxy

from dragoman.memory.errors import Conflict, DragomanError, LedgerBusy
from dragoman.memory.ledger import Batch, Change, NewEvent, RunFilter
from dragoman.memory.model import RunStatus
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.postgres.ledger import PostgresLedger
from dragoman.memory.postgres.migrations import pending
from dragoman.memory.postgres.wire import Connection, Lost

from .helpers import TENANT, WORKER, assert_gapless, emit, finish_step, start, submission, submit
from .postgres_ledgers import url_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def url(tmp_path: Path) -> str:
    return url_of(tmp_path)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    server = postgres.shared()
    name = f"fresh_{tmp_path.name}".lower()
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server.url(name)
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
async def replicas(url: str) -> AsyncGenerator[list[PostgresLedger]]:
    ledgers = [PostgresLedger(url, connections=4) for _ in range(3)]
    for ledger in ledgers:
        await ledger.open()
    yield ledgers
    for ledger in ledgers:
        await ledger.close()


async def test_ten_that_open_an_empty_database_at_once_migrate_it_once(fresh: str) -> None:
    ledgers = [PostgresLedger(fresh, connections=1) for _ in range(10)]
    applied = await asyncio.gather(*(ledger.migrate() for ledger in ledgers))
    assert sum(1 for names in applied if names) == 1
    for ledger in ledgers:
        await ledger.open()
        await ledger.ping()
        await ledger.close()


async def test_a_database_whose_last_migration_is_applied_is_open_to_the_servers_role(
    fresh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = psycopg.AsyncConnection.execute
    used: list[str] = []

    async def watched(connection: psycopg.AsyncConnection[Any], query: Any, *args: Any, **how: Any) -> Any:
        """Whenever the one who migrates has done something, another one uses what seems to be ready."""
        done = await execute(connection, query, *args, **how)
        async with await psycopg.AsyncConnection.connect(fresh, autocommit=True) as other:
            found = await execute(other, "SELECT to_regclass('migrations') IS NOT NULL")
            if await found.fetchone() == (True,) and not used:
                monkeypatch.setattr(psycopg.AsyncConnection, "execute", execute)
                if not await pending(other):
                    await execute(other, "SET ROLE dragoman_worker")
                    await execute(other, "SELECT 1 FROM runs")
                    used.append("runs")
                monkeypatch.setattr(psycopg.AsyncConnection, "execute", watched)
        return done

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", watched)
    await PostgresLedger(fresh).migrate()
    assert used == ["runs"]


async def test_a_database_of_a_newer_version_is_refused(fresh: str) -> None:
    await PostgresLedger(fresh).migrate()
    with psycopg.connect(fresh, autocommit=True) as db:
        db.execute("INSERT INTO migrations VALUES (999, 'future', 0)")
    with pytest.raises(Conflict, match=r"newer Dragoman \(migration 999\)"):
        await PostgresLedger(fresh).open()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_of_another_encoding_is_refused_with_the_way_out(encoding: str) -> None:
    server, name = postgres.shared(), f"encoded_{encoding}_{os.getpid()}".lower()
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0".encode())
        with pytest.raises(Conflict, match=f"encoding is {encoding}.*ENCODING 'UTF8' TEMPLATE template0"):
            await PostgresLedger(server.url(name)).open()
        db.execute(f"DROP DATABASE {name}".encode())


async def test_a_database_that_is_not_there_is_told_without_the_password(tmp_path: Path) -> None:
    ledger = postgres_ledger(
        f"postgresql://ada:hunter2@127.0.0.1:1/none?connect_timeout=2&application_name={tmp_path.name}"
    )
    with pytest.raises(LedgerBusy) as told:
        await ledger.open()
    assert "hunter2" not in told.value.message


async def test_of_many_who_submit_one_key_at_once_one_opens_the_run(replicas: list[PostgresLedger]) -> None:
    wanted = [submission(idempotency_key="k") for _ in range(12)]
    made = await asyncio.gather(*(replicas[n % 3].submit(one) for n, one in enumerate(wanted)))
    assert [one.created for one in made].count(True) == 1
    assert len({one.run.id for one in made}) == 1


async def test_of_many_who_begin_a_thread_at_once_one_runs_and_the_others_queue(replicas: list[PostgresLedger]) -> None:
    wanted = [submission(thread_id="t") for _ in range(12)]
    made = await asyncio.gather(*(replicas[n % 3].submit(one, WORKER) for n, one in enumerate(wanted)))
    assert [one.lease is not None for one in made].count(True) == 1
    events = await replicas[0].events(TENANT, "t")
    assert_gapless(events)
    assert len(events) == 13


async def test_claims_of_many_replicas_share_no_run_and_no_thread(replicas: list[PostgresLedger]) -> None:
    for n in range(30):
        await submit(replicas[0], thread_id=f"t{n % 10}")
    left = 30
    while left:
        claimed = await asyncio.gather(*(ledger.claim(f"w{n}", 4) for n, ledger in enumerate(replicas)))
        leases = [lease for taken in claimed for lease, _, _ in taken]
        assert len({lease.thread_id for lease in leases}) == len(leases)
        batch = Batch(change=Change(RunStatus.SUCCEEDED))
        await asyncio.gather(*(replicas[n % 3].commit(lease, batch) for n, lease in enumerate(leases)))
        left -= len(leases)
    assert not (await replicas[0].runs(TENANT, RunFilter(statuses=frozenset({RunStatus.QUEUED})))).items
    for n in range(10):
        events = await replicas[0].events(TENANT, f"t{n}")
        assert_gapless(events)
        started = [event.run_id for event in events if event.type == "run.started"]
        assert started == [event.run_id for event in events if event.type == "run.queued"]


async def test_what_two_replicas_write_to_a_thread_is_numbered_without_a_gap(replicas: list[PostgresLedger]) -> None:
    run, lease = await start(replicas[0], thread_id="t")
    writes = [replicas[0].commit(lease, Batch(events=[NewEvent("note")])) for _ in range(20)]
    others = [replicas[1].submit(submission(thread_id="t")) for _ in range(20)]
    cancels = [replicas[2].cancel(TENANT, run.id) for _ in range(5)]
    await asyncio.gather(*writes, *others, *cancels)
    events = await replicas[1].events(TENANT, "t")
    assert_gapless(events)
    assert len(events) == 2 + 20 + 20


async def test_writes_ride_out_a_server_that_crashes_and_comes_back() -> None:
    folder = Path(tempfile.mkdtemp(prefix="pg-")) / "s"
    folder.mkdir()
    server = postgres.Server(folder, ("max_connections=30", "shared_buffers=32MB"))
    server.create()
    server.start()
    ledger = PostgresLedger(server.url(), connections=8)
    try:
        await ledger.open()
        told: list[str] = []
        over, more = asyncio.Event(), asyncio.Event()

        async def submit_on() -> None:
            while not over.is_set():
                told.append((await ledger.submit(submission())).run.id)
                more.set()

        work = [asyncio.create_task(submit_on()) for _ in range(8)]
        for _ in range(2):
            before = len(told)
            await asyncio.to_thread(server.stop, signal.SIGQUIT)
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(30):
                while len(told) < before + 50:
                    more.clear()
                    await more.wait()
        over.set()
        await asyncio.gather(*work)
        with psycopg.connect(server.url()) as db:
            kept = [run_id for (run_id,) in db.execute("SELECT id FROM runs").fetchall()]
        assert set(told) == set(kept), "acknowledged and kept are not the same"
        assert len(told) == len(set(told))
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        hasty = PostgresLedger(server.url(), patience=0.2)
        with pytest.raises(DragomanError):
            await hasty.open()
        await asyncio.to_thread(server.start)
    finally:
        await ledger.close()
        server.stop()
        shutil.rmtree(folder.parent)


@asynccontextmanager
async def _own_server() -> AsyncGenerator[postgres.Server]:
    """A server that a test may end."""
    folder = Path(tempfile.mkdtemp(prefix="pg-")) / "s"
    folder.mkdir()
    server = postgres.Server(folder, ("max_connections=30", "shared_buffers=32MB"))
    server.create()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder.parent)


async def test_what_a_crash_took_is_not_told_as_written_for_another_that_was_given_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="pg-")) / "s"
    folder.mkdir()
    server = postgres.Server(folder, ("max_connections=30", "shared_buffers=32MB", "wal_writer_delay=10s"))
    server.create()
    server.start()
    ledger = PostgresLedger(server.url(), connections=2)
    exchange = Connection.exchange
    numbers: list[int] = []

    async def crashes(connection: Connection, batch: Sequence[tuple[str, Sequence[Any]]]) -> Any:
        """The server crashes before it hears of the COMMIT, and others are first when it is back."""
        if numbers or batch[-1][0].strip() != "COMMIT":
            return await exchange(connection, batch)
        [mine] = await exchange(connection, [("SELECT pg_current_xact_id()::text", ())])
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        await asyncio.to_thread(server.start)
        with psycopg.connect(server.url(), autocommit=True) as db:
            for _ in range(50):
                [number] = db.execute("SELECT pg_current_xact_id()::text::bigint").fetchall()
                numbers.append(number[0])
        assert int(mine.rows[0][0]) in numbers, "it was not lost"
        raise Lost("the server has crashed")

    try:
        await ledger.open()
        await ledger.put_item(TENANT, ["a"], "before", {})
        monkeypatch.setattr(Connection, "exchange", crashes)
        with pytest.raises(LedgerBusy, match="it is not known whether this was written"):
            await ledger.put_item(TENANT, ["a"], "lost", {})
        assert numbers
        assert await ledger.get_item(TENANT, ["a"], "lost") is None
        assert await ledger.get_item(TENANT, ["a"], "before") is not None
    finally:
        await ledger.close()
        server.stop()
        shutil.rmtree(folder.parent)


async def test_what_a_running_run_writes_waits_for_the_database_longer_than_a_request_does() -> None:
    async with _own_server() as server:
        ledger = PostgresLedger(server.url(), patience=0.3)
        await ledger.open()
        _, lease = await start(ledger)
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        written = asyncio.create_task(emit(ledger, lease, "custom", name="n", data=1))
        for _ in range(2):
            with pytest.raises(LedgerBusy):
                await ledger.submit(submission())
        with pytest.raises(LedgerBusy):
            await ledger.sweep(3)
        assert not written.done()
        await asyncio.to_thread(server.start)
        assert [event.type for event in (await written).events] == ["custom"]
        await ledger.close()


async def test_a_ledger_closes_though_a_running_run_waits_to_be_written() -> None:
    async with _own_server() as server:
        ledger = PostgresLedger(server.url(), patience=0.3)
        await ledger.open()
        _, lease = await start(ledger)
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        written = asyncio.create_task(emit(ledger, lease, "custom", name="n", data=1))
        with pytest.raises(LedgerBusy):
            await ledger.submit(submission())
        async with asyncio.timeout(10):
            await ledger.close()
        with pytest.raises(LedgerBusy):
            await written
        await asyncio.to_thread(server.start)


async def test_connections_whose_other_half_is_gone_are_given_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.memory.postgres.runner._SILENCE", 0.5)
    folder = re.search(r"host=([^&]+)", url)
    assert folder is not None
    async with Proxy(f"{folder[1]}/.s.PGSQL.5432") as proxy:
        ledger = PostgresLedger(re.sub(r"///(\w+)\?host=[^&]+", rf"//127.0.0.1:{proxy.port}/\1?sslmode=disable", url))
        await ledger.open()
        news = ledger.news()
        await anext(news)
        _, lease = await start(ledger)
        proxy.turn("forget")
        proxy.turn("through")
        async with asyncio.timeout(10):
            assert (await emit(ledger, lease, "custom", name="n", data=1)).events
            assert (await anext(news)).threads is None, "what was missed may be anything"
        await news.aclose()
        await ledger.close()


async def test_a_commit_whose_answer_is_lost_is_not_done_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.memory.postgres.runner._SILENCE", 0.5)
    folder = re.search(r"host=([^&]+)", url)
    assert folder is not None
    async with Proxy(f"{folder[1]}/.s.PGSQL.5432") as proxy:
        through = re.sub(r"///(\w+)\?host=[^&]+", rf"//127.0.0.1:{proxy.port}/\1?sslmode=disable", url)
        ledger = PostgresLedger(through, connections=1)
        await ledger.open()
        run, lease = await start(ledger)
        for number in range(4):  # the first is asked in two turns; what is remembered then goes out at once
            await emit(ledger, lease, "custom", name="n", data=number)
            proxy.turn("mute")
            writing = asyncio.create_task(finish_step(ledger, lease, f"step-{number}", number))
            proxy.turn("through")
            async with asyncio.timeout(15):
                assert [event.type for event in (await writing).events] == ["step.finished"]
        told = await ledger.events(TENANT, run.thread_id)
        await ledger.close()
    assert_gapless(told)
    assert [event.type for event in told if event.type == "step.finished"] == ["step.finished"] * 4


async def test_who_falls_silent_may_not_have_told_all_that_it_did(replicas: list[PostgresLedger]) -> None:
    here, there = replicas[0].news(), replicas[1].news()
    await anext(here)
    await anext(there)
    listening = asyncio.create_task(anext(there))
    hearing = asyncio.create_task(anext(here))
    await submit(replicas[2])
    async with asyncio.timeout(10):
        assert (await hearing).threads
        assert (await listening).threads  # the third has told of its thread and listens to nobody: it gives no sign
        assert (await anext(here)).threads is None
    await here.aclose()
    await there.aclose()
