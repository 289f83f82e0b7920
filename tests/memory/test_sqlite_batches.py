"""Verbs that share a transaction: what they leave is what they leave one by one, whichever rows were written late."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.memory.errors import DragomanError
from dragoman.memory.ledger import Batch, Change, Committed, Lease, Ledger, NewEvent, NewStep, Submitted
from dragoman.memory.model import RunStatus, RunView, StepStatus, ThreadPolicy
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.tx import SqliteTx
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.later import RowsLater, tables_of

from .conftest import MASTERS
from .helpers import TENANT, WORKER, question, start, submission

Verb = tuple[str, tuple[Any, ...]]
"""The name of one of the ledger's and its arguments."""

pytestmark = pytest.mark.anyio

EMBEDDED = pytest.mark.parametrize("stored", ["sqlite", "sealed"], indirect=True)
MEMORY = Path("/dev/shm")
NOW_NS = 1_900_000_000_000_000_000
KINDS = ("submit",) * 8 + ("step", "emit", "end") * 6 + ("ask", "cancel", "claim")
RUN_COLUMNS = SQL["run_columns"].replace("ordinal, ", "") + ", rollback, woken, blocked, lease_owner, first_seq, rank"
_TABLES = {
    "runs": RUN_COLUMNS,
    "threads": "tenant, id, status, checkpoint, created_at, updated_at, metadata",
    "events": "*",
    "steps": "*",
    "checkpoints": "*",
    "interrupts": "*",
    "facets": "tenant, kind, key, value, id",
}


@st.composite
def verbs(draw: st.DrawFn) -> list[Verb]:
    """Verbs on some runs of a few threads, most of which go well: one that does not has its batch written anew."""
    made: list[Verb] = []
    live: list[tuple[int, str]] = []
    for number in range(draw(st.integers(2, 30))):
        kind = draw(st.sampled_from(KINDS if live else KINDS[:1]))
        if kind == "submit":
            thread = draw(st.sampled_from(("a", "b", f"own-{number}", f"own-{number}", f"own-{number}")))
            live.append((number, thread))
            made.append(("submit", _submission(draw, number, thread)))
            continue
        at = draw(st.integers(0, len(live) - 1))
        run, thread = live[at]
        if kind in ("end", "ask", "cancel") and draw(st.integers(0, 9)):
            del live[at]
        if kind == "cancel":
            made.append(("cancel", (f"r{run}", draw(st.booleans()))))
        elif kind == "claim":
            made.append(("claim", (WORKER, 2)))
        else:
            made.append(("commit", (Lease(TENANT, f"r{run}", thread, WORKER, 1), _batch(draw, kind, run))))
    return made


def _submission(draw: st.DrawFn, run: int, thread: str) -> tuple[Any, ...]:
    wanted = submission(
        run_id=f"r{run}",
        thread_id=thread,
        new_thread=thread.startswith("own"),
        policy=draw(st.sampled_from((ThreadPolicy.ENQUEUE, ThreadPolicy.ENQUEUE, *ThreadPolicy))),
        idempotency_key=draw(st.sampled_from((None, None, None, "key", "other"))),
        metadata=draw(st.sampled_from(({}, {"team": "blue"}))),
        input={"of": run},
    )
    return wanted, draw(st.sampled_from((WORKER, WORKER, WORKER, None)))


def _batch(draw: st.DrawFn, kind: str, run: int) -> Batch:
    if kind == "step":
        step = NewStep(f"{draw(st.integers(0, 99))}", draw(st.sampled_from(StepStatus)), result=run)
        return Batch(steps=[step], values=draw(st.sampled_from((None, {"n": run}, {"n": None, "m": [run]}))))
    if kind == "emit":
        return Batch(events=[NewEvent("note", {"of": run})], emitted=1)
    if kind == "ask":
        return Batch(interrupts=[question("sure")], change=Change(RunStatus.WAITING))
    ended = draw(st.sampled_from((RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.QUEUED)))
    return Batch(change=Change(ended, output={"of": run}))


