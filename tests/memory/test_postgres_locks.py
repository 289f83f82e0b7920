"""Verbs that meet at the same rows lock them in the same order: none waits for one that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from dragoman.memory.admission import ClaimTerms
from dragoman.memory.assistants import AssistantPatch, NewAssistant
from dragoman.memory.crons import Cron
from dragoman.memory.errors import RunNotFound, ThreadNotFound
from dragoman.memory.outbox import Delivery, NewDelivery
from dragoman.memory.postgres.ledger import PostgresLedger

from .helpers import TENANT, WORKER, start, submission
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


def deadlocks(url: str) -> int:
    """How often some of the database's transactions have waited for one another."""
    with psycopg.connect(url) as db:
        found = db.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert found is not None
    return int(found[0])


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


async def test_claims_that_begin_at_different_tenants_do_not_wait_for_one_another(
    ledger: PostgresLedger, url: str
) -> None:
    before = deadlocks(url)
    for n in range(34):
        for thread in ("at work", "waits"):
            born = await ledger.submit(submission(tenant=f"t{n:02}", thread_id=thread, tenant_limit=1), WORKER)
            assert (born.lease is not None) is (thread == "at work")

    def claim(after: str) -> asyncio.Task[Any]:
        terms = ClaimTerms(kinds={"refunds": ("1",)}, tenant_limit=1, after=after)
        return asyncio.create_task(ledger.claim("w2", 4, 30.0, terms))

    with psycopg.connect(url) as db:
        db.execute("SELECT pg_advisory_xact_lock(hashtextextended('tenant:t31', 1))")
        late = claim("t15")
        await waits(url)
        early = claim("")
        await waits(url, 2)
    assert [*(await late), *(await early)] == []
    await ledger.close()  # what its connections counted is told when they end
    assert deadlocks(url) == before


async def _while_another_letter_is_written(
    ledger: PostgresLedger, url: str, change: Callable[[Delivery, int], Coroutine[Any, Any, bool]]
) -> None:
    """Change a delivery that has a dead letter, while it is sent and has another one written."""
    run, _ = await start(ledger)
    delivery = await ledger.add_delivery(NewDelivery(TENANT, run.id, "d", "webhook", "http://a"), 5)
    letter: LiteralString = (
        "INSERT INTO dead_letters (tenant, delivery, seq, part, attempts, error, at, stopped)"
        " VALUES (%s, %s, %s, 0, 1, '', 0, 0)"
    )
    with psycopg.connect(url) as db:
        db.execute(letter, (TENANT, delivery.ordinal, 1))
    [known] = await ledger.dead_letters(TENANT)
    with psycopg.connect(url) as db:  # as move_delivery does
        db.execute("UPDATE deliveries SET cursor = 2")
        changed = asyncio.create_task(change(delivery, known.number))
        await waits(url)
        db.execute(letter, (TENANT, delivery.ordinal, 2))
    assert await changed
    assert (await ledger.count_deliveries(TENANT)).dead_letters == 0


async def test_of_a_delivery_that_is_dropped_while_it_is_sent_no_letter_is_left(
    ledger: PostgresLedger, url: str
) -> None:
    await _while_another_letter_is_written(ledger, url, lambda d, _: ledger.drop_delivery(TENANT, d.run_id, d.id))


async def test_of_a_delivery_that_is_sent_again_from_a_letter_on_no_later_letter_is_left(
    ledger: PostgresLedger, url: str
) -> None:
    await _while_another_letter_is_written(ledger, url, lambda _, number: ledger.retry_dead_letter(number, TENANT))


async def test_of_an_assistant_that_is_deleted_while_it_is_changed_no_version_is_left(
    ledger: PostgresLedger, url: str
) -> None:
    await ledger.create_assistant(NewAssistant(TENANT, "a", "refunds", "A"))
    with psycopg.connect(url) as db:  # as update_assistant does
        db.execute(
            "INSERT INTO assistant_versions SELECT tenant, assistant_id, 2, agent, name, description, created_at,"
            " config, context, metadata FROM assistant_versions"
        )
        db.execute("UPDATE assistants SET version = 2")
        deleted = asyncio.create_task(ledger.delete_assistant(TENANT, "a"))
        await waits(url)
    await deleted
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM assistant_versions").fetchone() == (0,)


async def test_one_assistant_that_many_change_at_once_has_a_version_of_each(ledger: PostgresLedger) -> None:
    await ledger.create_assistant(NewAssistant(TENANT, "a", "refunds", "A"))
    patches = [AssistantPatch(metadata={f"k{n}": n}) for n in range(10)]
    changed = await asyncio.gather(*(ledger.update_assistant(TENANT, "a", patch) for patch in patches))
    assert sorted(assistant.version for assistant in changed) == list(range(2, 12))
    assert (await ledger.assistant(TENANT, "a")).metadata == {f"k{n}": n for n in range(10)}


async def test_a_cron_fires_on_a_thread_that_somebody_deletes_without_holding_itself(
    ledger: PostgresLedger, url: str
) -> None:
    await ledger.create_thread(TENANT, "t", {})
    cron = await ledger.add_cron(Cron(TENANT, "c", "test", "one", "* * * * *", thread_id="t", next_at=1), 9)
    fire = ledger.fire_cron(cron, 2, submission(thread_id="t"))
    await holds_nothing_else(url, "SELECT 1 FROM threads", fire, "SELECT 1 FROM crons")


async def test_a_reader_that_finds_nothing_leaves_no_transaction_to_be_told_of(
    ledger: PostgresLedger, caplog: pytest.LogCaptureFixture
) -> None:
    for look in (ledger.load(TENANT, "none"), ledger.checkpoints(TENANT, "none"), ledger.thread(TENANT, "none")):
        with pytest.raises((RunNotFound, ThreadNotFound)):
            await look
    assert caplog.records == []
