"""How long a step's commit takes while a pass of retention forgets many runs, beside how long it takes without.

    python bench/retention.py [RUNS]

On a file in a temporary folder. Each run to be forgotten has a thread, three events, a step and a checkpoint.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from dragoman.engine.retention import Ages, RetentionSettings, RetentionSweeper
from dragoman.memory.ids import uuid7
from dragoman.memory.ledger import Batch, Change, Lease, Ledger, NewStep, Submission
from dragoman.memory.model import RunStatus, StepStatus
from dragoman.memory.sqlite import SqliteLedger

_AT_ONCE = 200
_PAUSE = 0.005  # seconds between two steps


async def _ended(ledger: Ledger) -> None:
    born = await ledger.submit(Submission("old", "a", "1", uuid7(), input={"text": "x" * 200}), "w", 600.0)
    assert born.lease is not None
    step = NewStep("one", StepStatus.FINISHED, result={"text": "y" * 200})
    done = Batch(steps=[step], values={"n": 1}, change=Change(RunStatus.SUCCEEDED, output=1))
    await ledger.commit(born.lease, done)


async def _steps(ledger: Ledger, lease: Lease, over: asyncio.Event) -> list[float]:
    times: list[float] = []
    while not over.is_set():
        began = time.perf_counter()
        await ledger.commit(lease, Batch(steps=[NewStep(uuid7(), StepStatus.FINISHED, result=1)]))
        times.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(_PAUSE)
    return sorted(times)


def told(name: str, times: list[float]) -> str:
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    return f"{name}: {len(times)} steps, p50 {p50:.2f} ms, p99 {p99:.2f} ms, slowest {times[-1]:.1f} ms"


async def main(runs: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = SqliteLedger(Path(folder) / "ledger.db")
        await ledger.open()
        for _ in range(runs // _AT_ONCE):
            await asyncio.gather(*(_ended(ledger) for _ in range(_AT_ONCE)))
        born = await ledger.submit(Submission("live", "a", "1", uuid7()), "w", 3600.0)
        assert born.lease is not None
        over = asyncio.Event()
        quiet = asyncio.create_task(_steps(ledger, born.lease, over))
        await asyncio.sleep(10)
        over.set()
        print(told("quiet", await quiet))
        for kind in ("runs", "threads"):
            over = asyncio.Event()
            steps = asyncio.create_task(_steps(ledger, born.lease, over))
            began = time.perf_counter()
            counts = await RetentionSweeper(ledger, RetentionSettings(Ages(**{kind: 1e-6}))).sweep()
            over.set()
            print(told(f"{dict(counts)} in {time.perf_counter() - began:.1f} s", await steps))
        await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