async def _tried(call: Coroutine[Any, Any, Any]) -> Any:
    """What a verb answered, but for ordinals: one that was forgotten is given anew where a batch is rolled back."""
    try:
        answer = await call
    except DragomanError as error:
        return type(error)
    if isinstance(answer, Submitted | Committed):
        return replace(answer.run, ordinal=0), answer.events
    if isinstance(answer, RunView):
        return replace(answer, run=replace(answer.run, ordinal=0))
    return [(lease, replace(run, ordinal=0), events) for lease, run, events in answer]


def _asked(ledger: SqliteLedger, verb: Verb) -> Coroutine[Any, Any, Any]:
    name, args = verb
    return _cancel(ledger, *args) if name == "cancel" else getattr(ledger, name)(*args)


async def _cancel(ledger: SqliteLedger, run: str, rollback: bool) -> Any:
    return [(None, *await ledger.cancel(TENANT, run, "enough", rollback=rollback))]


async def _left(sizes: Iterator[int], asked: list[Verb], folder: Path, masters: Any) -> tuple[list[Any], Any]:
    """What verbs answer that are handed over so many at a time, and what the ledger holds then."""
    ledger = SqliteLedger(folder / "ledger.db", masters=masters)
    await ledger.open()
    answers: list[Any] = []
    whole = asked
    while asked:
        size = next(sizes)
        answers += await asyncio.gather(*[_tried(_asked(ledger, verb)) for verb in asked[:size]])
        asked = asked[size:]
    views = [await _tried(ledger.load(TENANT, args[0].run_id)) for name, args in whole if name == "submit"]
    names = {args[0].thread_id for name, args in whole if name == "submit"}
    logs = {name: await ledger.events(TENANT, name) for name in names}
    await ledger.close()
    rows: list[Any] = []
    if masters is None:
        with closing(sqlite3.connect(folder / "ledger.db")) as db:
            rows = [sorted(map(repr, db.execute(f"SELECT {what} FROM {table}"))) for table, what in _TABLES.items()]
    return answers, (views, logs, rows)


