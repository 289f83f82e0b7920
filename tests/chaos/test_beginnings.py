"""Replicas that start at once on a database without a table: one of them migrates it, and all serve."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from .database import Database
from .form import FAULTS, SEED, Turns
from .replicas import Replica, Replicas

pytestmark = [pytest.mark.anyio, pytest.mark.chaos, pytest.mark.timeout(3600)]


async def _begin(folder: Path, url: str) -> None:
    replicas = [Replica(f"replica-{n}", folder, url) for n in range(3)]
    async with Replicas(*replicas), httpx.AsyncClient(timeout=30) as client:
        body = {"agent_id": "works", "input": {"number": 1}}
        answers = await asyncio.gather(*(client.post(f"{r.url}/runs/wait", json=body) for r in replicas))
        assert [answer.status_code for answer in answers] == [200, 200, 200]
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await (await connection.execute("SELECT number FROM migrations ORDER BY number")).fetchall()
    assert found
    assert len(found) == len(set(found)), "a migration was applied twice"


async def test_three_replicas_that_start_at_once_on_an_empty_database_migrate_it_once(tmp_path: Path) -> None:
    turns = Turns("three replicas on an empty database", FAULTS)
    database = Database()
    try:
        await database.apart("make")
        while turns.more():
            name = f"empty_{turns.done}"
            async with await psycopg.AsyncConnection.connect(database.url(), autocommit=True) as connection:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            folder = tmp_path / name
            folder.mkdir()
            await _begin(folder, database.url(name))
    finally:
        database.remove()
    print(f"\n{turns.name} (seed {SEED}): {turns.done} times, each migrated once, all three served")
