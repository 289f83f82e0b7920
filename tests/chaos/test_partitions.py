"""A network that fails between one replica and the database, for less and for more than a lease: the others take over
what is due, and the one that was cut off goes on when it is let.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Literal

import httpx
import pytest

from .database import Database
from .form import FAULTS, Turns
from .proxy import Proxy
from .replicas import Replica
from .storm import Storm

pytestmark = [pytest.mark.anyio, pytest.mark.chaos, pytest.mark.timeout(3600)]

LEASE: Final = 3.0
BACK_S: Final = 60.0
"""Seconds until a replica whose connections are half-open is at work again: how long it waits for an answer, and a
few."""
_Kind = Literal["stall", "forget", "refuse"]
KINDS: Final[Sequence[tuple[_Kind, float]]] = (
    ("stall", LEASE * 2),
    ("forget", LEASE / 2),
    ("forget", LEASE * 2),
    ("stall", LEASE / 2),
    ("refuse", LEASE * 2),
    ("refuse", LEASE / 2),
)


async def _at_work_again(replica: Replica) -> float:
    """The seconds until a replica drives a run that it is given."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(BACK_S), httpx.AsyncClient(base_url=replica.url, timeout=BACK_S) as client:
        while True:
            answer = await client.post("/runs/wait", json={"agent_id": "works", "input": {"number": 0}})
            if answer.status_code == 200:
                return loop.time() - began
            assert answer.status_code == 503, answer.text


async def test_a_replica_that_is_cut_off_is_succeeded_and_comes_back(tmp_path: Path) -> None:
    turns = Turns("partition of one replica", max(2, FAULTS))
    async with AsyncExitStack() as stack:
        database = Database()
        proxy = await stack.enter_async_context(Proxy(database.address))

        def make(folder: Path, database: Database) -> Sequence[Replica]:
            near = [Replica(f"replica-{n}", folder, database.url(), lease=LEASE) for n in range(2)]
            return [*near, Replica("cut-off", folder, database.url_at(proxy.port), lease=LEASE)]

        storm = await stack.enter_async_context(Storm(turns, tmp_path, make, database=database))
        back: list[float] = []
        while turns.more():
            await storm.load.some_more(15)
            kind, seconds = KINDS[(turns.done - 1) % len(KINDS)]
            proxy.turn(kind)
            before = await storm.at_work()
            await asyncio.sleep(seconds)  # the pause itself
            proxy.turn("through")
            back.append(await _at_work_again(storm.replicas[2]))
            await storm.note_taken_over(before)
            storm.load.check()
        await storm.finish(back_within=f"{max(back):.1f} s")
