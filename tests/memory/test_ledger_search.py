"""The contract of lists of threads and runs: by metadata, values, ids, in any order; and of threads that expire."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.memory.codec import dumps
from dragoman.memory.errors import Conflict, ThreadNotFound
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Ledger, RunFilter, ThreadFilter
from dragoman.memory.model import RunStatus, ThreadStatus
from dragoman.memory.setup import RunSetup
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.connection import connect_reader
from dragoman.memory.threads import ThreadOrder, ThreadTtl, TtlStrategy
from dragoman.memory.verbs.thread_lists import read_threads

from .helpers import TENANT, ask, change, start, submission, submit

pytestmark = pytest.mark.anyio

NEVER = 1e-9  # minutes: over at once


async def names(ledger: Ledger, where: ThreadFilter | None = None, order: str = "created_at", down: bool = True) -> str:
    found = await ledger.threads(TENANT, where or ThreadFilter(), 50, order=ThreadOrder(order), descending=down)
    return " ".join(thread.id for thread in found)


@pytest.fixture
async def four(ledger: Ledger) -> Ledger:
    """Threads b, a, d, c in this order: idle, interrupted, failed, busy; b was used last."""
    for name in "badc":
        await ledger.create_thread(TENANT, name, {"name": name, "team": "red" if name in "ab" else "blue"}, {"v": name})
    _, lease = await start(ledger, thread_id="a")
    await ask(ledger, lease, "ok")
    _, lease = await start(ledger, thread_id="d")
    await change(ledger, lease, RunStatus.FAILED)
    await submit(ledger, thread_id="c")
    await ledger.update_thread(TENANT, "b", values={"v": "b"})
    return ledger


async def test_threads_are_listed_in_each_order_both_ways(four: Ledger) -> None:
    orders = {"created_at": "b a d c", "updated_at": "a d c b", "thread_id": "a b c d", "status": "c d b a"}
    for order, expected in orders.items():
        assert await names(four, order=order, down=False) == expected
        assert await names(four, order=order, down=True) == expected[::-1]
        pages = [
            (await four.threads(TENANT, ThreadFilter(), 1, n, order=ThreadOrder(order), descending=False))[0].id
            for n in range(4)
        ]
        assert " ".join(pages) == expected


async def test_filters_hold_in_each_order(four: Ledger) -> None:
    for order in ThreadOrder:
        assert sorted((await names(four, ThreadFilter(metadata={"team": "red"}), order)).split()) == ["a", "b"]
        assert await names(four, ThreadFilter(metadata={"team": "red", "name": "a"}), order) == "a"
        assert await names(four, ThreadFilter(values={"v": "d"}), order) == "d"
        assert await names(four, ThreadFilter(metadata={"team": "green"}), order) == ""
        for status, name in (("idle", "b"), ("interrupted", "a"), ("error", "d"), ("busy", "c")):
            assert await names(four, ThreadFilter(status=ThreadStatus(status)), order) == name
        assert await names(four, ThreadFilter(ids=["d", "nowhere", "a"], metadata={"team": "blue"}), order) == "d"
    assert await names(four, ThreadFilter(ids=["c", "b", "c"])) == "c b"


async def test_threads_are_counted(four: Ledger) -> None:
    assert await four.count_threads(TENANT, ThreadFilter()) == 4
    assert await four.count_threads("umbrella", ThreadFilter()) == 0
    assert await four.count_threads(TENANT, ThreadFilter(metadata={"team": "blue"})) == 2
    assert await four.count_threads(TENANT, ThreadFilter(status=ThreadStatus.BUSY, metadata={"team": "red"})) == 0
    assert await four.count_threads(TENANT, ThreadFilter(values={"v": "a"})) == 1


async def test_metadata_is_found_as_it_is_now(ledger: Ledger) -> None:
    kinds = {"text": "x" * 500, "number": 7, "part": 7.5, "big": 2**60, "yes": True, "none": None, "list": [1]}
    await ledger.create_thread(TENANT, "t", kinds)
    await ledger.create_thread(TENANT, "other", {"text": "x" * 499 + "y", "number": 8, "yes": 1})
    for key, value in kinds.items():
        assert await names(ledger, ThreadFilter(metadata={key: value})) == "t"
    assert await names(ledger, ThreadFilter(metadata={"number": 7.0})) == "t"
    assert await names(ledger, ThreadFilter(metadata={"part": 7.25})) == ""
    await ledger.update_thread(TENANT, "t", metadata={"number": 9, "yes": None})
    assert await names(ledger, ThreadFilter(metadata={"number": 7})) == ""
    assert await names(ledger, ThreadFilter(metadata={"number": 9})) == "t"
    copy = await ledger.copy_thread(TENANT, "t")
    assert await names(ledger, ThreadFilter(metadata={"number": 9})) == f"{copy.id} t"
    await ledger.delete_thread(TENANT, "t")
    assert await names(ledger, ThreadFilter(metadata={"number": 9})) == copy.id


async def test_runs_are_found_by_metadata_until_they_are_forgotten(ledger: Ledger) -> None:
    run, lease = await start(ledger, metadata={"user": "ada", "n": 1})
    other = await submit(ledger, metadata={"user": "bob", "n": 1}, thread_id="t")

    async def found(**metadata: object) -> set[str]:
        page = await ledger.runs(TENANT, RunFilter(metadata=metadata))
        return {view.run.id for view in page.items}

    assert await found(user="ada") == {run.id}
    assert await found(n=1) == {run.id, other.id}
    assert await found(n=1, user="bob") == {other.id}
    assert await found(user="eve") == set()
    await change(ledger, lease, RunStatus.SUCCEEDED)
    await ledger.delete_run(TENANT, run.id)
    await ledger.cancel(TENANT, other.id)
    await ledger.delete_thread(TENANT, "t")
    assert await found(n=1) == set()


async def test_a_thread_expires_with_all_that_hangs_on_it(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "gone", {"a": 1}, {"x": 1}, ttl=ThreadTtl(NEVER))
    await ledger.create_thread(TENANT, "later", {}, ttl=ThreadTtl(60))
    await ledger.create_thread(TENANT, "kept", {})
    expiry = await ledger.thread_expiry(TENANT, "later")
    assert expiry is not None
    assert expiry.ttl == ThreadTtl(60, TtlStrategy.DELETE)
    assert abs(expiry.expires_at - now_micros() - 3_600_000_000) < 10_000_000
    assert await ledger.thread_expiry(TENANT, "kept") is None
    assert await ledger.expire_threads() == 1
    with pytest.raises(ThreadNotFound):
        await ledger.thread(TENANT, "gone")
    assert await names(ledger) == "kept later"
    assert await ledger.next_thread_expiry() == expiry.expires_at
    await ledger.set_thread_ttl(TENANT, "later", None)
    assert (await ledger.next_thread_expiry(), await ledger.thread_expiry(TENANT, "later")) == (None, None)
    with pytest.raises(ThreadNotFound):
        await ledger.set_thread_ttl(TENANT, "gone", None)


async def test_a_thread_in_use_does_not_expire(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, ttl=ThreadTtl(NEVER))
    run, lease = await start(ledger, thread_id="t")
    assert await ledger.expire_threads() == 1
    assert (await ledger.thread(TENANT, "t")).status is ThreadStatus.BUSY
    again = await ledger.next_thread_expiry()
    assert again is not None
    assert again > now_micros()
    await change(ledger, lease, RunStatus.SUCCEEDED)
    assert (await ledger.load(TENANT, run.id)).run.ended


async def test_a_thread_that_keeps_its_newest_state_forgets_the_others(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"x": 0}, ttl=ThreadTtl(NEVER, TtlStrategy.KEEP_LATEST))
    for n in range(1, 5):
        await ledger.update_thread(TENANT, "t", values={"x": n})
    assert await ledger.expire_threads() == 1
    assert [(c.number, c.values) for c in await ledger.checkpoints(TENANT, "t")] == [(5, {"x": 4})]
    assert await ledger.next_thread_expiry() is not None


async def test_a_busy_thread_is_not_pruned(four: Ledger) -> None:
    with pytest.raises(Conflict):
        await four.prune_thread(TENANT, "c")
    await four.prune_thread(TENANT, "b")
    assert [c.number for c in await four.checkpoints(TENANT, "b")] == [2]


async def test_the_thread_of_a_run_to_be_forgotten_expires_after_it(ledger: Ledger) -> None:
    run, lease = await start(ledger, setup=RunSetup(forget=True))
    assert await ledger.thread_expiry(TENANT, run.thread_id) is None
    await change(ledger, lease, RunStatus.SUCCEEDED)
    expiry = await ledger.thread_expiry(TENANT, run.thread_id)
    assert expiry is not None
    assert expiry.ttl == ThreadTtl(1)


async def test_a_search_without_a_match_is_little_work_among_many_threads(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    await ledger.open()
    await ledger.close()
    many = 20_000
    with closing(sqlite3.connect(path)) as db:
        rows = ((f"t{n}", n + 1, n, dumps({"user": f"u{n}", "team": "red"})) for n in range(many))
        db.executemany("INSERT INTO threads VALUES ('acme', ?, ?, 'idle', 1, ?, 0, ?, NULL, NULL)", rows)
        pairs = (
            (key, value, n + 1, f"t{n}") for n in range(many) for key, value in (("user", f"su{n}"), ("team", "sred"))
        )
        db.executemany("INSERT INTO facets VALUES ('acme', 'thread', ?, ?, ?, ?)", pairs)
        db.commit()
    reader = connect_reader(path)
    turns = 0

    def count() -> int:
        nonlocal turns
        turns += 1
        return 0

    reader.set_progress_handler(count, 100)  # instructions of SQLite's machine

    def work(where: ThreadFilter, offset: int, expected: int) -> int:
        nonlocal turns
        turns = 0
        found = read_threads(reader, TENANT, where, 10, offset, ThreadOrder.CREATED_AT, True)
        assert len(found) == expected
        return turns

    with closing(reader):
        whole = work(ThreadFilter(values={"x": [1]}), 0, 0)
        none = work(ThreadFilter(metadata={"team": "red", "user": "nobody"}), 0, 0)
        one = work(ThreadFilter(metadata={"team": "red", "user": "u7"}), 0, 1)
        values = work(ThreadFilter(values={"x": 1}), 0, 0)
        deep = work(ThreadFilter(), many - 10, 10)
    assert whole > many / 100  # it looks at each
    assert max(none, one, values) < whole / 4  # a pair is counted up to a bound
    assert deep < whole


async def test_a_setup_is_kept_with_the_run(ledger: Ledger) -> None:
    setup = RunSetup({"configurable": {"model": "m"}}, {"user": "ada"}, None, ("pay",), ("*",))
    run = await submit(ledger, setup=setup)
    assert run.setup == setup
    assert (await ledger.load(TENANT, run.id)).run.setup == setup
    assert (await submit(ledger, setup=RunSetup())).setup is None
    [(_, claimed, _)] = await ledger.claim("w", 1)
    assert (claimed.id, claimed.setup) == (run.id, setup)
    assert submission(setup=setup).setup == setup
