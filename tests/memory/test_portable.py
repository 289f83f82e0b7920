"""A tenant goes to a file and into a ledger, of either kind and under any name, and is what it was."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import postgres

from dragoman.memory.bulk import Bulk
from dragoman.memory.errors import Conflict, DragomanError, InputInvalid, LedgerLocked
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import RunStatus
from dragoman.memory.portable import Imported, export_tenant, import_tenant
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.postgres.bulk import PostgresBulk
from dragoman.memory.sealing import MasterKeyMissing, MasterKeys
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.bulk import SqliteBulk
from dragoman.memory.threads import ThreadFilter

from .conftest import MASTERS
from .every_kind import PERSON, WORKER, make
from .helpers import assert_gapless, submission, submit

pytestmark = pytest.mark.anyio

Place = tuple[Callable[[], Ledger], Callable[[], Bulk], MasterKeys | None]


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Mapping[str, Place]]:
    """Two empty ledgers of each kind."""
    server = postgres.shared()
    places: dict[str, Place] = {}
    with psycopg.connect(server.url(), autocommit=True) as db:
        for n in "12":
            file = tmp_path / f"{n}.db"
            name = f"portable_{os.getpid()}_{n}"
            db.execute(f'CREATE DATABASE "{name}"'.encode())
            url = server.url(name)
            places[f"sqlite{n}"] = partial(SqliteLedger, file), partial(SqliteBulk, file), None
            places[f"postgres{n}"] = partial(postgres_ledger, url), partial(PostgresBulk, url), None
            sealed = partial(SqliteLedger, file, masters=MASTERS)
            places[f"sealed{n}"] = sealed, partial(SqliteBulk, file), MASTERS
            sealed_too = partial(postgres_ledger, url, MASTERS)
            places[f"sealed postgres{n}"] = sealed_too, partial(PostgresBulk, url), MASTERS
        yield places
        for n in "12":
            db.execute(f'DROP DATABASE "portable_{os.getpid()}_{n}" WITH (FORCE)'.encode())


@asynccontextmanager
async def opened(place: Place) -> AsyncGenerator[Ledger]:
    ledger = place[0]()
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


async def exported(place: Place, tenant: str, file: Path) -> Mapping[str, int]:
    return await asyncio.to_thread(export_tenant, place[1](), tenant, file, place[2])


async def imported(place: Place, file: Path, tenant: str | None = None, *, keys: bool = True) -> Imported:
    return await asyncio.to_thread(lambda: import_tenant(place[1](), file, tenant, keys=keys, masters=place[2]))


def lines(file: Path) -> list[bytes]:
    """What an export tells, but for when it was made and of whom."""
    return file.read_bytes().splitlines()[1:-1]


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "sealed", "sealed postgres"])
@pytest.mark.parametrize("other", ["sqlite", "postgres", "sealed", "sealed postgres"])
async def test_what_was_imported_is_exported_as_it_was(
    databases: Mapping[str, Place], tmp_path: Path, kind: str, other: str
) -> None:
    source, target = databases[f"{kind}1"], databases[f"{other}2"]
    async with opened(source) as ledger:
        await make(ledger, "acme")
        await make(ledger, "beside", "nobody")
        told = await exported(source, "acme", tmp_path / "1.jsonl")
    assert (tmp_path / "1.jsonl").stat().st_mode & 0o077 == 0
    assert b"nobody" not in (tmp_path / "1.jsonl").read_bytes()
    done = await imported(target, tmp_path / "1.jsonl", "renamed")
    assert (done.tenant, done.rows) == ("renamed", told)
    await exported(target, "renamed", tmp_path / "2.jsonl")
    assert lines(tmp_path / "2.jsonl") == lines(tmp_path / "1.jsonl")
    assert b"Darjeeling" in (tmp_path / "1.jsonl").read_bytes(), "values are in the open"
    again = await exported(source, "acme", tmp_path / "3.jsonl")
    assert again == told


@pytest.mark.parametrize("other", ["sqlite", "postgres", "sealed", "sealed postgres"])
async def test_what_was_under_way_goes_on_where_it_was_imported(
    databases: Mapping[str, Place], tmp_path: Path, other: str
) -> None:
    source, target = databases["sqlite1"], databases[f"{other}2"]
    async with opened(source) as ledger:
        made = await make(ledger, "acme")
        await exported(source, "acme", tmp_path / "1.jsonl")
    async with opened(target) as ledger:
        await submit(ledger, tenant="before")
    await imported(target, tmp_path / "1.jsonl", "renamed")
    async with opened(target) as ledger:
        assert made.running in {run.id for run, _ in await ledger.sweep(10)}
        run, _ = await ledger.answer("renamed", made.waiting, {"pay": True}, "ada")
        assert run.status is RunStatus.QUEUED
        assert_gapless(await ledger.events("renamed", run.thread_id))
        assert made.waiting in {run.id for _, run, _ in await ledger.claim(WORKER, 10)}
        assert [item.key for item in await ledger.search_items("renamed", (), query="arger")] == ["likes"]
        assert len(await ledger.threads("renamed", ThreadFilter(metadata={"owner": PERSON}))) == 1
        [letter] = await ledger.dead_letters("renamed")
        assert (letter.run_id, letter.delivery_id, letter.body) == (made.done, "dead", b"\x00body")
        assert (await ledger.delivery("renamed", made.done, "active"))[1] == {"token": "s"}
        assert (await ledger.load("renamed", made.done)).artifacts[0].data == bytes(range(256))
        newest = (await ledger.submit(submission(tenant="renamed", thread_id=made.thread))).run
        assert newest.ordinal > run.ordinal


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_tenant_that_is_there_is_refused_and_stays_as_it_is(
    databases: Mapping[str, Place], tmp_path: Path, kind: str
) -> None:
    place = databases[f"{kind}1"]
    async with opened(place) as ledger:
        await make(ledger, "acme")
    await exported(place, "acme", tmp_path / "1.jsonl")
    with pytest.raises(Conflict, match="already"):
        await imported(place, tmp_path / "1.jsonl")
    with pytest.raises(Conflict, match="--without-keys"):
        await imported(place, tmp_path / "1.jsonl", "other")
    with pytest.raises(DragomanError, match="nothing of a tenant 'other'"):
        await exported(place, "other", tmp_path / "2.jsonl")
    done = await imported(place, tmp_path / "1.jsonl", "other", keys=False)
    assert "api_keys" not in done.rows
    await exported(place, "acme", tmp_path / "3.jsonl")
    assert lines(tmp_path / "3.jsonl") == lines(tmp_path / "1.jsonl")


Damage = Callable[[list[bytes]], list[bytes]]
DAMAGES: Mapping[str, tuple[Damage, str]] = {
    "a cut": (lambda lines: lines[:-3], "no end"),
    "half a line": (lambda lines: [*lines[:5], lines[5][:20]], "line 6"),
    "a line less": (lambda lines: lines[:4] + lines[5:], "its end tells of"),
    "another value": (lambda lines: [line.replace(b"refunds", b"refundz") for line in lines], "checksum"),
    "another version": (lambda lines: [lines[0].replace(b'"version":1', b'"version":2'), *lines[1:]], "version 2"),
    "something after the end": (lambda lines: [*lines, lines[-1]], "more after the end"),
    "no export": (lambda _: [b"{}"], "line 1"),
}


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_file_that_is_not_whole_writes_nothing(
    databases: Mapping[str, Place], tmp_path: Path, kind: str, name: str
) -> None:
    source, target = databases["sqlite1"], databases[f"{kind}2"]
    async with opened(source) as ledger:
        await make(ledger, "acme")
    await exported(source, "acme", tmp_path / "1.jsonl")
    damage, said = DAMAGES[name]
    broken = damage((tmp_path / "1.jsonl").read_bytes().splitlines())
    (tmp_path / "2.jsonl").write_bytes(b"\n".join(broken) + b"\n")
    with pytest.raises(InputInvalid, match=said):
        await imported(target, tmp_path / "2.jsonl")
    async with opened(target) as ledger:
        assert await ledger.count_threads("acme", ThreadFilter()) == 0


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_row_that_cannot_be_kept_undoes_those_before_it(
    databases: Mapping[str, Place], tmp_path: Path, kind: str
) -> None:
    source, target = databases["sqlite1"], databases[f"{kind}2"]
    async with opened(source) as ledger:
        await make(ledger, "acme")
    with closing(sqlite3.connect(tmp_path / "1.db")) as db:
        db.execute("UPDATE facts SET expires_at = 1")
        db.commit()
    await exported(source, "acme", tmp_path / "1.jsonl")
    _rewrite(tmp_path / "1.jsonl", tmp_path / "2.jsonl", b'"expires_at":1,', b'"expires_at":"soon",')
    with pytest.raises(DragomanError):
        await imported(target, tmp_path / "2.jsonl")
    async with opened(target) as ledger:
        assert await ledger.count_threads("acme", ThreadFilter()) == 0
        assert await ledger.count_assistants("acme") == 0


def _rewrite(old: Path, new: Path, a: bytes, b: bytes) -> None:
    """A whole export with another value in it."""
    import hashlib

    body = old.read_bytes().replace(a, b)
    kept, _, last = body.rstrip(b"\n").rpartition(b"\n")
    end: dict[str, Any] = orjson.loads(last)
    end["end"]["sha256"] = hashlib.sha256(kept + b"\n").hexdigest()
    new.write_bytes(kept + b"\n" + orjson.dumps(end) + b"\n")


async def test_an_export_is_of_one_moment_while_runs_go_on(databases: Mapping[str, Place], tmp_path: Path) -> None:
    for kind in ("sqlite1", "postgres1"):
        place = databases[kind]
        async with opened(place) as ledger:
            await make(ledger, "acme")
            over = asyncio.Event()
            load = asyncio.create_task(_writing(ledger, over))
            files = [tmp_path / f"{kind}-{n}.jsonl" for n in range(5)]
            for file in files:
                await exported(place, "acme", file)
            over.set()
            assert await load > 5
        for file in files:
            _check_whole(file)


async def _writing(ledger: Ledger, over: asyncio.Event) -> int:
    count = 0
    while not over.is_set():
        await submit(ledger, tenant="acme", metadata={"n": count})
        count += 1
    return count


def _check_whole(file: Path) -> None:
    """Each thread has its runs and each run its first event: they were written at once."""
    rows: dict[str, list[Any]] = {}
    for line in lines(file):
        [(kind, row)] = orjson.loads(line).items()
        rows.setdefault(kind, []).append(row)
    first = {event["run_id"] for event in rows["events"] if event["type"] == "run.queued"}
    assert {run["id"] for run in rows["runs"]} == first
    assert {run["thread_id"] for run in rows["runs"]} <= {thread["id"] for thread in rows["threads"]}


async def test_an_import_into_a_file_that_a_server_has_open_is_refused(
    databases: Mapping[str, Place], tmp_path: Path
) -> None:
    async with opened(databases["sqlite1"]) as ledger:
        await make(ledger, "acme")
        await exported(databases["sqlite1"], "acme", tmp_path / "1.jsonl")
        with pytest.raises(LedgerLocked):
            await imported(databases["sqlite1"], tmp_path / "1.jsonl", "other")


def _keys() -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


async def test_what_is_sealed_is_not_exported_and_not_joined_without_its_key(
    databases: Mapping[str, Place], tmp_path: Path
) -> None:
    sealed, bare = databases["sealed1"], databases["sqlite1"]
    async with opened(sealed) as ledger:
        await make(ledger, "acme")
    with pytest.raises(MasterKeyMissing):
        await exported(bare, "acme", tmp_path / "1.jsonl")
    assert not (tmp_path / "1.jsonl").exists()
    await exported(sealed, "acme", tmp_path / "1.jsonl")
    with pytest.raises(MasterKeyMissing):
        await imported(bare, tmp_path / "1.jsonl", "other", keys=False)
    await imported(sealed, tmp_path / "1.jsonl", "other", keys=False)
    assert b"Darjeeling" not in (tmp_path / "1.db").read_bytes()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_keys(), st.dictionaries(_keys(), JSON, max_size=4)), max_size=6))
def test_values_of_any_shape_survive_the_way_out_and_in(
    tmp_path_factory: pytest.TempPathFactory, kept: list[tuple[str, dict[str, Any]]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    source, target = (_sqlite(folder / f"{n}.db") for n in "12")

    async def fill() -> None:
        async with opened(source) as ledger:
            await submit(ledger, tenant="acme")
            for key, value in kept:
                await ledger.put_item("acme", ("ns", key), key, value)
                await ledger.create_thread("acme", None, value, value)
                await submit(ledger, tenant="acme", metadata=value, input=value)

    asyncio.run(fill())
    export_tenant(source[1](), "acme", folder / "1.jsonl")
    import_tenant(target[1](), folder / "1.jsonl", "other")
    export_tenant(target[1](), "other", folder / "2.jsonl")
    assert lines(folder / "2.jsonl") == lines(folder / "1.jsonl")
    assert _facets(folder / "1.db") == _facets(folder / "2.db")


def _sqlite(file: Path) -> Place:
    return partial(SqliteLedger, file), partial(SqliteBulk, file), None


def _facets(file: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(file)) as db:
        return db.execute("SELECT kind, key, value, id FROM facets ORDER BY kind, key, value, ordinal").fetchall()
