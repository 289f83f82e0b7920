"""Disks that are full, under SQLite and under Postgres, and a disk that is slow: what was acknowledged is there, what
cannot be kept is refused so that it may be tried again, and all goes on when there is room.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any, Final

import pytest

from . import invariants
from .database import Database
from .disks import SmallDisk, limit_files, slow_sync
from .form import FAULTS, SEED, Turns
from .load import Load
from .proxy import Proxy
from .replicas import Replica, Replicas
from .storm import Storm

pytestmark = [pytest.mark.anyio, pytest.mark.chaos, pytest.mark.timeout(3600)]

FULL_S: Final = 3.0
SLOW_SYNC: Final = 0.1
LEASE: Final = 3.0


async def test_a_full_disk_under_sqlite_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    turns = Turns("disk full under SQLite", FAULTS)
    with SmallDisk(tmp_path / "disk", 96) as disk:
        database = disk.folder / "ledger.db"
        server = Replica("server", tmp_path, str(database), lease=LEASE)

        async def rows(query: str) -> list[tuple[Any, ...]]:
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
                return connection.execute(query).fetchall()

        async with Replicas(server):
            load = Load([server.url], turns.chance)
            async with load:
                while turns.more():
                    await load.some_more(15)
                    async with asyncio.timeout(60):
                        while not any("try again" in told for told in load.told):
                            _keep_full(disk, server)
                            await asyncio.sleep(0.1)  # the files have room of their own, which is used up first
                    await asyncio.sleep(FULL_S)  # the pause itself
                    load.check()
                    load.told.clear()
                    disk.free() if disk.mounted else limit_files(server.pid, None)
                await load.some_more(15)
            began = time.monotonic()
            while not await invariants.settled(rows):
                assert time.monotonic() - began < 120, server.said()
                await asyncio.sleep(0.1)  # what is waited for is another process's doing
            found = await invariants.check(rows, load.acknowledged, tmp_path / "effects.txt")
        how = "a full file system" if disk.mounted else "a limit on files"
        print(
            f"\n{turns.name} (seed {SEED}), {how}: {turns.done} faults, {len(load.acknowledged)} acknowledged; {found}"
        )
        print(f"told: {dict(load.told)}")


async def test_a_full_disk_under_postgres_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    turns = Turns("disk full under Postgres", FAULTS)
    async with AsyncExitStack() as stack:
        database = Database()
        database.data.mkdir(parents=True)
        disk = stack.enter_context(SmallDisk(database.data, 256))
        os.chown(database.data, *Database.OWNER)
        storm = await stack.enter_async_context(Storm(turns, tmp_path, _two, database=database, clients=6))
        while disk.mounted and turns.more():
            await storm.load.some_more(15)
            said = database.complaints("No space left on device")
            async with asyncio.timeout(60):
                while database.complaints("No space left on device") == said:
                    disk.fill()
                    await asyncio.sleep(0.1)  # its files have room of their own, which is used up first
            await asyncio.sleep(FULL_S)  # the pause itself
            storm.load.check()
            disk.free()
            if not database.alive:  # it gives up when it cannot write its log
                await database.apart("start")
        await storm.load.some_more(15)
        await storm.finish(full=disk.mounted)


async def test_a_slow_disk_and_a_slow_network_cost_no_lease(tmp_path: Path) -> None:
    turns = Turns("slow disk", FAULTS)
    environment = slow_sync(tmp_path, SLOW_SYNC)
    async with AsyncExitStack() as stack:
        database = Database(environment)
        proxy = await stack.enter_async_context(Proxy(database.address, delay=SLOW_SYNC / 2))

        def make(folder: Path, database: Database) -> Sequence[Replica]:
            far = Replica("far", folder, database.url_at(proxy.port), lease=LEASE)
            return [Replica("near", folder, database.url(), lease=LEASE), far]

        storm = await stack.enter_async_context(Storm(turns, tmp_path, make, database=database, clients=8))
        while turns.more():
            await storm.load.some_more(30)
            await asyncio.sleep(LEASE)  # the time in which a lease would be lost
        found = await storm.finish(
            sync=f"{SLOW_SYNC if environment else 0:g} s",
            network=f"{SLOW_SYNC:g} s",
            slowest=f"{storm.load.slowest:.1f} s",
        )
        assert found.taken_over == 0, "a lease was lost to slowness"


def _keep_full(disk: SmallDisk, server: Replica) -> None:
    if disk.mounted:
        disk.fill()
    else:
        limit_files(server.pid, max(path.stat().st_size for path in disk.folder.iterdir()))


def _two(folder: Path, database: Database) -> Sequence[Replica]:
    return [Replica(f"replica-{n}", folder, database.url(), lease=30.0) for n in range(2)]
