"""A place of blobs is one ledger's, whatever becomes of that ledger, and a second one is told."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from dragoman.memory.blobs import BlobPlace, Blobs, blob_place
from dragoman.memory.blobs.claiming import MARKER, claim_place
from dragoman.memory.blobs.sweeping import sweep_on
from dragoman.memory.errors import Conflict, LedgerBusy
from dragoman.memory.ids import uuid7
from dragoman.memory.move import move
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.postgres.bulk import PostgresBulk
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.backup import back_up
from dragoman.memory.sqlite.departure import departing
from dragoman.memory.sqlite.restore import restore

from .helpers import TENANT, submit
from .postgres_ledgers import url_of
from .test_blobs_s3 import bucket  # noqa: F401  # pyright: ignore[reportUnusedImport]

pytestmark = pytest.mark.anyio
LONG = "x" * 5000


def at(folder: Path, blobs: str | Path) -> SqliteLedger:
    return SqliteLedger(folder / "ledger.db", blobs=Blobs(blob_place(str(blobs)), 1000))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    made = tmp_path / "one", tmp_path / "two", tmp_path / "blobs"
    made[0].mkdir()
    made[1].mkdir()
    return made


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> BlobPlace:
    kind: str = request.param
    if kind == "folder":
        return blob_place(str(tmp_path / "b"))
    url: str = request.getfixturevalue("bucket")
    return blob_place(f"{url}-{uuid7()}")


async def test_a_second_ledger_is_refused_and_told_the_way_out(folders: tuple[Path, Path, Path]) -> None:
    one, two, blobs = folders
    first, second = at(one, blobs), at(two, blobs)
    await first.open()
    with pytest.raises(Conflict, match=r"another ledger's: ledger\.json .* a folder or prefix of its own by \[blobs\]"):
        await second.open()
    with pytest.raises(Conflict):  # nothing of it is held, and it may be tried again
        await second.open()
    other = at(two, blobs / "two")
    await other.open()
    await submit(other, input=LONG)
    await other.close()
    await first.close()
    again = at(one, blobs)
    await again.open()
    await again.close()


async def test_of_many_that_claim_a_place_at_once_one_has_it(place: BlobPlace) -> None:
    found = await asyncio.gather(*(claim_place(place, f"ledger {n}") for n in range(12)), return_exceptions=True)
    assert [error for error in found if error is None] == [None]
    assert all(isinstance(error, Conflict) for error in found if error is not None)
    assert not await place.create(MARKER, b"")
    winner = found.index(None)
    await claim_place(place, f"ledger {winner}")


async def test_replicas_of_a_ledger_share_its_place_and_another_database_does_not(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    one, _, blobs = folders
    url = url_of(tmp_path)
    replicas = [postgres_ledger(url, None, Blobs(blob_place(str(blobs)), 1000)) for _ in range(3)]
    await asyncio.gather(*(replica.open() for replica in replicas))
    with pytest.raises(Conflict, match="another ledger's"):
        await at(one, blobs).open()
    for replica in replicas:
        await replica.close()


async def test_a_ledger_that_was_restored_or_moved_has_its_blobs(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    one, two, blobs = folders
    ledger = at(one, blobs)
    await ledger.open()
    run = await submit(ledger, input=LONG)
    await asyncio.to_thread(back_up, one / "ledger.db", tmp_path / "backup.db")
    await ledger.close()
    await asyncio.to_thread(restore, tmp_path / "backup.db", two / "ledger.db")
    restored = at(two, blobs)
    await restored.open()
    await restored.close()
    url = url_of(tmp_path)

    def moved() -> None:
        bulk = PostgresBulk(url)
        with departing(two / "ledger.db") as source, bulk.writing(alone=True):
            move(source, bulk)

    await asyncio.to_thread(moved)
    there = postgres_ledger(url, None, Blobs(blob_place(str(blobs)), 1000))
    await there.open()
    assert (await there.load(TENANT, run.id)).run.input == LONG
    await there.close()


class _Counted:
    """A place that tells when it was asked thrice whose it is."""

    def __init__(self, place: BlobPlace) -> None:
        self._place = place
        self._asked = 0
        self.thrice = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._place, name)

    async def get(self, name: str) -> bytes:
        self._asked += name == MARKER
        if self._asked == 3:
            self.thrice.set()
        return await self._place.get(name)


async def test_what_is_of_a_place_that_became_anothers_is_not_collected(place: BlobPlace) -> None:
    blobs = Blobs(place, 1000, grace=0.01)
    await claim_place(place, "mine")
    await place.put(f"t-{TENANT}/{'0' * 64}", b"x")
    asked = asyncio.Event()

    async def unused(names: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        asked.set()
        return names

    sweeping = asyncio.create_task(sweep_on(blobs, "mine", unused))
    async with asyncio.timeout(10):
        await asked.wait()
    sweeping.cancel()
    await place.put(f"t-{TENANT}/{'1' * 64}", b"y")
    asked.clear()
    other = _Counted(place)
    theirs = Blobs(cast("BlobPlace", other), 1000, grace=0.01)
    sweeping = asyncio.create_task(sweep_on(theirs, "another", unused))
    async with asyncio.timeout(10):
        await other.thrice.wait()
    assert not asked.is_set()
    sweeping.cancel()
    assert await place.get(f"t-{TENANT}/{'1' * 64}") == b"y"


async def test_a_place_that_is_out_of_reach_keeps_no_ledger_from_starting_and_is_claimed_before_anything_is_put(
    folders: tuple[Path, Path, Path],
) -> None:
    one, two, blobs = folders
    blobs.touch()  # no folder can be there
    first, second = at(one, blobs), at(two, blobs)
    await first.open()
    await second.open()
    with pytest.raises(LedgerBusy, match="cannot be kept"):
        await submit(first, input=LONG)
    blobs.unlink()
    run = await submit(first, input=LONG)
    with pytest.raises(Conflict, match="another ledger's"):
        await submit(second, input=LONG)
    assert len(list(blobs.glob("t-*/*"))) == 1
    assert (await first.load(TENANT, run.id)).run.input == LONG
    await first.close()
    await second.close()


async def test_the_way_out_is_to_delete_the_marker(folders: tuple[Path, Path, Path]) -> None:
    one, two, blobs = folders
    first = at(one, blobs)
    await first.open()
    await first.close()
    shutil.rmtree(one)
    (blobs / MARKER).unlink()
    second = at(two, blobs)
    await second.open()
    await second.close()
