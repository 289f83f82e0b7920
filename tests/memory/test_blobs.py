"""Large values lie beside the ledger, and nobody who reads or writes them can tell."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from dragoman.memory.blobs import Blobs, blob_place
from dragoman.memory.blobs.sweeping import sweep
from dragoman.memory.errors import Conflict
from dragoman.memory.ledger import Batch, NewArtifact, RunFilter
from dragoman.memory.model import RunStatus
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.postgres.ledger import PostgresLedger
from dragoman.memory.sealing import MasterKeys, Unreadable
from dragoman.memory.sealing.turning import tables
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.sealing import SqliteSealing
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.blobs import unused_blobs

from .helpers import TENANT, change, finish_step, start, submit
from .postgres_ledgers import url_of

pytestmark = pytest.mark.anyio

MASTERS = MasterKeys([b"m" * 32])
AnyLedger = SqliteLedger | PostgresLedger
Open = Callable[..., Any]


def blobs_in(folder: Path, grace: float = 86_400.0) -> Blobs:
    return Blobs(blob_place(str(folder / "blobs")), 1000, grace)


def files(folder: Path) -> list[Path]:
    return sorted(file for file in (folder / "blobs").rglob("t-*/*") if file.is_file())


@pytest.fixture(params=["sqlite", "sealed sqlite", "postgres", "sealed postgres"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AnyLedger]:
    masters = MASTERS if "sealed" in request.param else None
    made: AnyLedger
    if "sqlite" in request.param:
        made = SqliteLedger(tmp_path / "ledger.db", masters=masters, blobs=blobs_in(tmp_path))
    else:
        made = postgres_ledger(url_of(tmp_path), masters, blobs_in(tmp_path))
    await made.open()
    yield made
    await made.close()


def long(word: str) -> str:
    return f"{word} " * 1000


async def test_every_kind_of_large_value_is_read_as_it_was_written(ledger: AnyLedger, tmp_path: Path) -> None:
    run, lease = await start(ledger, input={"text": long("input")}, message={"text": long("message")})
    await finish_step(ledger, lease, "a", {"found": long("step")})
    artifact = NewArtifact("f", "f.bin", "application/octet-stream", bytes(range(256)) * 20)
    done = await ledger.commit(lease, Batch(values={"note": long("value")}, artifacts=[artifact]))
    assert done.values == {"note": long("value")}
    for n in range(3):
        await ledger.commit(lease, Batch(values={"n": n}))
    await change(ledger, lease, RunStatus.SUCCEEDED, output=long("output"))
    await ledger.put_item(TENANT, ("notes",), "k", {"text": long("item")})
    assert len(files(tmp_path)) > 6

    view = await ledger.load(TENANT, run.id)
    assert (view.run.input, view.run.message) == ({"text": long("input")}, {"text": long("message")})
    assert view.run.output == long("output")
    assert view.artifacts[0].data == bytes(range(256)) * 20
    assert (await ledger.journal(TENANT, run.id))["a"].result == {"found": long("step")}
    assert (await ledger.thread(TENANT, run.thread_id)).values == {"note": long("value"), "n": 2}
    assert [c.values.get("n") for c in await ledger.checkpoints(TENANT, run.thread_id)] == [2, 1, 0, None]
    events = await ledger.events(TENANT, run.thread_id)
    assert events[-1].data == {"output": long("output")}
    item, *_ = await ledger.search_items(TENANT, ("notes",), {"text": long("item")})
    assert item.value == {"text": long("item")}
    assert [each.run.output for each in (await ledger.runs(TENANT, RunFilter())).items] == [long("output")]
    copied = await ledger.copy_thread(TENANT, run.thread_id)
    assert copied.values == {"note": long("value"), "n": 2}
    forked = await ledger.fork(TENANT, run.id, 1, "forked")
    assert (await ledger.journal(TENANT, forked.run.id))["a"].result == {"found": long("step")}


async def test_many_at_once_and_lists_of_large_values_are_read_in_few_passes(ledger: AnyLedger, tmp_path: Path) -> None:
    runs = await asyncio.gather(*(submit(ledger, input=long(f"input {n}")) for n in range(20)))
    found = (await ledger.runs(TENANT, RunFilter(), 50)).items
    assert {view.run.input for view in found} == {long(f"input {n}") for n in range(20)}
    assert len(files(tmp_path)) >= len(runs)


async def test_a_blob_that_is_gone_is_told_of_its_value_alone(ledger: AnyLedger, tmp_path: Path) -> None:
    first = await submit(ledger, input=long("one"))
    [lost] = files(tmp_path)
    second = await submit(ledger, input=long("two"))
    lost.unlink()
    with pytest.raises(Unreadable, match=r"What input of runs refers to is gone: .*blobs has no blob t-acme/"):
        await ledger.load(TENANT, first.id)
    assert (await ledger.load(TENANT, second.id)).run.input == long("two")
    shown = {view.run.id: view.run.input for view in (await ledger.runs(TENANT, RunFilter())).items}
    assert list(shown[first.id]) == ["unreadable"]
    assert shown[second.id] == long("two")


async def test_what_nothing_refers_to_is_collected_after_its_time_and_nothing_else(
    ledger: AnyLedger, tmp_path: Path
) -> None:
    kept, lease = await start(ledger, input=long("kept"))
    gone, other = await start(ledger, input=long("gone"))
    await change(ledger, other, RunStatus.SUCCEEDED, output=None)
    await ledger.delete_run(TENANT, gone.id)
    blobs = blobs_in(tmp_path)

    async def unused(names: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        if isinstance(ledger, SqliteLedger):
            with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
                return unused_blobs(db, names)
        return await ledger._runner.read(unused_blobs, names)  # pyright: ignore[reportPrivateUsage]

    assert await sweep(blobs, unused) == 0  # they are young
    for file in files(tmp_path):
        os.utime(file, (1, 1))
    assert await sweep(blobs, unused) == 1
    assert (await ledger.load(TENANT, kept.id)).run.input == long("kept")
    await change(ledger, lease, RunStatus.SUCCEEDED, output=None)


async def test_blobs_of_a_sealed_ledger_tell_nothing(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db", masters=MASTERS, blobs=blobs_in(tmp_path))
    await ledger.open()
    await submit(ledger, input=long("confidential"))
    await submit(ledger, tenant="other", input=long("confidential"))
    await ledger.close()
    mine, theirs = files(tmp_path)
    assert mine.name != theirs.name
    for file in (mine, theirs, tmp_path / "ledger.db"):
        assert b"confidential" not in file.read_bytes()
    assert mine.stat().st_mode & 0o077 == 0


async def test_blobs_from_before_are_sealed_with_their_rows(tmp_path: Path) -> None:
    plain = SqliteLedger(tmp_path / "ledger.db", blobs=blobs_in(tmp_path))
    await plain.open()
    run = await submit(plain, input=long("confidential"))
    await plain.close()
    before = files(tmp_path)
    sealing = SqliteSealing(tmp_path / "ledger.db", MASTERS, blobs_in(tmp_path))
    turned = [await to_thread.run_sync(sealing.seal_rows, table, None) for table in tables()]
    assert sum(piece.turned for piece in turned) > 0
    [new] = set(files(tmp_path)) - set(before)
    assert b"confidential" not in new.read_bytes()
    for file in before:  # nothing refers to it, and a sweep would
        file.unlink()
    ledger = SqliteLedger(tmp_path / "ledger.db", masters=MASTERS, blobs=blobs_in(tmp_path))
    await ledger.open()
    assert (await ledger.load(TENANT, run.id)).run.input == long("confidential")
    await ledger.close()
    with pytest.raises(Conflict, match=r"set \[blobs\] url"):
        await SqliteLedger(tmp_path / "ledger.db", masters=MASTERS).open()


async def test_equal_values_of_a_tenant_are_kept_once(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db", blobs=blobs_in(tmp_path))
    await ledger.open()
    for _ in range(3):
        await submit(ledger, input=long("same"))
    assert len(files(tmp_path)) == 1
    await ledger.close()


async def test_a_file_that_begins_as_a_reference_or_a_sealed_value_is_neither(tmp_path: Path) -> None:
    """Nor by a server that is given a place for blobs, or a key, later."""
    starts = [b"\x00\xd7dg", b"\x01\xd7dg", b"\x02\xd7dg"]
    data = {str(n): start + b"x" * 72 for n, start in enumerate(starts)}
    ledger = SqliteLedger(tmp_path / "ledger.db")
    await ledger.open()
    run, lease = await start(ledger)
    await ledger.commit(lease, Batch(artifacts=[NewArtifact(n, n, "x/y", each) for n, each in data.items()]))
    await ledger.close()
    for masters, blobs in ((None, None), (None, blobs_in(tmp_path)), (MASTERS, None), (MASTERS, blobs_in(tmp_path))):
        ledger = SqliteLedger(tmp_path / "ledger.db", masters=masters, blobs=blobs)
        await ledger.open()
        assert {each.id: each.data for each in (await ledger.load(TENANT, run.id)).artifacts} == data
        await ledger.close()


async def test_a_blob_with_another_content_of_the_same_size_is_told(ledger: AnyLedger, tmp_path: Path) -> None:
    """Also where values are sealed and somebody puts one there that is not."""
    run = await submit(ledger, input="x" * 3000)
    [file] = files(tmp_path)
    file.write_bytes(b'"' + b"y" * 3000 + b'"')
    with pytest.raises(Unreadable, match="The blob that input of runs refers to was changed"):
        await ledger.load(TENANT, run.id)


async def test_a_ledger_with_blobs_does_not_open_without_their_place(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db", blobs=blobs_in(tmp_path))
    await ledger.open()
    await submit(ledger, input=long("one"))
    await ledger.close()
    with pytest.raises(Conflict, match=r"set \[blobs\] url"):
        await SqliteLedger(tmp_path / "ledger.db").open()


async def test_what_refers_to_a_blob_is_found_by_an_index(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    await ledger.open()
    await ledger.close()
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {SQL['blob_reference']}", ("t", b"n"))]
    searched = [line for line in plan if line.startswith(("SEARCH", "SCAN"))]
    assert len(searched) == 10
    assert all("_blobs (tenant=? AND <expr>=?)" in line for line in searched), searched
