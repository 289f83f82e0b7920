"""What a journaled step costs on SQLite, against one INSERT and COMMIT each on the same disk, both fully
synchronous."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from dragoman.memory.ids import uuid7
from dragoman.memory.ledger import Batch, Lease, NewStep, Submission
from dragoman.memory.model import StepStatus
from dragoman.memory.sqlite import SqliteLedger

STEPS = 20
"""Steps of a run, as many as agents take."""


def floor(folder: Path, count: int) -> float:
    """Seconds for one INSERT and COMMIT."""
    connection = sqlite3.connect(folder / "floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE steps (run TEXT, key TEXT, result BLOB, PRIMARY KEY (run, key)) WITHOUT ROWID")
    began = time.perf_counter()
    for n in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO steps VALUES (?, ?, ?)", ("r", f"step#{n}", b"1"))
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took / count


async def commits(folder: Path, concurrency: int, each: int, rounds: int = 1) -> float:
    """Seconds for one step's commit, with so many runs at once, each of so many steps; opening them is not counted.

    The rows of a long run lie on pages of their own, so that a COMMIT for many of those writes more.
    """
    ledger = SqliteLedger(folder / f"ledger-{concurrency}-{each}.db")
    await ledger.open()

    # Made beforehand: the engine makes them by ``frozen.maker``, and the floor makes none.
    batches = [Batch(steps=[NewStep(f"step#{n}", StepStatus.FINISHED, result=n)]) for n in range(each)]

    async def steps(lease: Lease) -> None:
        for batch in batches:
            await ledger.commit(lease, batch)

    took = 0.0
    try:
        for _ in range(rounds):
            leases = [await _opened(ledger) for _ in range(concurrency)]
            began = time.perf_counter()
            await asyncio.gather(*(steps(lease) for lease in leases))
            took += time.perf_counter() - began
    finally:
        await ledger.close()
    return took / (rounds * each * concurrency)


async def _opened(ledger: SqliteLedger) -> Lease:
    submission = Submission(tenant="bench", agent="steps", agent_version="1", run_id=uuid7(), input={})
    lease = (await ledger.submit(submission, "worker")).lease
    assert lease is not None
    return lease


def measure(count: int) -> dict[str, Any]:
    """The floor before and after, and the commits between."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = floor(folder, count)
        alone = asyncio.run(commits(folder, 1, count))
        many = asyncio.run(commits(folder, 16, STEPS, max(1, count // STEPS)))
        long = asyncio.run(commits(folder, 16, max(1, count // 4)))
        (folder / "floor.db").unlink()
        base = (first + floor(folder, count)) / 2
    return {
        "floor_ms": round(base * 1000, 3),
        "c1_ms": round(alone * 1000, 3),
        "c1_ratio": round(alone / base, 2),
        "c16_ms": round(many * 1000, 3),
        "c16_ratio": round(many / base, 2),
        "limit_c16_ratio": 0.2,
        "long_c16_ms": round(long * 1000, 3),
        "long_c16_ratio": round(long / base, 2),
    }
