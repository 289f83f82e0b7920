"""The writer: what was answered is on disk, what raised left no trace, and no caller can tear a write by leaving."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.memory.errors import Conflict, LedgerBusy
from dragoman.memory.ledger import Batch, NewArtifact, NewEvent, RunFilter
from dragoman.memory.model import RunStatus
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.connection import connect_writer
from dragoman.memory.sqlite.writer import Writer
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.tx import Tx

from .helpers import (
    TENANT,
    WORKER,
    assert_gapless,
    change,
    emit,
    finish_step,
    start,
    submission,
    submit,
)

pytestmark = pytest.mark.anyio

NORMAL, FULL = 1, 2  # of PRAGMA synchronous


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path / "ledger.db")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    """A writer over a file with one table of numbers."""
    db = connect_writer(tmp_path / "numbers.db")
    db.execute("CREATE TABLE numbers (n INTEGER UNIQUE)")
    started = Writer(db)
    started.start()
    yield started
    await started.close()


def add(tx: Tx, number: int) -> int:
    tx.execute("INSERT INTO numbers VALUES (?)", (number,))
    return number


def add_and_fail(tx: Tx, number: int) -> int:
    add(tx, number)
    raise Conflict(f"not {number}")


def numbers(tx: Tx) -> list[int]:
    return [n for (n,) in tx.execute("SELECT n FROM numbers ORDER BY n")]


async def test_a_verb_that_raises_leaves_no_trace_and_harms_no_other_of_its_batch(writer: Writer) -> None:
    calls = [writer.run(add_and_fail if n % 5 == 0 else add, n) for n in range(40)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [r for r in results if isinstance(r, int)] == [n for n in range(40) if n % 5]
    assert [str(r) for r in results if isinstance(r, Conflict)] == [f"not {n}" for n in range(0, 40, 5)]
    assert await writer.run(numbers) == [n for n in range(40) if n % 5]


async def test_rows_that_wait_are_seen_by_the_next_statement_and_end_with_a_roll_back(writer: Writer) -> None:
    rows = RowsLater("INSERT INTO numbers VALUES (?)")

    def later(tx: Tx, numbers: list[int], look: bool) -> int:
        tx.later(rows, numbers)
        return tx.execute("SELECT count(*) FROM numbers").fetchone()[0] if look else -1

    assert await writer.run(later, list(range(100)), True) == 100
    await asyncio.gather(*(writer.run(later, [n], False) for n in range(200, 203)))
    with pytest.raises(Conflict):
        await writer.run(later, [500, 500], False)
    told = await asyncio.gather(*(writer.run(later, [n], False) for n in (300, 200, 301)), return_exceptions=True)
    assert [type(t) for t in told] == [int, Conflict, int]
    nothing: list[int] = []
    assert await writer.run(later, nothing, True) == 105


async def test_a_step_that_is_final_already_harms_no_other_of_its_batch(ledger: SqliteLedger) -> None:
    leases = [(await start(ledger))[1] for _ in range(5)]
    await finish_step(ledger, leases[2], "pay", 1)
    told = await asyncio.gather(*(finish_step(ledger, lease, "pay", 2) for lease in leases), return_exceptions=True)
    assert [isinstance(t, Conflict) for t in told] == [False, False, True, False, False]
    results = [(await ledger.journal(TENANT, lease.run_id))["pay"].result for lease in leases]
    assert results == [2, 2, 1, 2, 2]


async def test_a_verb_that_raises_alone_leaves_no_trace(writer: Writer) -> None:
    with pytest.raises(Conflict):
        await writer.run(add_and_fail, 1)
    assert await writer.run(numbers) == []


async def test_a_refused_duplicate_is_a_conflict_and_any_other_error_passes(writer: Writer) -> None:
    await writer.run(add, 1)
    with pytest.raises(Conflict):
        await writer.run(add, 1)
    with pytest.raises(LedgerBusy):
        await writer.run(lambda tx: tx.execute("SELECT * FROM nowhere"))
    with pytest.raises(ZeroDivisionError):
        await writer.run(lambda _: 1 // 0)
    assert await writer.run(numbers) == [1]


def remember_and_fail(tx: Tx) -> None:
    tx.remember_head(TENANT, "t", (7, 7, "busy"))
    raise Conflict


def remembered(tx: Tx) -> int:
    return len(tx.heads)


async def test_what_is_remembered_is_forgotten_with_what_is_rolled_back(writer: Writer) -> None:
    calls = (writer.run(remembered), writer.run(remember_and_fail), writer.run(remembered))
    before, failed, after = await asyncio.gather(*calls, return_exceptions=True)
    assert (before, type(failed), after) == (0, Conflict, 0)
    with pytest.raises(Conflict):
        await writer.run(remember_and_fail)
    assert await writer.run(remembered) == 0


async def test_what_is_remembered_of_threads_is_bounded(writer: Writer) -> None:
    def remember(tx: Tx) -> int:
        for number in range(100_000):
            tx.remember_head(TENANT, f"t{number}", (number, 0, "idle"))
        return len(tx.heads)

    assert 0 < await writer.run(remember) <= 2048


async def test_a_batch_is_one_transaction(writer: Writer) -> None:
    def transactions(tx: Tx) -> int:
        (count,) = tx.execute("SELECT count(*) FROM numbers").fetchone()
        return add(tx, int(count))

    seen = await asyncio.gather(*(writer.run(transactions) for _ in range(64)))
    assert seen == list(range(64))  # in the order of the calls


async def test_a_cancelled_caller_neither_loses_nor_tears_its_write(writer: Writer) -> None:
    async def call(number: int) -> None:
        await writer.run(add, number)

    for delay in range(3):
        tasks = [asyncio.create_task(call(delay * 100 + n)) for n in range(20)]
        for _ in range(delay + 1):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
    assert await writer.run(numbers) == [delay * 100 + n for delay in range(3) for n in range(20)]


async def test_closing_finishes_what_was_handed_over(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    await ledger.open()
    calls = [asyncio.ensure_future(submit(ledger)) for _ in range(50)]
    await asyncio.sleep(0)
    await ledger.close()
    runs = await asyncio.gather(*calls)
    for late in (submit(ledger), ledger.ping(), ledger.load(TENANT, runs[0].id), ledger.runs(TENANT, RunFilter())):
        with pytest.raises(LedgerBusy):
            await late
    await ledger.close()
    await ledger.open()
    assert len((await ledger.runs(TENANT, RunFilter(), 100)).items) == 50
    await ledger.close()


async def test_hundreds_of_tasks_at_once_keep_every_thread_gapless(ledger: SqliteLedger) -> None:
    async def live(thread_id: str) -> None:
        run, lease = await start(ledger, thread_id=thread_id)
        for n in range(6):
            await emit(ledger, lease, "note", n=n)
            assert (await ledger.load(TENANT, run.id)).run.emitted == n + 1  # its own write is there to be read
        await change(ledger, lease, RunStatus.SUCCEEDED)

    async with asyncio.timeout(30):
        await asyncio.gather(*(live(f"thread-{n}") for n in range(128)))
    for n in range(128):
        events = await ledger.events(TENANT, f"thread-{n}")
        assert_gapless(events)
        assert [e.data["n"] for e in events if e.type == "note"] == list(range(6))


async def test_one_thread_written_from_many_tasks_is_gapless(ledger: SqliteLedger) -> None:
    run, lease = await start(ledger, thread_id="t")
    await asyncio.gather(
        *(emit(ledger, lease, "note", n=n) for n in range(100)), *(submit(ledger, thread_id="t") for _ in range(28))
    )
    events = await ledger.events(TENANT, "t", limit=500)
    assert_gapless(events)
    assert len(events) == 2 + 128
    assert (await ledger.load(TENANT, run.id)).run.emitted == 100


async def test_a_full_disk_refuses_the_write_and_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    await ledger.open()
    run, lease = await start(ledger)
    await finish_step(ledger, lease, "look")
    before = await snapshot(ledger, run.id)
    writer = ledger._writer  # pyright: ignore[reportPrivateUsage]
    await writer.run(limit_pages, 0)
    big = Batch(artifacts=[NewArtifact("a", "a", "text/plain", b"x" * 2_000_000)])
    together = (ledger.commit(lease, big), *(emit(ledger, lease, "note", text="x" * 9000) for _ in range(5)))
    results = await asyncio.gather(*together, return_exceptions=True)
    assert [type(r) for r in results] == [LedgerBusy] * 6
    with pytest.raises(LedgerBusy):
        await ledger.commit(lease, big)
    assert await snapshot(ledger, run.id) == before
    await writer.run(limit_pages, 1 << 30)
    await ledger.commit(lease, big)
    await change(ledger, lease, RunStatus.SUCCEEDED)
    await ledger.close()
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def limit_pages(tx: Tx, pages: int) -> None:
    """As a full disk would: SQLite never goes below the pages there are, so that 0 means none more."""
    tx.execute(f"PRAGMA max_page_count = {pages or 1}").fetchone()


async def snapshot(ledger: SqliteLedger, run_id: str) -> tuple[object, ...]:
    view = await ledger.load(TENANT, run_id)
    thread = await ledger.thread(TENANT, view.run.thread_id)
    return view, thread, await ledger.events(TENANT, thread.id), await ledger.journal(TENANT, run_id)


@pytest.mark.parametrize("fsync_deltas", [False, True])
async def test_only_a_batch_of_nothing_but_deltas_goes_without_a_flush(tmp_path: Path, fsync_deltas: bool) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db", fsync_deltas=fsync_deltas)
    await ledger.open()
    _, lease = await start(ledger)
    deltas = ledger.commit(lease, Batch(events=[NewEvent("text.delta")], deltas_only=True))
    await deltas
    expected = FULL if fsync_deltas else NORMAL
    assert await synchronous(ledger) == expected
    await emit(ledger, lease, "note")
    assert await synchronous(ledger) == FULL
    mixed = ledger.commit(lease, Batch(events=[NewEvent("text.delta")], deltas_only=True))
    await asyncio.gather(mixed, submit(ledger))
    assert await synchronous(ledger) == FULL
    await ledger.close()


async def synchronous(ledger: SqliteLedger) -> int:
    """How the last transaction was flushed; asked without a transaction of one's own."""
    db = ledger._writer._db  # pyright: ignore[reportPrivateUsage]
    (mode,) = await asyncio.to_thread(lambda: db.execute("PRAGMA synchronous").fetchone())
    return int(mode)


async def test_a_submission_that_nobody_waited_for_is_claimed_after_its_lease(ledger: SqliteLedger) -> None:
    task = asyncio.ensure_future(ledger.submit(submission(), WORKER, 0.0))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    [(swept, _)] = await ledger.sweep(3)
    assert [run.id for _, run, _ in await ledger.claim(WORKER, 5)] == [swept.id]
