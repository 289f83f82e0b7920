"""A ledger is moved whole or not at all, and what was moved is what was there, row by row."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import psycopg
import pytest
from tests import postgres

from dragoman.memory.errors import Conflict, InputInvalid, LedgerBusy, LedgerLocked
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import ApiKey, RunStatus, StoreItem
from dragoman.memory.move import Verified, move
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.postgres.bulk import PostgresBulk
from dragoman.memory.sealing import MasterKeyMissing
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.departure import departing
from dragoman.memory.store import StoreLedger

from .conftest import MASTERS
from .every_kind import WORKER, Made, make
from .helpers import assert_gapless, submit

pytestmark = pytest.mark.anyio


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    server = postgres.shared()
    name = f"move_{abs(hash(tmp_path))}"
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server.url(name)
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@asynccontextmanager
async def opened(ledger: Ledger) -> AsyncGenerator[Ledger]:
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


async def filled(path: Path) -> list[Made]:
    async with opened(SqliteLedger(path)) as ledger:
        return [await make(ledger, "acme"), await make(ledger, "other", "someone else")]


async def moved(path: Path, url: str) -> Verified:
    def apart() -> Verified:
        target = PostgresBulk(url)
        with departing(path) as source, target.writing(alone=True):
            return move(source, target)

    return await asyncio.to_thread(apart)


async def test_every_table_is_there_as_it_was(tmp_path: Path, url: str) -> None:
    path = tmp_path / "ledger.db"
    await filled(path)
    done = await moved(path, url)
    with closing(sqlite3.connect(path)) as db:
        for name, digest in done.items():
            assert db.execute(f"SELECT count(*) FROM {name}").fetchone() == (digest.rows,)
    empty = {name for name, digest in done.items() if digest.rows == 0}
    assert empty <= {"data_keys"}, "something of every kind is to be moved"


async def test_what_was_under_way_goes_on_after_the_move(tmp_path: Path, url: str) -> None:
    path = tmp_path / "ledger.db"
    made, _ = await filled(path)
    await moved(path, url)
    async with opened(postgres_ledger(url)) as ledger:
        taken = [run.id for run, _ in await ledger.sweep(10)]
        assert made.running in taken, "its worker was the process that had the file"
        assert made.running in {run.id for _, run, _ in await ledger.claim(WORKER, 10)}
        run, _ = await ledger.answer("acme", made.waiting, {"pay": True}, "ada")
        assert run.status is RunStatus.QUEUED
        events = await ledger.events("acme", run.thread_id)
        assert_gapless(events)
        assert events[-1].type == "run.resumed"
        assert (await ledger.journal("acme", made.waiting))["load"].result == {"id": 1}
        known = await ledger.find_run("acme", "key of person-4711")
        assert known is not None
        assert known.id == made.waiting
        newest = await submit(ledger, tenant="acme", thread_id=made.thread)
        assert newest.ordinal > run.ordinal
        assert [letter.body for letter in await ledger.dead_letters("acme")] == [b"\x00body"]
        assert (await ledger.delivery("acme", made.done, "active"))[1] == {"token": "s"}
        assert [item.key for item in await _found(ledger, "darjeeling")] == ["likes"]
        assert not await _found(ledger, "hidden")
        await ledger.put_item("acme", ("shared",), "new", {"text": "Darjeeling too"})
        assert len(await _found(ledger, "darjeeling")) == 2
        assert await ledger.recall("acme", "mcp.session", "session-person-4711") == {"subject": "person-4711"}
        assert await ledger.find_key(b"acme" * 8) is not None
        assert (await ledger.assistant("acme", "one")).version == 2
        assert (await ledger.cron("acme", "daily")).next_at is not None
        await ledger.add_key(ApiKey("k2", "acme", "x", frozenset(), 1), b"2")


async def _found(ledger: StoreLedger, query: str) -> Sequence[StoreItem]:
    return await ledger.search_items("acme", (), query=query)


async def test_what_is_sealed_stays_sealed_and_opens_with_the_same_keys(tmp_path: Path, url: str) -> None:
    path = tmp_path / "ledger.db"
    async with opened(SqliteLedger(path, masters=MASTERS)) as ledger:
        made = await make(ledger, "acme")
    await moved(path, url)
    with pytest.raises(MasterKeyMissing):
        await postgres_ledger(url).open()
    async with opened(postgres_ledger(url, MASTERS)) as ledger:
        assert (await ledger.load("acme", made.done)).run.output == {"by": "person-4711"}
        assert [item.key for item in await _found(ledger, "darjeeling")] == ["likes"]


async def test_a_database_that_is_not_empty_is_refused_and_stays_as_it_is(tmp_path: Path, url: str) -> None:
    path = tmp_path / "ledger.db"
    await filled(path)
    async with opened(postgres_ledger(url)) as ledger:
        await submit(ledger, tenant="theirs")
    with pytest.raises(Conflict, match="not empty"):
        await moved(path, url)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT DISTINCT tenant FROM threads").fetchall() == [("theirs",)]


async def test_a_file_that_a_process_has_open_is_refused(tmp_path: Path, url: str) -> None:
    path = tmp_path / "ledger.db"
    async with opened(SqliteLedger(path)):
        with pytest.raises(LedgerLocked):
            await moved(path, url)


async def test_a_move_that_fails_at_its_last_rows_leaves_nothing(tmp_path: Path, url: str) -> None:
    path = tmp_path / "ledger.db"
    await filled(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE threads SET status = 'a' || char(0) || 'b'")
        db.commit()
    with pytest.raises(InputInvalid, match="NUL"):
        await moved(path, url)
    with psycopg.connect(url) as db:
        for table in ("runs", "assistants", "threads"):
            assert db.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)


async def test_a_row_that_arrives_otherwise_is_found_out(tmp_path: Path, url: str) -> None:
    path = tmp_path / "ledger.db"
    await filled(path)
    async with opened(postgres_ledger(url)):
        pass
    with psycopg.connect(url) as db:
        db.execute(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " NEW.status = 'failed'; RETURN NEW; END $$"
        )
        db.execute("CREATE TRIGGER spoil BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION spoil()")
    with pytest.raises(Conflict, match="runs: 8 rows were given"):
        await moved(path, url)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM threads").fetchone() == (0,)


@pytest.fixture
def owner(url: str) -> Iterator[str]:
    """The URL of a database for its owner, who is no superuser."""
    name = url.split("/")[3].split("?")[0]
    with psycopg.connect(url, autocommit=True) as db:
        for role in ("dragoman_app", "dragoman_worker"):
            if db.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
                db.execute(f"CREATE ROLE {role} NOLOGIN".encode())
        for role in (f"{name}_owner", f"{name}_app"):
            db.execute(f"CREATE ROLE {role} LOGIN".encode())
        db.execute(f"GRANT dragoman_app, dragoman_worker TO {name}_owner".encode())
        db.execute(f"GRANT dragoman_app TO {name}_app".encode())
        db.execute(f"ALTER DATABASE {name} OWNER TO {name}_owner".encode())
        yield url.replace("user=postgres", f"user={name}_owner")
        db.execute(f"REASSIGN OWNED BY {name}_owner TO postgres".encode())
        db.execute(f"DROP OWNED BY {name}_owner, {name}_app".encode())
        db.execute(f"DROP ROLE {name}_owner, {name}_app".encode())


async def test_an_owner_from_whom_rows_are_guarded_moves_them_too(tmp_path: Path, owner: str) -> None:
    path = tmp_path / "ledger.db"
    made, _ = await filled(path)
    assert (await moved(path, owner))["runs"].rows == 8
    async with opened(postgres_ledger(owner)) as ledger:
        assert (await ledger.load("acme", made.done)).run.status is RunStatus.SUCCEEDED
        assert [item.key for item in await _found(ledger, "darjeeling")] == ["likes"]
    with pytest.raises(LedgerBusy, match="owner"), PostgresBulk(owner.replace("_owner", "_app")).reading():
        pass
