"""The engine's passes: by policy, a little at a time, while runs go on."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests import postgres

from dragoman.engine.retention import Ages, RetentionSettings, RetentionSweeper
from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import Batch, Change, Lease, Ledger, NewStep, RunFilter, Submission
from dragoman.memory.model import Event, RunStatus, StepStatus
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.retention import PURGED, Purged
from dragoman.memory.sqlite import SqliteLedger

pytestmark = pytest.mark.anyio
OLD = 1e-6  # seconds
FEW = 3000
DAY = 86_400_000_000


async def _ended(ledger: Ledger, tenant: str) -> None:
    new = Submission(tenant, "a", "1", uuid7(), input={"text": "x" * 100})
    await ledger.record(new, Batch(change=Change(RunStatus.SUCCEEDED, output=1)), 1)


async def _left(ledger: Ledger, tenant: str) -> int:
    return len((await ledger.runs(tenant, RunFilter(), 1000, bare=True)).items)


async def test_each_tenant_is_swept_by_its_own_policy(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    await ledger.open()
    for tenant in ("a", "b", "c"):
        await _ended(ledger, tenant)
    settings = RetentionSettings(Ages(runs=OLD), {"b": Ages(), "c": Ages(threads=OLD)}, share=1.0)
    assert await RetentionSweeper(ledger, settings).sweep() == {"runs": 1, "threads": 1}
    assert [await _left(ledger, tenant) for tenant in ("a", "b", "c")] == [0, 1, 0]
    await ledger.close()


async def test_steps_are_committed_while_thousands_of_runs_are_forgotten(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    await ledger.open()
    await asyncio.gather(*(_ended(ledger, "a") for _ in range(FEW)))
    born = await ledger.submit(Submission("b", "a", "1", uuid7()), "w", 600.0)
    assert born.lease is not None
    sweeper = RetentionSweeper(ledger, RetentionSettings(Ages(runs=OLD, threads=OLD)))
    sweeping = asyncio.create_task(sweeper.sweep())
    times = await _steps(ledger, born.lease, sweeping)
    assert (await sweeping)["threads"] == FEW
    assert len(times) > 50
    assert sorted(times)[len(times) // 2] < 0.05, "a step waits for a batch at most"
    await ledger.close()


async def _steps(ledger: Ledger, lease: Lease, until: asyncio.Task[object]) -> list[float]:
    """How long each step's commit took."""
    times: list[float] = []
    while not until.done():
        began = time.perf_counter()
        step = NewStep(f"s{len(times)}", StepStatus.FINISHED, result=1)
        await ledger.commit(lease, Batch(steps=[step]))
        times.append(time.perf_counter() - began)
    return times


async def test_a_pass_is_begun_with_the_server_and_ended_with_it(tmp_path: Path) -> None:
    ledger = _Watched(tmp_path / "ledger.db")
    await ledger.open()
    await _ended(ledger, "a")
    async with asyncio.timeout(30), RetentionSweeper(ledger, RetentionSettings(Ages(runs=OLD))):
        await ledger.purged.wait()
    assert await _left(ledger, "a") == 0
    await ledger.close()


class _Watched(SqliteLedger):
    """Tells when something was purged."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.purged = asyncio.Event()

    async def purge(self, *args: Any, **more: Any) -> Purged:
        done = await super().purge(*args, **more)
        if done.counts:
            self.purged.set()
        return done


async def test_whole_days_go_on_postgres_but_for_those_who_keep_them_longer(url: str) -> None:
    ledger = postgres_ledger(url)
    await ledger.open()
    for tenant in ("a", "strict"):
        await _ended(ledger, tenant)
    with psycopg.connect(url) as db:
        old = now_micros() // DAY - 3
        bounds = f"FOR VALUES FROM ({old * DAY}) TO ({(old + 1) * DAY})"
        name = f"events_{datetime.fromtimestamp(old * 86400, UTC):%Y%m%d}"
        db.execute(f"CREATE TABLE {name} PARTITION OF events {bounds}".encode())
        db.execute(b"UPDATE events SET at = at - %d" % (3 * DAY))
        db.execute(b"UPDATE threads SET first_at = 0")
    settings = RetentionSettings(Ages(events=86_400.0), {"strict": Ages(events=86_400.0 * 30)}, share=1.0)
    async with asyncio.timeout(60):
        assert (await RetentionSweeper(ledger, settings).sweep())["events"] >= 2
    assert [event.type for event in await _log(ledger, "a")] == [PURGED]
    assert [event.type for event in await _log(ledger, "strict")] == ["run.queued", "run.started", "run.succeeded"]
    with psycopg.connect(url) as db:
        days = db.execute("SELECT relname FROM pg_class WHERE relname ~ '^events_2[0-9]{7}$'").fetchall()
        assert len(days) == 8, "today and a week ahead"
    await ledger.close()


async def _log(ledger: Ledger, tenant: str) -> Sequence[Event]:
    [view] = (await ledger.runs(tenant, RunFilter())).items
    return await ledger.events(tenant, view.run.thread_id)


@pytest.fixture
def url() -> Iterator[str]:
    server = postgres.shared()
    name = f"retention_{os.getpid()}"
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server.url(name)
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
