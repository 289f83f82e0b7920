"""A replica whose clock is hours off, and jumps: leases go by the database's clock, so that nothing is taken from it
and it takes nothing from others. Sleeps are left out: they end by the clock of the host that began them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from .clock import Clock
from .database import Database
from .form import FAULTS, Turns
from .replicas import Replica
from .storm import Storm

pytestmark = [pytest.mark.anyio, pytest.mark.chaos, pytest.mark.timeout(3600)]

LEASE: Final = 3.0
HOURS: Final = (5, -7, 30, -1, 0)


async def test_a_clock_that_jumps_takes_no_run_from_anybody(tmp_path: Path) -> None:
    turns = Turns("a clock moved by hours", FAULTS + 1)
    clock = Clock(tmp_path)

    def make(folder: Path, database: Database) -> Sequence[Replica]:
        near = [Replica(f"replica-{n}", folder, database.url(), lease=LEASE) for n in range(2)]
        moved = Replica(
            "moved", folder, database.url(), lease=LEASE, environment=clock.environment, command=clock.command
        )
        return [*near, moved]

    async with Storm(turns, tmp_path, make, kinds=["works", "lingers", "asks"]) as storm:
        while turns.more():
            await storm.load.some_more(10)
            clock.move(3600 * HOURS[(turns.done - 1) % len(HOURS)])
            await asyncio.sleep(LEASE + 1)  # the time in which a lease would be lost
        await storm.load.some_more(10)
        found = await storm.finish(by=clock.how, furthest=f"{await _furthest(storm)} h off in the log")
        assert found.taken_over == 0, "a run was taken from a replica that was at work"


async def _furthest(storm: Storm) -> int:
    """How many hours off an event was written: that the clock was moved at all."""
    [(hours,)] = await storm.database.rows(
        "SELECT coalesce(max(abs(at - (SELECT min(at) FROM events WHERE type = 'run.queued'))) / 3600000000, 0)"
        " FROM events"
    )
    assert hours >= 1, "no clock was moved"
    return int(hours)
