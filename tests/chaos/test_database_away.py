"""Postgres crashes and comes back, and is away for longer than a request waits for it: replicas go on as they were."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx
import pytest

from .database import Database
from .form import FAULTS, Turns
from .replicas import Replica, Replicas
from .storm import Storm

pytestmark = [pytest.mark.anyio, pytest.mark.chaos, pytest.mark.timeout(3600)]

LEASE: Final = 30.0
AWAY: Final = 23.0
STOPPED: Final = 45.0


def _three(folder: Path, database: Database) -> Sequence[Replica]:
    return [Replica(f"replica-{n}", folder, database.url(), lease=LEASE) for n in range(3)]


async def test_a_database_that_crashes_under_load_costs_no_run_its_worker(tmp_path: Path) -> None:
    turns = Turns("pg_ctl restart -m immediate", FAULTS)
    async with Storm(turns, tmp_path, _three) as storm:
        while turns.more():
            await storm.load.some_more(15)
            await asyncio.sleep(turns.chance.uniform(0.0, 0.5))  # the random moment itself
            await storm.database.apart("restart_immediately")
        await storm.load.some_more(15)
        found = await storm.finish()
        assert found.taken_over == 0, "a lease was lost for a pause under its length"


async def test_a_server_is_stopped_though_its_database_is_away(tmp_path: Path) -> None:
    database = Database()
    try:
        await database.apart("make")
        server = Replica("server", tmp_path, database.url(), environment={"DRAGOMAN_ENGINE__GRACE": "1"})
        async with Replicas(server), httpx.AsyncClient(base_url=server.url) as client:
            for number in range(5):
                body = {"agent_id": "lingers", "input": {"number": number}}
                assert (await client.post("/runs", json=body)).status_code == 200
            await asyncio.to_thread(database.stop, signal.SIGQUIT)
            server.send(signal.SIGTERM)
            await asyncio.to_thread(server.wait, STOPPED)
    finally:
        database.remove()


async def test_a_database_that_is_away_for_over_twenty_seconds_is_ridden_out(tmp_path: Path) -> None:
    turns = Turns(f"Postgres away for {AWAY:g} s", FAULTS)
    # A run that waits for a child reads of it, and reads wait no longer than a request: it would be taken over.
    async with Storm(turns, tmp_path, _three, kinds=["works", "lingers", "asks", "sleeps"]) as storm:
        while turns.more():
            await storm.load.some_more(15)
            storm.database.stop(turns.chance.choice([signal.SIGINT, signal.SIGQUIT]))
            await asyncio.sleep(AWAY)  # the pause itself
            storm.load.check()
            await storm.database.apart("start")
        await storm.load.some_more(15)
        found = await storm.finish(slowest=f"{storm.load.slowest:.1f} s")
        assert found.taken_over == 0, "a lease was lost for a pause under its length"
        assert found.orphaned <= sum(storm.load.told.values()) + storm.watchers.cuts
        assert storm.load.slowest < 30, "a request waited for longer than it is let"
        assert any("try again" in told for told in storm.load.told)
