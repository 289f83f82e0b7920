"""Verbs that meet at the same rows lock them in the same order: none waits for one that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from dragoman.memory.postgres.ledger import PostgresLedger

from .helpers import TENANT
from .postgres_ledgers import url_of

pytestmark = pytest.mark.anyio

_WAITING: LiteralString = """
SELECT count(*) FROM pg_sleep(0.01), pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return url_of(tmp_path)


@pytest.fixture
async def ledger(url: str) -> AsyncGenerator[PostgresLedger]:
    ledger = PostgresLedger(url, connections=4)
    await ledger.open()
    yield ledger
    await ledger.close()


async def waits(url: str, number: int = 1) -> None:
    """Until so many wait for a lock."""
    async with asyncio.timeout(10), await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        while await (await db.execute(_WAITING)).fetchone() != (number,):
            continue


async def holds_nothing_else(
    url: str, held: LiteralString, verb: Coroutine[Any, Any, Any], free: LiteralString
) -> None:
    """While somebody has locked ``held``, for which a verb waits, ``free`` can be locked."""
    with psycopg.connect(url) as db:
        assert db.execute(held + " FOR UPDATE").fetchall()
        waiting = asyncio.create_task(verb)
        await waits(url)
        assert db.execute(free + " FOR UPDATE NOWAIT").fetchall()
    await waiting


async def test_who_deletes_an_item_that_is_being_put_holds_nothing_that_this_wants(
    ledger: PostgresLedger, url: str
) -> None:
    await ledger.put_item(TENANT, ["a"], "k", {"text": "words"})
    delete = ledger.delete_item(TENANT, ["a"], "k")
    await holds_nothing_else(url, "SELECT 1 FROM store_items", delete, "SELECT 1 FROM store_texts")
    assert await ledger.get_item(TENANT, ["a"], "k") is None


async def test_items_that_were_found_are_refreshed_in_one_order(ledger: PostgresLedger, url: str) -> None:
    for key, text in (("first", "apple, and many other words"), ("second", "apple apple")):
        await ledger.put_item(TENANT, ["a"], key, {"text": text}, ttl_s=1000)
    found = await ledger.search_items(TENANT, ["a"], query="apple", refresh=False)
    assert [item.key for item in found] == ["second", "first"]
    search = ledger.search_items(TENANT, ["a"], query="apple")
    first: LiteralString = "SELECT 1 FROM store_items WHERE key = 'first'"
    await holds_nothing_else(url, first, search, "SELECT 1 FROM store_items WHERE key = 'second'")
