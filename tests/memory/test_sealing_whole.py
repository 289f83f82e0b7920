"""Of a ledger that is sealed from its first value on, or has been sealed wholly, a value in plain is a forgery."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dragoman.memory.blobs import Blobs, blob_place
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Batch, NewArtifact, RunFilter
from dragoman.memory.model import RunStatus
from dragoman.memory.portable import export_tenant, import_tenant
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.postgres.bulk import PostgresBulk
from dragoman.memory.postgres.ledger import PostgresLedger
from dragoman.memory.postgres.sealing import PostgresSealing
from dragoman.memory.sealing import MasterKeys, Unreadable
from dragoman.memory.sealing.tables import TABLES
from dragoman.memory.sealing.turning import After, Sealing, tables
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.bulk import SqliteBulk
from dragoman.memory.sqlite.sealing import SqliteSealing
from dragoman.memory.statements import SQL

from .conftest import MASTERS
from .helpers import TENANT, change, start, submit
from .postgres_ledgers import url_of

pytestmark = pytest.mark.anyio
NEW = MasterKeys([b"n" * 32, b"k" * 32])
NOT_SEALED = "is not sealed, and all of this ledger is"


class Kept:
    """A ledger on one of the databases, opened as it is asked for, and written to by somebody else."""

    def __init__(self, folder: Path, postgres: bool) -> None:
        self._folder = folder
        self.url = url_of(folder) if postgres else None

    def ledger(self, masters: MasterKeys | None = MASTERS) -> SqliteLedger | PostgresLedger:
        blobs = Blobs(blob_place(str(self._folder / "blobs")), 1000)
        if self.url is None:
            return SqliteLedger(self._folder / "ledger.db", masters=masters, blobs=blobs)
        return postgres_ledger(self.url, masters, blobs)

    def sealing(self, masters: MasterKeys = MASTERS) -> Sealing:
        blobs = Blobs(blob_place(str(self._folder / "blobs")), 1000)
        if self.url is None:
            return SqliteSealing(self._folder / "ledger.db", masters, blobs)
        return PostgresSealing(self.url, masters, blobs)

    def bulk(self) -> SqliteBulk | PostgresBulk:
        return SqliteBulk(self._folder / "ledger.db") if self.url is None else PostgresBulk(self.url)

    def write(self, sql: str, *values: Any) -> list[Any]:
        """As who has the database's password, or can write to the file."""
        if self.url is not None:
            with psycopg.connect(self.url) as db:
                done = db.execute(sql.replace("?", "%s").encode(), values)
                return done.fetchall() if done.description else []
        with closing(sqlite3.connect(self._folder / "ledger.db")) as db:
            found = db.execute(sql, values).fetchall()
            db.commit()
            return found


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    return Kept(tmp_path, request.param == "postgres")


async def seal_all(kept: Kept, masters: MasterKeys = MASTERS) -> int:
    def all_of_it() -> int:
        sealing, turned = kept.sealing(masters), 0
        for table in tables():
            after: After = None
            while True:
                piece = sealing.seal_rows(table, after)
                turned, after = turned + piece.turned, piece.after
                if after is None:
                    break
        while sealing.make_whole():
            continue
        return turned

    return await asyncio.to_thread(all_of_it)


async def check_refuses(kept: Kept, run_id: str) -> None:
    """That a forged output of this run is told, by itself and in a list."""
    kept.write("UPDATE runs SET output = ? WHERE id = ?", b'"forged"', run_id)
    ledger = kept.ledger()
    await ledger.open()
    with pytest.raises(Unreadable, match=rf"output of runs {run_id} {NOT_SEALED}"):
        await ledger.load(TENANT, run_id)
    [shown] = [view.run for view in (await ledger.runs(TENANT, RunFilter())).items if view.run.id == run_id]
    assert NOT_SEALED in str(shown.output)
    assert (await submit(ledger, input="goes on")).input == "goes on"
    await ledger.close()


async def ended(kept: Kept, masters: MasterKeys | None = MASTERS, **given: Any) -> str:
    ledger = kept.ledger(masters)
    await ledger.open()
    run, lease = await start(ledger, **given)
    await ledger.commit(lease, Batch(values={"note": "v"}, artifacts=[NewArtifact("f", "f", "text/plain", b"data")]))
    await change(ledger, lease, RunStatus.SUCCEEDED, output="true")
    await ledger.close()
    return run.id


def test_every_sealed_column_is_looked_into_before_a_ledger_is_taken_for_an_empty_one() -> None:
    looked = {part.split()[0]: part for part in SQL["any_value_in_plain"].split("SELECT 1 FROM ")[1:]}
    assert looked.keys() == TABLES.keys()
    for name, table in TABLES.items():
        for column in (*table.columns, *table.texts):
            assert re.search(rf"\b{column}\b", looked[name].partition("WHERE")[2]), f"{name}.{column}"


async def test_a_value_in_plain_is_refused_where_all_was_sealed_from_the_beginning(kept: Kept) -> None:
    await check_refuses(kept, await ended(kept))


