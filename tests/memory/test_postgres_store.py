"""What the store's index of words keeps on Postgres: the words of items that are there, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from dragoman.memory.postgres.ledger import PostgresLedger

from .helpers import TENANT
from .postgres_ledgers import url_of

pytestmark = pytest.mark.anyio


def kept(url: str) -> list[tuple[Any, ...]]:
    """The index and the places that it knows, as the owner sees them."""
    with psycopg.connect(url) as db:
        return db.execute("SELECT t.key, w.text FROM store_texts AS t FULL JOIN store_words AS w USING (id)").fetchall()


async def test_of_an_item_that_is_deleted_no_word_is_left(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    ledger = PostgresLedger(url, connections=2)
    await ledger.open()
    await ledger.put_item(TENANT, ["a"], "k", {"text": "old words"})
    await ledger.put_item(TENANT, ["a"], "k", {"text": "secret words"})
    await ledger.put_item("globex", ["a"], "k", {"text": "others"})
    assert await ledger.delete_item(TENANT, ["a"], "k")
    assert kept(url) == [("k", "others\n")]
    await ledger.put_item("globex", ["a"], "k", {"text": "for a while"}, ttl_s=0)
    await ledger.sweep_items(10)
    assert kept(url) == []
    await ledger.close()


async def test_words_that_an_older_server_left_of_deleted_items_are_deleted(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    ledger = PostgresLedger(url, connections=2)
    await ledger.open()
    await ledger.put_item(TENANT, ["a"], "k", {"text": "words"})
    await ledger.close()
    with psycopg.connect(url) as db:
        db.execute("INSERT INTO store_words (id, text, words) VALUES (-1, 'secret', '{secret}')")
        db.execute("DELETE FROM migrations WHERE number = 72")
    ledger = PostgresLedger(url, connections=2)
    await ledger.open()
    await ledger.close()
    assert kept(url) == [("k", "words\n")]
