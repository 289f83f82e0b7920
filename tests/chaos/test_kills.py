"""Four replicas on one Postgres, killed with ``kill -9`` again and again under clients of all three faces; and replicas
that are stopped for longer than their lease, or for good.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from .database import Database
from .form import FAULTS, KILLS, Turns
from .replicas import Replica
from .storm import Storm

pytestmark = [pytest.mark.anyio, pytest.mark.chaos, pytest.mark.timeout(3600)]

LEASE: Final = 2.0
TAKEN_OVER: Final = 1.0
"""Seconds after the end of its lease within which a dead replica's run is at work again."""
_MORE_TRIES: Final = 8


def _four(folder: Path, database: Database) -> Sequence[Replica]:
    serving = [Replica(f"replica-{n}", folder, database.url(), lease=LEASE) for n in range(3)]
    return [*serving, Replica("worker", folder, database.url(), lease=LEASE, verb="worker")]


async def test_kills_of_four_replicas_lose_nothing_and_repeat_nothing_finished(tmp_path: Path) -> None:
    turns = Turns("kill -9 of four replicas", KILLS)
    async with Storm(turns, tmp_path, _four) as storm:
        returning: dict[str, asyncio.Task[float]] = {}
        while turns.more():
            victim = turns.chance.choice(storm.replicas)
            if victim.name in returning:
                await returning.pop(victim.name)
            await asyncio.sleep(turns.chance.uniform(0.0, 0.5))  # the random moment itself
            storm.load.check()
            victim.send(signal.SIGKILL)
            returning[victim.name] = asyncio.create_task(victim.start())
        await asyncio.gather(*returning.values())
        await storm.load.some_more(10)
        await storm.finish()


async def test_a_stopped_replica_is_fenced_when_it_wakes_and_a_dead_ones_runs_are_taken_over(tmp_path: Path) -> None:
    turns = Turns("SIGSTOP beyond the lease, every other time for good", FAULTS + 1)
    async with Storm(turns, tmp_path, _four, kinds=["works", "lingers"]) as storm:
        taken_over = 0
        while turns.more():
            taken_over += await _stop_one(storm, turns, dies=turns.done % 2 == 0)
        for _ in range(_MORE_TRIES):  # few faults may all have met replicas without a run
            if not taken_over:
                taken_over += await _stop_one(storm, turns, dies=True)
        await storm.load.some_more(10)
        await storm.finish()
        assert taken_over, "no run was at work on a replica that was stopped"
        assert max(storm.taken_over) <= LEASE + TAKEN_OVER


async def _stop_one(storm: Storm, turns: Turns, *, dies: bool) -> int:
    """Stop a replica beyond its lease, or for good; how many runs others took over that were at work."""
    await storm.load.some_more(10)
    victim = turns.chance.choice(storm.replicas)
    victim.send(signal.SIGKILL if dies else signal.SIGSTOP)
    before = await storm.at_work()
    await asyncio.sleep(LEASE + TAKEN_OVER + 1)  # the pause itself
    if dies:
        await victim.start()
    else:
        victim.send(signal.SIGCONT)
        await victim.ready()
    return await storm.note_taken_over(before)
