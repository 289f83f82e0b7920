"""What is kept is sealed to its row, by keys that are not in the ledger. The contract suite runs on sealed ledgers too;
here is what only they do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from anyio import to_thread

from dragoman.memory.ledger import Batch, Change, NewArtifact, RunFilter
from dragoman.memory.model import RunStatus
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.postgres.ledger import PostgresLedger
from dragoman.memory.postgres.sealing import PostgresSealing
from dragoman.memory.sealing import MasterKeyMissing, MasterKeys, Unreadable
from dragoman.memory.sealing.places import place_of, places
from dragoman.memory.sealing.tables import TABLES
from dragoman.memory.sealing.turning import After, Sealing, tables
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.connection import connect_writer, migrate
from dragoman.memory.sqlite.sealing import SqliteSealing
from dragoman.memory.statements import SQL

from .helpers import TENANT, change, finish_step, start, submit
from .postgres_ledgers import url_of

pytestmark = pytest.mark.anyio

OLD, NEW = b"o" * 32, b"n" * 32
MARK = "the-mark-of-a-secret"


def file_of(folder: Path) -> Path:
    return folder / "ledger.db"


async def opened(folder: Path, *keys: bytes) -> SqliteLedger:
    ledger = SqliteLedger(file_of(folder), masters=MasterKeys(keys) if keys else None)
    await ledger.open()
    return ledger


def seal_all(sealing: Sealing) -> int:
    total = 0
    for table in tables():
        after: After = None
        while True:
            piece = sealing.seal_rows(table, after)
            total, after = total + piece.turned, piece.after
            if after is None:
                break
    return total + sealing.seal_words(None).turned + sealing.forget_values(None).turned


async def fill(ledger: SqliteLedger | PostgresLedger) -> str:
    """A run with something in most places; its id."""
    run, lease = await start(ledger, input={"text": MARK}, message={"text": MARK})
    await finish_step(ledger, lease, "a", {"found": MARK})
    artifact = NewArtifact("f", "f.txt", "text/plain", MARK.encode())
    await ledger.commit(lease, Batch(values={"note": MARK}, artifacts=[artifact]))
    await change(ledger, lease, RunStatus.SUCCEEDED, output=MARK)
    await ledger.put_item(TENANT, ("notes",), "k", {"text": f"{MARK} pelerin"})
    return run.id


async def check(ledger: SqliteLedger | PostgresLedger, run_id: str) -> None:
    """What ``fill`` has put there."""
    view = await ledger.load(TENANT, run_id)
    assert (view.run.input, view.run.message, view.run.output) == ({"text": MARK}, {"text": MARK}, MARK)
    assert view.artifacts[0].data == MARK.encode()
    assert (await ledger.journal(TENANT, run_id))["a"].result == {"found": MARK}
    thread = await ledger.thread(TENANT, view.run.thread_id)
    assert thread.values == {"note": MARK}
    found, *_ = await ledger.search_items(TENANT, ("notes",), query="PÈLERIN")
    assert found.value == {"text": f"{MARK} pelerin"}


def marks_in(folder: Path) -> set[str]:
    """The files of a ledger in which the mark can be read."""
    return {file.name for file in folder.iterdir() if MARK.encode() in file.read_bytes()}


# -- what is sealed ---------------------------------------------------------------------------------------------------
def touched(db: sqlite3.Connection, sql: str) -> set[tuple[str, str]]:
    """The columns that a statement reads or writes, as SQLite says."""
    found: set[tuple[str, str]] = set()

    def note(action: int, table: str | None, column: str | None, *_: Any) -> int:
        if action in (sqlite3.SQLITE_READ, sqlite3.SQLITE_UPDATE) and table and column:
            found.add((table, column))
        elif action == sqlite3.SQLITE_INSERT and table is not None and table in TABLES:
            found.add((table, "*"))
        return sqlite3.SQLITE_OK

    db.set_authorizer(note)
    try:
        db.execute(f"EXPLAIN {sql}", [None] * 40)
    except sqlite3.ProgrammingError as error:  # it says how many it wants
        found.clear()
        db.execute(f"EXPLAIN {sql}", [None] * int(str(error).split(" uses ")[1].split(",")[0]))
    finally:
        db.set_authorizer(None)
    return found


def test_every_statement_that_touches_what_is_sealed_goes_through_the_seal(tmp_path: Path) -> None:
    looked_into = {
        "any_blob_reference",
        "blob_reference",
        "items_under",
        "threads_by",
        "threads_of",
        "threads_needing",
        "busy_threads",
    }
    with closing(connect_writer(tmp_path / "ledger.db")) as db:
        migrate(db)
        for name, sql in SQL.items():
            if not sql.startswith(("SELECT", "INSERT", "UPDATE")):
                continue
            sealed = {
                (table, column)
                for table, column in touched(db, sql)
                if table in TABLES and (column == "*" or column in TABLES[table].columns + TABLES[table].texts)
            }
            place = places().get(sql)
            seen: set[tuple[str, ...]] = (
                {tuple(c.prefix.split("|")[:2]) for c in (*place.writes, *place.reads)}
                if place
                else set[tuple[str, ...]]()
            )
            for table, column in sealed:
                if column == "*":
                    assert place is not None, f"{name} inserts into {table} past the seal"
                    assert place.writes, f"{name} inserts into {table} past the seal"
                elif not name.startswith(tuple(looked_into)) and name not in EMPTIED:
                    assert (table, column) in seen, f"{name} moves {table}.{column} past the seal"


# They set an empty text.
EMPTIED = {"set_delivery_place", "put_delivery"}


def test_a_statement_that_does_not_name_its_row_is_refused() -> None:
    with pytest.raises(ValueError, match=r"runs\.tenant is neither asked for nor given"):
        place_of("bad", "SELECT output FROM runs WHERE ordinal = ?")
    with pytest.raises(ValueError, match="rows of events are copied"):
        place_of("bad", "INSERT INTO events (tenant, data) SELECT tenant, data FROM events")
    with pytest.raises(ValueError, match="must be a parameter of its own"):
        place_of("bad", "UPDATE steps SET result = result || ? WHERE tenant = ? AND run_id = ? AND key = ?")


async def test_nothing_that_is_kept_can_be_read_in_the_file(tmp_path: Path) -> None:
    ledger = await opened(tmp_path, NEW)
    run_id = await fill(ledger)
    await check(ledger, run_id)
    assert marks_in(tmp_path) == set()
    await ledger.close()
    assert marks_in(tmp_path) == set()
    assert b"pelerin" not in file_of(tmp_path).read_bytes()
    assert run_id.encode() in file_of(tmp_path).read_bytes()


# -- what does not open -----------------------------------------------------------------------------------------------
async def test_a_value_that_is_copied_to_another_row_does_not_open_and_the_other_rows_do(tmp_path: Path) -> None:
    ledger = await opened(tmp_path, NEW)
    first, second, third = [(await submit(ledger, input=f"{MARK} {n}")).id for n in range(3)]
    with closing(sqlite3.connect(file_of(tmp_path))) as db, db:
        db.execute("UPDATE runs SET input = (SELECT input FROM runs WHERE id = ?) WHERE id = ?", (first, second))
    with pytest.raises(Unreadable, match=rf"input of runs {second} cannot be read") as told:
        await ledger.load(TENANT, second)
    assert MARK not in str(told.value)
    assert (await ledger.load(TENANT, third)).run.input == f"{MARK} 2"
    shown = {view.run.id: view.run.input for view in (await ledger.runs(TENANT, RunFilter())).items}
    assert shown[first] == f"{MARK} 0"
    assert list(shown[second]) == ["unreadable"]
    await ledger.close()


async def test_a_value_that_is_copied_to_another_tenant_does_not_open(tmp_path: Path) -> None:
    ledger = await opened(tmp_path, NEW)
    mine = await submit(ledger, input=MARK)
    await submit(ledger, tenant="other", run_id="theirs", input="x")
    with closing(sqlite3.connect(file_of(tmp_path))) as db, db:
        db.execute("UPDATE runs SET input = (SELECT input FROM runs WHERE id = ?) WHERE tenant = 'other'", (mine.id,))
        db.execute("UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE tenant = 'acme')")
    with pytest.raises(Unreadable):
        await ledger.load("other", "theirs")
    await ledger.close()
    again = await opened(tmp_path, NEW)
    with pytest.raises(Unreadable, match="data_keys was changed"):
        await again.load("other", "theirs")
    assert (await again.load(TENANT, mine.id)).run.input == MARK
    await again.close()


async def test_a_ledger_does_not_open_without_its_master_key_and_says_which_one(tmp_path: Path) -> None:
    ledger = await opened(tmp_path, OLD)
    run_id = await fill(ledger)
    await ledger.close()
    wanted = MasterKeys([OLD]).first
    with pytest.raises(MasterKeyMissing, match=f"{wanted}, and this process was given none.*DRAGOMAN_MASTER_KEYS"):
        await opened(tmp_path)
    with pytest.raises(MasterKeyMissing, match=f"{wanted}, and this process was given {MasterKeys([NEW]).first}"):
        await opened(tmp_path, NEW)
    again = await opened(tmp_path, NEW, OLD)
    await check(again, run_id)
    await again.close()


async def test_a_run_that_cannot_be_read_does_not_hold_up_those_behind_it(tmp_path: Path) -> None:
    ledger = await opened(tmp_path, NEW)
    broken, whole = await submit(ledger, input=MARK), await submit(ledger, input=MARK)
    with closing(sqlite3.connect(file_of(tmp_path))) as db, db:
        kept: bytes = db.execute("SELECT input FROM runs WHERE id = ?", (broken.id,)).fetchone()[0]
        db.execute("UPDATE runs SET input = substr(input, 1, 30) WHERE id = ?", (broken.id,))
    assert [run.id for _, run, _ in await ledger.claim("w", 10)] == [whole.id]
    with pytest.raises(Unreadable):
        await ledger.load(TENANT, broken.id)
    with closing(sqlite3.connect(file_of(tmp_path))) as db, db:  # its row is brought back
        db.execute("UPDATE runs SET input = ?, lease_until = 0 WHERE id = ?", (kept, broken.id))
    assert [run.id for run, _ in await ledger.sweep(10)] == [broken.id]
    assert [run.input for _, run, _ in await ledger.claim("w", 10)] == [MARK]
    await ledger.close()


async def test_a_run_that_cannot_be_read_does_not_hold_up_the_sweep(tmp_path: Path) -> None:
    ledger = await opened(tmp_path, NEW)
    broken, _ = await start(ledger, input=MARK)
    whole, _ = await start(ledger, input=MARK)
    with closing(sqlite3.connect(file_of(tmp_path))) as db, db:
        db.execute("UPDATE runs SET input = substr(input, 1, 30) WHERE id = ?", (broken.id,))
        db.execute("UPDATE runs SET lease_until = 0")
    assert [run.id for run, _ in await ledger.sweep(10)] == [whole.id]
    await ledger.close()


# -- keys -------------------------------------------------------------------------------------------------------------
async def test_master_keys_are_rotated_while_a_server_runs_and_the_old_one_is_not_needed_then(tmp_path: Path) -> None:
    ledger = await opened(tmp_path, OLD)
    run_id = await fill(ledger)
    await ledger.close()
    running = await opened(tmp_path, NEW, OLD)
    sealing = SqliteSealing(file_of(tmp_path), MasterKeys([NEW, OLD]))
    assert sealing.used() == {MasterKeys([OLD]).first: 1}
    assert sealing.rewrap() == 1
    assert sealing.rewrap() == 0
    assert sealing.used() == {MasterKeys([NEW]).first: 1}
    await check(running, run_id)
    later = await submit(running, input=MARK)
    await running.close()
    again = await opened(tmp_path, NEW)
    await check(again, run_id)
    assert (await again.load(TENANT, later.id)).run.input == MARK
    await again.close()
    with pytest.raises(MasterKeyMissing):
        await opened(tmp_path, OLD)


async def test_a_new_data_key_seals_what_comes_and_the_old_one_opens_what_was(tmp_path: Path) -> None:
    ledger = await opened(tmp_path, NEW)
    run_id = await fill(ledger)
    await ledger.close()
    sealing = SqliteSealing(file_of(tmp_path), MasterKeys([NEW]))
    assert sealing.new_data_keys(2**62, None) == (None, 1)
    ledger = await opened(tmp_path, NEW)
    later = await submit(ledger, input=MARK)
    await check(ledger, run_id)
    numbers = numbers_of(tmp_path, "SELECT input FROM runs ORDER BY ordinal")
    assert numbers == [1, 2]
    assert seal_all(sealing) > 5
    assert set(numbers_of(tmp_path, "SELECT input FROM runs UNION ALL SELECT data FROM events")) == {2}
    await check(ledger, run_id)
    assert (await ledger.load(TENANT, later.id)).run.input == MARK
    await ledger.close()


def numbers_of(folder: Path, sql: str) -> list[int]:
    """The numbers of the data keys that cells are sealed with."""
    with closing(sqlite3.connect(file_of(folder))) as db:
        cells = [cell for (cell,) in db.execute(sql) if cell[0] == 1]
    return [int.from_bytes(cell[4:8], "big") for cell in cells]


async def test_a_data_key_that_was_rolled_back_with_its_transaction_seals_nothing(tmp_path: Path) -> None:
    ledger = await opened(tmp_path, NEW)
    lease = (await start(ledger, tenant="other"))[1]
    await finish_step(ledger, lease, "a", "first")
    with pytest.raises(Exception, match="final already"):
        await finish_step(ledger, lease, "a", "again")
    run = await submit(ledger, input=MARK)
    await ledger.close()
    again = await opened(tmp_path, NEW)
    assert (await again.load(TENANT, run.id)).run.input == MARK
    await again.close()


# -- from before ------------------------------------------------------------------------------------------------------
async def test_what_was_kept_before_stays_readable_and_is_sealed_while_a_server_runs(tmp_path: Path) -> None:
    plain = await opened(tmp_path)
    old = await fill(plain)
    run, _ = await start(plain, input=MARK)
    await plain.close()
    assert marks_in(tmp_path) == {"ledger.db"}
    ledger = await opened(tmp_path, NEW)
    await check(ledger, old)
    sealing = SqliteSealing(file_of(tmp_path), MasterKeys([NEW]))
    assert seal_all(sealing) > 5
    assert seal_all(sealing) == 0
    await check(ledger, old)
    assert (await ledger.load(TENANT, run.id)).run.input == MARK
    found, *_ = await ledger.search_items(TENANT, ("notes",), query="pelerin")
    assert found.key == "k"
    await ledger.close()
    sealing.vacuum()
    assert marks_in(tmp_path) == set()
    with pytest.raises(MasterKeyMissing):
        await opened(tmp_path)


# -- replicas ---------------------------------------------------------------------------------------------------------
async def test_replicas_share_the_data_keys_and_old_rows_are_sealed_between_them(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    plain = postgres_ledger(url)
    await plain.open()
    old = await fill(plain)
    await plain.close()
    masters = MasterKeys([NEW])
    one, two = postgres_ledger(url, masters), postgres_ledger(url, masters)
    await one.open()
    await two.open()
    first = await submit(one, tenant="fresh", input=f"{MARK} 1")
    second = await submit(two, tenant="fresh", input=f"{MARK} 2")
    assert (await two.load("fresh", first.id)).run.input == f"{MARK} 1"
    assert (await one.load("fresh", second.id)).run.input == f"{MARK} 2"
    await check(two, old)
    sealing = PostgresSealing(url, masters)
    assert await to_thread.run_sync(seal_all, sealing) > 5
    assert await to_thread.run_sync(seal_all, sealing) == 0
    await check(one, old)
    await check(two, old)
    assert (await to_thread.run_sync(sealing.new_data_keys, 2**62, None)).turned == 2
    assert await to_thread.run_sync(seal_all, sealing) > 5
    await one.close()
    await two.close()
    rotating = PostgresSealing(url, MasterKeys([OLD, NEW]))
    assert await to_thread.run_sync(rotating.rewrap) == 4
    assert await to_thread.run_sync(rotating.used) == {MasterKeys([OLD]).first: 4}
    last = postgres_ledger(url, MasterKeys([OLD]))
    await last.open()
    await check(last, old)
    await last.close()
    with psycopg.connect(url) as db:
        for name, table in TABLES.items():
            for column in (*table.columns, *table.texts):
                text = column if column in table.texts else f"encode({column}, 'escape')"
                sql = f"SELECT count(*) FROM {name} WHERE strpos({text}, %s) > 0"
                count = db.execute(sql.encode(), (MARK,)).fetchone()
                assert count == (0,), f"{name}.{column}"
    with pytest.raises(MasterKeyMissing):
        await postgres_ledger(url).open()


async def test_one_change_of_status_is_sealed_as_the_row_was(tmp_path: Path) -> None:
    ledger = await opened(tmp_path, NEW)
    run, lease = await start(ledger, input={"text": MARK})
    done = await ledger.commit(lease, Batch(change=Change(RunStatus.SUCCEEDED, output={"said": MARK})))
    assert done.run.output == {"said": MARK}
    assert (await ledger.load(TENANT, run.id)).run.output == {"said": MARK}
    assert marks_in(tmp_path) == set()
    await ledger.close()