@pytest.mark.parametrize(
    ("table", "column", "forged"),
    [
        ("runs", "input", b'{"attempt":"x"}'),
        ("runs", "output", b'{"through":4}'),
        ("events", "data", b'{"through":4,"x":1}'),
        ("checkpoints", "content", b'{"values":{"note":"forged"}}'),
        ("artifacts", "data", b"x"),
        ("runs", "input", b"\x02\xd7dg" + b"n" * 32 + b"n" * 32 + b"s" * 40),
        ("runs", "output", b"\x00\xd7dg"),
    ],
)
async def test_no_column_takes_a_value_in_plain(kept: Kept, table: str, column: str, forged: bytes) -> None:
    run = await ended(kept, input="i")
    kept.write(f"UPDATE {table} SET {column} = ?", forged)
    ledger = kept.ledger()
    await ledger.open()

    async def read() -> None:
        view = await ledger.load(TENANT, run)
        await ledger.events(TENANT, view.run.thread_id)
        await ledger.thread(TENANT, view.run.thread_id)

    with pytest.raises(Unreadable):
        await read()
    await ledger.close()


async def test_what_is_kept_in_plain_by_a_sealed_ledger_is_read(kept: Kept) -> None:
    ledger = kept.ledger()
    await ledger.open()
    run, lease = await start(ledger, input={})
    await change(ledger, lease, RunStatus.SUCCEEDED, output=None)
    await ledger.put_item(TENANT, ("n",), "k", {})
    await ledger.close()
    again = kept.ledger()
    await again.open()
    second, other = await start(again, input="sealed")
    await change(again, other, RunStatus.SUCCEEDED, output="x")
    kept.write("UPDATE events SET type = 'log.purged', data = ? WHERE seq = 1", b'{"through":1}')
    for thread in (run.thread_id, second.thread_id):
        assert (await again.events(TENANT, thread))[0].data == {"through": 1}
    assert (await again.load(TENANT, run.id)).run.input == {}
    await again.close()
    await check_refuses(kept, second.id)


async def test_a_ledger_from_before_sealing_refuses_once_all_of_it_is_sealed(kept: Kept) -> None:
    old = await ended(kept, None, input="x" * 2000)
    mixed = await ended(kept)
    kept.write("UPDATE runs SET output = ? WHERE id = ?", b'"not known"', mixed)
    ledger = kept.ledger()
    await ledger.open()
    assert (await ledger.load(TENANT, mixed)).run.output == "not known", "until then nobody can tell"
    await ledger.close()
    assert await seal_all(kept) > 0
    assert await seal_all(kept) == 0
    await check_refuses(kept, old)
    assert await seal_all(kept) == 0, "nor is it made good by sealing it"
    await check_refuses(kept, mixed)


@pytest.mark.parametrize("tampering", ["strip", "other", "none"])
async def test_the_mark_cannot_be_taken_off(kept: Kept, tampering: str) -> None:
    run = await ended(kept)
    if tampering == "strip":
        kept.write("UPDATE data_keys SET wrapped = substr(wrapped, 2)")
    elif tampering == "none":
        kept.write("DELETE FROM data_keys")
    else:  # the keys of tenants go, one of another tenant stays
        await ended(kept, tenant="other")
        kept.write("DELETE FROM data_keys WHERE tenant = ?", TENANT)
    kept.write("UPDATE runs SET output = ? WHERE id = ?", b'"forged"', run)
    ledger = kept.ledger()

    async def read() -> None:
        await ledger.open()
        await ledger.load(TENANT, run)

    with pytest.raises(Unreadable, match=r"data_keys|not sealed|any more"):
        await read()
    await ledger.close()


async def test_the_mark_outlives_new_keys_of_both_kinds(kept: Kept) -> None:
    run = await ended(kept)

    def turned() -> None:
        sealing = kept.sealing(NEW)
        assert sealing.new_data_keys(now_micros(), None).turned == 1
        while sealing.rewrap():
            continue
        assert list(sealing.used()) == [NEW.first]

    await asyncio.to_thread(turned)
    kept.write("DELETE FROM data_keys WHERE number = 1")
    kept.write("UPDATE runs SET output = ? WHERE id = ?", b'"forged"', run)
    ledger = kept.ledger(NEW)
    await ledger.open()
    with pytest.raises(Unreadable):
        await ledger.load(TENANT, run)
    await ledger.close()


async def test_exports_tell_a_value_in_plain_and_imports_seal(kept: Kept, tmp_path: Path) -> None:
    run = await ended(kept, input="i")
    file = tmp_path / "1.jsonl"

    def away() -> None:
        place = blob_place(str(tmp_path / "blobs"))
        export_tenant(kept.bulk(), TENANT, file, MASTERS, place)
        import_tenant(kept.bulk(), file, "copy", masters=MASTERS, keys=False)
        kept.write("UPDATE runs SET output = ? WHERE id = ?", b'"forged"', run)
        with pytest.raises(Unreadable, match=NOT_SEALED):
            export_tenant(kept.bulk(), TENANT, tmp_path / "2.jsonl", MASTERS, place)

    await asyncio.to_thread(away)
    ledger = kept.ledger()
    await ledger.open()
    found = await ledger.runs("copy", RunFilter())
    assert [view.run.input for view in found.items] == ["i"]
    await ledger.close()


async def test_a_row_of_a_tenant_that_nobody_has_is_refused_too(kept: Kept) -> None:
    run = await ended(kept)
    kept.write("UPDATE runs SET tenant = 'made up' WHERE id = ?", run)
    kept.write("UPDATE runs SET input = ?, output = NULL, message = NULL WHERE id = ?", b'"forged"', run)
    await ended(kept)
    ledger = kept.ledger()
    await ledger.open()
    [shown] = (await ledger.runs("made up", RunFilter())).items
    assert NOT_SEALED in str(shown.run.input)
    await ledger.close()
