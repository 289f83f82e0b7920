"""Large values that lie beside a ledger are exported with it, and a person's name is found and taken out of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dragoman.memory.blobs import Blobs, NoBlob, blob_place
from dragoman.memory.erasure import Person, delete, find, redact
from dragoman.memory.ledger import Batch, Change, NewArtifact
from dragoman.memory.model import RunStatus
from dragoman.memory.portable import export_tenant, import_tenant
from dragoman.memory.sealing import MasterKeys, Unreadable
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.bulk import SqliteBulk

from .conftest import MASTERS
from .helpers import TENANT, start

pytestmark = pytest.mark.anyio
WHO = Person("person-4711")


@asynccontextmanager
async def opened(folder: Path, masters: MasterKeys | None) -> AsyncGenerator[SqliteLedger]:
    blobs = Blobs(blob_place(str(folder / "blobs")), 1000)
    ledger = SqliteLedger(folder / "ledger.db", masters=masters, blobs=blobs)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


async def filled(ledger: SqliteLedger, subject: str) -> str:
    _, lease = await start(ledger, subject=subject, input={"text": f"{WHO.id} " * 1000})
    kept = NewArtifact("f", "f", "text/plain", b"\xff" * 5000)
    run = (
        await ledger.commit(lease, Batch(artifacts=[kept], change=Change(RunStatus.SUCCEEDED, output="x" * 3000)))
    ).run
    return run.id


@pytest.mark.parametrize("masters", [None, MASTERS], ids=["bare", "sealed"])
async def test_what_lies_beside_a_ledger_goes_with_it(tmp_path: Path, masters: MasterKeys | None) -> None:
    async with opened(tmp_path, masters) as ledger:
        run = await filled(ledger, "bob")
    bulk, place = SqliteBulk(tmp_path / "ledger.db"), blob_place(str(tmp_path / "blobs"))
    with pytest.raises(NoBlob):
        await asyncio.to_thread(export_tenant, bulk, TENANT, tmp_path / "0.jsonl", masters)
    await asyncio.to_thread(export_tenant, bulk, TENANT, tmp_path / "1.jsonl", masters, place)
    target = SqliteBulk(tmp_path / "other.db")
    await asyncio.to_thread(import_tenant, target, tmp_path / "1.jsonl")
    other = SqliteLedger(tmp_path / "other.db")
    await other.open()
    view = await other.load(TENANT, run)
    assert view.run.input == {"text": f"{WHO.id} " * 1000}
    assert view.artifacts[0].data == b"\xff" * 5000
    await other.close()


@pytest.mark.parametrize("masters", [None, MASTERS], ids=["bare", "sealed"])
async def test_a_name_in_what_lies_beside_a_ledger_is_taken_out(tmp_path: Path, masters: MasterKeys | None) -> None:
    bulk, place = SqliteBulk(tmp_path / "ledger.db"), blob_place(str(tmp_path / "blobs"))
    async with opened(tmp_path, masters) as ledger:
        run = await filled(ledger, "bob")
        await filled(ledger, WHO.id)

    def look() -> tuple[object, ...]:
        with bulk.reading():
            return (find(bulk, TENANT, WHO, masters, place),)

    def change() -> None:
        with bulk.reading():
            found = find(bulk, TENANT, WHO, masters, place)
        with bulk.writing():
            _, left = redact(bulk, TENANT, WHO, found.mentions, masters, place)
        assert left == []

    with bulk.reading():
        found = await asyncio.to_thread(find, bulk, TENANT, WHO, masters, place)
    async with opened(tmp_path, masters) as ledger:
        await delete(ledger, TENANT, found)
    await asyncio.to_thread(change)
    [after] = await asyncio.to_thread(look)
    assert after == type(found)()
    async with opened(tmp_path, masters) as ledger:
        assert (await ledger.load(TENANT, run)).run.input == {"text": "[erased] " * 1000}


@pytest.mark.parametrize("masters", [None, MASTERS], ids=["bare", "sealed"])
async def test_a_blob_that_was_changed_is_not_exported(tmp_path: Path, masters: MasterKeys | None) -> None:
    async with opened(tmp_path, masters) as ledger:
        await filled(ledger, "bob")
    await asyncio.to_thread(_change_all, tmp_path / "blobs")
    bulk, place = SqliteBulk(tmp_path / "ledger.db"), blob_place(str(tmp_path / "blobs"))
    with pytest.raises(Unreadable, match="was changed"):
        await asyncio.to_thread(export_tenant, bulk, TENANT, tmp_path / "1.jsonl", masters, place)


def _change_all(folder: Path) -> None:
    for file in folder.rglob("*/*"):
        file.write_bytes(b"1")
