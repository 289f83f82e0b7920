"""The index of values past the ledger's verbs: made by the migration and by an import, made anew by an erasure, not
there where values are sealed, and at no cost to runs that change no scalar."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.memory.bulk import Bulk
from dragoman.memory.erasure import Person, find, redact
from dragoman.memory.ledger import Batch, Ledger
from dragoman.memory.model import Json
from dragoman.memory.portable import export_tenant, import_tenant
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.postgres.bulk import PostgresBulk
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.bulk import SqliteBulk
from dragoman.memory.sqlite.tx import SqliteTx
from dragoman.memory.threads import ThreadFilter
from dragoman.memory.verbs import commit, submit, threads

from .conftest import MASTERS
from .helpers import TENANT, submission
from .postgres_ledgers import url_of
from .test_blobs import blobs_in
from .value_index import index_of, make_old, wanted

pytestmark = pytest.mark.anyio

DATABASES = ["sqlite", "postgres"]
VALUES: list[dict[str, Json]] = [
    {"text": "x" * 500, "snow": "\u2603" * 200, "quotes": "\"'\\\n", "": "", "\U0001f600" * 130: "z"},
    {"n": 7, "minus": -7, "zero": 0, "big": 2**60, "most": 2**53, "more": 2**53 + 1, "least": -(2**63)},
    {"part": 7.9, "below": -0.5, "nought": -0.0, "huge": 1e300, "tiny": 1e-300, "as_int": 1e5, "edge": float(2**53)},
    {"yes": True, "no": False, "list": [1], "object": {"a": 1}, "traceparent": "00-1"},
    {"k" * 128 + "1": "v", "k" * 128 + "2": "v"},
    {},
]


def opened_as(database: str, folder: Path, **more: Any) -> Ledger:
    if database == "sqlite":
        return SqliteLedger(folder / "ledger.db", **more)
    return postgres_ledger(url_of(folder), more.get("masters"), more.get("blobs"))


async def ids(ledger: Ledger, **values: Json) -> list[str]:
    return [thread.id for thread in await ledger.threads(TENANT, ThreadFilter(values=values), 50)]


def is_in_files(folder: Path, text: bytes) -> bool:
    return any(text in file.read_bytes() for file in folder.iterdir())


async def filled(ledger: Ledger, values: list[dict[str, Json]]) -> None:
    for number, one in enumerate(values):
        await ledger.create_thread(TENANT, f"t{number}", {}, {"old": number, **one})
        await ledger.update_thread(TENANT, f"t{number}", values={"old": None, "new": number})


@pytest.mark.parametrize("database", DATABASES)
async def test_threads_from_before_the_index_are_in_it(database: str, tmp_path: Path) -> None:
    ledger = opened_as(database, tmp_path)
    await ledger.open()
    await filled(ledger, VALUES)
    await ledger.create_thread(TENANT, "empty", {})
    made = index_of(ledger, tmp_path)
    await ledger.close()
    make_old(ledger, tmp_path)
    assert index_of(ledger, tmp_path) == set()
    await ledger.open()
    assert index_of(ledger, tmp_path) == made == await wanted(ledger)
    assert (await ids(ledger, new=1), await ids(ledger, old=1), await ids(ledger, part=7.9)) == (["t1"], [], ["t2"])
    await ledger.close()


@pytest.mark.parametrize("database", DATABASES)
async def test_threads_whose_values_a_migration_cannot_read_are_found(database: str, tmp_path: Path) -> None:
    ledger = opened_as(database, tmp_path, blobs=blobs_in(tmp_path))
    await ledger.open()
    for name, value in (("small", "x"), ("large", "x" * 5000), ("nul", "a\0b"), ("other", "y" * 5000)):
        await ledger.create_thread(TENANT, name, {}, {"stage": "new", "at": name, "text": value})
    await ledger.close()
    make_old(ledger, tmp_path)
    await ledger.open()
    marked = {row[4] for row in index_of(ledger, tmp_path) if row[0] == "unread"}
    assert marked == {"large", "nul", "other"}
    assert await ids(ledger, stage="new") == ["other", "nul", "large", "small"]
    assert (await ids(ledger, at="large"), await ids(ledger, at="nobody")) == (["large"], [])
    await ledger.update_thread(TENANT, "large", values={"stage": "paid"})
    assert (await ids(ledger, stage="paid"), await ids(ledger, at="large")) == (["large"], ["large"])
    assert await ids(ledger, stage="new") == ["other", "nul", "small"]
    assert await ledger.count_threads(TENANT, ThreadFilter(values={"stage": "new"})) == 3
    for name in marked:
        await ledger.delete_thread(TENANT, name)
    assert index_of(ledger, tmp_path) == await wanted(ledger)
    await ledger.close()


@pytest.mark.parametrize("database", DATABASES)
async def test_nothing_of_a_sealed_ledger_is_put_into_the_index(database: str, tmp_path: Path) -> None:
    ledger = opened_as(database, tmp_path, masters=MASTERS)
    await ledger.open()
    await ledger.create_thread(TENANT, "t", {}, {"stage": "the-mark-of-a-secret"})
    await ledger.close()
    make_old(ledger, tmp_path)
    await ledger.open()
    await ledger.update_thread(TENANT, "t", values={"more": "the-mark-of-a-secret"})
    assert index_of(ledger, tmp_path) == set()
    assert await ids(ledger, stage="the-mark-of-a-secret") == ["t"]
    await ledger.close()
    assert not is_in_files(tmp_path, b"the-mark")


@pytest.mark.parametrize("database", DATABASES)
async def test_a_ledger_that_is_sealed_later_finds_old_threads_and_forgets_what_changes(
    database: str, tmp_path: Path
) -> None:
    plain = opened_as(database, tmp_path)
    await plain.open()
    for name in "abc":
        await plain.create_thread(TENANT, name, {}, {"stage": "new", "name": name})
    await plain.close()
    ledger = opened_as(database, tmp_path, masters=MASTERS)
    await ledger.open()
    await ledger.update_thread(TENANT, "a", values={"stage": "paid"})
    await ledger.delete_thread(TENANT, "b")
    assert (await ids(ledger, stage="new"), await ids(ledger, stage="paid")) == (["c"], ["a"])
    left = {(row[2], row[4]) for row in index_of(ledger, tmp_path)}
    assert left == {("sa", "a"), ("snew", "c"), ("sc", "c")}
    await ledger.close()


@pytest.mark.parametrize("database", DATABASES)
async def test_imported_threads_are_in_the_index(database: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = SqliteLedger(tmp_path / "source" / "ledger.db")
    await source.open()
    await filled(source, VALUES)
    made = {row[1:] for row in index_of(source, tmp_path / "source")}
    await source.close()
    ledger = opened_as(database, tmp_path)
    await ledger.open()
    await ledger.close()

    def move() -> None:
        export_tenant(SqliteBulk(tmp_path / "source" / "ledger.db"), TENANT, tmp_path / "acme.jsonl")
        target: Bulk = SqliteBulk(tmp_path / "ledger.db") if database == "sqlite" else PostgresBulk(url_of(tmp_path))
        import_tenant(target, tmp_path / "acme.jsonl")

    await asyncio.to_thread(move)
    await ledger.open()
    assert {row[1:] for row in index_of(ledger, tmp_path)} == made
    assert await ids(ledger, new=1) == ["t1"]
    await ledger.close()


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("masters", [None, MASTERS], ids=["plain", "sealed"])
async def test_a_name_that_is_erased_from_values_is_not_in_the_index(
    database: str, masters: MasterKeys | None, tmp_path: Path
) -> None:
    ledger = opened_as(database, tmp_path, masters=masters)
    await ledger.open()
    long = "x " * 62
    text = {"at the edge": f"{long}ada and more", "cut": f"{long}adapters", "ada": 1, "about": "ask ada", "kept": True}
    await ledger.create_thread(TENANT, "t", {}, text)
    await ledger.update_thread(TENANT, "t", values={"newest": "ada"})
    await ledger.close()

    def erase() -> None:
        bulk: Bulk = SqliteBulk(tmp_path / "ledger.db") if database == "sqlite" else PostgresBulk(url_of(tmp_path))
        person = Person("ada")
        with bulk.reading():
            found = find(bulk, TENANT, person, masters)
        with bulk.writing():
            assert redact(bulk, TENANT, person, found.mentions, masters)[1] == []
        with bulk.reading():
            assert find(bulk, TENANT, person, masters).mentions == []

    await asyncio.to_thread(erase)
    await ledger.open()
    values = (await ledger.thread(TENANT, "t")).values
    assert (values["newest"], values["cut"]) == ("[erased]", f"{long}adapters")
    assert index_of(ledger, tmp_path) == (set() if masters else await wanted(ledger))
    for key, value in values.items():
        assert await ids(ledger, **{key: value}) == ["t"]
    await ledger.close()


JSON = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)


@pytest.mark.parametrize("database", DATABASES)
@settings(max_examples=15, deadline=None)
@given(values=st.lists(st.dictionaries(KEYS, JSON, max_size=5), min_size=1, max_size=8))
def test_the_migration_writes_what_the_verbs_write(
    database: str, values: list[dict[str, Json]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")

    async def both() -> None:
        ledger = opened_as(database, folder)
        await ledger.open()
        await filled(ledger, values)
        made = index_of(ledger, folder)
        await ledger.close()
        make_old(ledger, folder)
        await ledger.open()
        assert index_of(ledger, folder) == made
        await ledger.close()

    asyncio.run(both())


def test_a_run_whose_scalars_stay_as_they_are_pays_nothing_for_the_index(db: sqlite3.Connection) -> None:
    tx = SqliteTx(db)
    values: dict[str, Json] = {"stage": "new", "n": 1, "list": [1]}
    threads.create_thread(tx, TENANT, "t", {}, values, False, None, ())
    lease = submit.submit(tx, submission(thread_id="t"), "w", 30).lease
    assert lease is not None
    tx.write()
    asked: list[str] = []
    db.set_trace_callback(lambda sql: asked.append(sql) if "facets" in sql else None)
    said = [{"role": "user", "content": "x"}]
    for batch in (Batch(messages=said), Batch(values=dict(values)), Batch(values={"list": [2], "within": None})):
        commit.commit(tx, lease, batch)
        tx.write()
    assert asked == []
    commit.commit(tx, lease, Batch(values={"stage": "paid", "n": 2}))
    assert [sql.split()[0] for sql in asked] == ["DELETE", "DELETE", "INSERT", "INSERT"]
    asked.clear()
    commit.commit(tx, lease, Batch(values={f"k{n}": n for n in range(9)}))
    assert [sql.split()[0] for sql in asked] == ["INSERT"]