@pytest.mark.parametrize("masters", [None, MASTERS], ids=["plain", "sealed"])
@given(asked=verbs(), sizes=st.lists(st.integers(1, 16), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_verbs_of_one_batch_leave_what_they_leave_one_by_one(masters: Any, asked: list[Verb], sizes: list[int]) -> None:
    told: list[Any] = []
    with mock.patch.object(time, "time_ns", return_value=NOW_NS):
        for each in ([1], sizes):
            folder = Path(tempfile.mkdtemp(prefix="batches-", dir=MEMORY if MEMORY.is_dir() else None))
            try:
                told.append(asyncio.run(_left(itertools.cycle(each), asked, folder, masters)))
            finally:
                shutil.rmtree(folder)
    assert told[0] == told[1]


@EMBEDDED
async def test_a_repeated_submission_sees_what_its_batch_has_made_of_the_run(ledger: Ledger) -> None:
    first, lease = await start(ledger, idempotency_key="key")
    done = Batch(change=Change(RunStatus.SUCCEEDED, output=1))
    _, again = await asyncio.gather(ledger.commit(lease, done), ledger.submit(submission(idempotency_key="key")))
    assert (again.created, again.run.id, again.run.status, again.run.output) == (False, first.id, "succeeded", 1)


@EMBEDDED
async def test_what_a_run_told_before_it_ended_does_not_undo_its_end(ledger: Ledger) -> None:
    (_, one), (_, other) = await start(ledger), await start(ledger)
    end = Batch(change=Change(RunStatus.SUCCEEDED), emitted=1)
    note = Batch(events=[NewEvent("note")], emitted=1)
    await asyncio.gather(ledger.commit(one, end), ledger.commit(other, note), ledger.commit(other, end))
    run = (await ledger.load(TENANT, other.run_id)).run
    assert (run.status, run.emitted) == (RunStatus.SUCCEEDED, 2)


# -- which statements the rows wait for ------------------------------------------------------------------------------


def test_a_statement_is_known_to_touch_what_sqlite_says_it_touches(db: sqlite3.Connection) -> None:
    touching = {getattr(sqlite3, f"SQLITE_{name}") for name in ("READ", "INSERT", "UPDATE", "DELETE")}
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    tables -= {name for name in tables if name.startswith("store_words_")}  # what the search of words is made of
    touched: set[str] = set()

    def note(action: int, table: str | None, *_: object) -> int:
        if action in touching and table is not None:
            touched.add(table)
        return sqlite3.SQLITE_OK

    looked_at = 0
    db.set_authorizer(note)
    for name, sql in SQL.items():
        if sql.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
            touched.clear()
            db.execute(f"EXPLAIN {sql}", [None] * _width(sql)).close()
            assert tables & touched <= tables_of(sql), name
            looked_at += 1
    assert looked_at > 200
    assert touched


def _width(sql: str) -> int:
    numbers = [int(part[: len(part) - len(part.lstrip("0123456789"))] or 0) for part in sql.split("?")[1:]]
    return max(numbers) if any(numbers) else len(numbers)


# -- one by one, or many at once --------------------------------------------------------------------------------------


def _tables(db: sqlite3.Connection) -> RowsLater:
    db.execute("CREATE TABLE numbers (tenant TEXT, id INTEGER, name TEXT, n INTEGER, PRIMARY KEY (tenant, id))")
    return RowsLater("UPDATE numbers SET name = ?, n = ? WHERE id = ? AND tenant = ?")


@pytest.mark.parametrize("many", [1, 2, 3, 7, 64, 65, 200])
def test_rows_changed_at_once_are_those_that_were_named(db: sqlite3.Connection, many: int) -> None:
    rows = _tables(db)
    db.executemany("INSERT INTO numbers VALUES (?, ?, 'old', 0)", [(t, n) for t in "ab" for n in range(many)])
    rows.write(db.execute, [value for n in range(many) for value in (f"new {n}", n + 1, n, "a")])
    assert db.execute("SELECT name, n FROM numbers WHERE tenant = 'a' ORDER BY id").fetchall() == [
        (f"new {n}", n + 1) for n in range(many)
    ]
    assert db.execute("SELECT count(*) FROM numbers WHERE tenant = 'b' AND name = 'old'").fetchone() == (many,)


def test_a_row_that_is_changed_twice_is_as_the_last_change_left_it(db: sqlite3.Connection) -> None:
    rows = _tables(db)
    tx = SqliteTx(db)
    db.executemany("INSERT INTO numbers VALUES ('a', ?, 'old', 0)", [(1,), (2,)])
    for n, name in enumerate(("first", "second", "third")):
        tx.put(rows, (name, n, 1, "a"))
        tx.put(rows, (name, n, 2, "a"))
    # Two for a row in one statement would leave it to SQLite which of them holds.
    assert db.execute("SELECT name FROM numbers WHERE id = 1").fetchone() == ("second",)
    assert tx.execute("SELECT id, name, n FROM numbers ORDER BY id").fetchall() == [(1, "third", 2), (2, "third", 2)]


def test_a_row_is_inserted_before_it_is_changed_whichever_was_asked_first(db: sqlite3.Connection) -> None:
    changes = _tables(db)
    inserts = RowsLater("INSERT INTO numbers VALUES (?, ?, ?, ?)")
    tx = SqliteTx(db)
    db.execute("INSERT INTO numbers VALUES ('a', 1, 'old', 0)")
    tx.put(changes, ("changed", 1, 1, "a"))
    tx.put(inserts, ("a", 2, "new", 0))
    tx.put(changes, ("changed", 2, 2, "a"))
    tx.write()
    assert db.execute("SELECT name FROM numbers ORDER BY id").fetchall() == [("changed",), ("changed",)]


def test_rows_wait_while_other_tables_are_read(db: sqlite3.Connection) -> None:
    rows = _tables(db)
    db.execute("CREATE TABLE others (n INTEGER)")
    db.execute("INSERT INTO numbers VALUES ('a', 1, 'old', 0)")
    tx = SqliteTx(db)
    tx.put(rows, ("new", 1, 1, "a"))
    tx.execute("SELECT * FROM others")
    assert db.execute("SELECT name FROM numbers").fetchone() == ("old",)
    assert tx.execute("SELECT name FROM numbers").fetchone() == ("new",)
