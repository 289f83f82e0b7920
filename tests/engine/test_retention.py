"""The engine's passes: by policy, a little at a time, while runs go on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from dragoman.engine.retention import Ages, RetentionSettings, RetentionSweeper
from dragoman.memory.ids import uuid7
from dragoman.memory.ledger import Batch, Change, Lease, Ledger, NewStep, RunFilter, Submission
from dragoman.memory.model import RunStatus, StepStatus
from dragoman.memory.retention import Purged
from dragoman.memory.sqlite import SqliteLedger

pytestmark = pytest.mark.anyio
OLD = 1e-6  # seconds
FEW = 3000


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
