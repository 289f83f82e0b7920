"""A file that says it is an export, and is another's work, writes to no tenant but the one it is imported as."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from dragoman.auth.keys import make_key
from dragoman.memory.bulk import Bulk
from dragoman.memory.errors import DragomanError, InputInvalid
from dragoman.memory.portable import export_tenant, import_tenant
from dragoman.memory.portable.importing import pieces_of
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.postgres.bulk import PostgresBulk
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.bulk import SqliteBulk

from .conftest import MASTERS
from .every_kind import make
from .postgres_ledgers import url_of

pytestmark = pytest.mark.anyio

Rows = list[dict[str, dict[str, Any]]]


@pytest.fixture
async def export(tmp_path: Path) -> Path:
    ledger = SqliteLedger(tmp_path / "source.db")
    await ledger.open()
    await make(ledger, "acme")
    await ledger.close()
    await asyncio.to_thread(export_tenant, SqliteBulk(tmp_path / "source.db"), "acme", tmp_path / "1.jsonl")
    return tmp_path / "1.jsonl"


@pytest.fixture(params=["sqlite", "sealed", "postgres", "sealed postgres"])
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Bulk, MasterKeys | None]:
    masters = MASTERS if "sealed" in request.param else None
    if "postgres" not in request.param:
        return SqliteBulk(tmp_path / "target.db"), masters
    url = url_of(tmp_path)
    ledger = postgres_ledger(url, masters)
    await ledger.open()
    await ledger.close()
    return PostgresBulk(url), masters


def forged(export: Path, change: Callable[[Rows], None]) -> Path:
    """An export with other rows, and the checksum and counts that they have."""
    first, *lines, _ = export.read_bytes().splitlines()
    rows: Rows = [orjson.loads(line) for line in lines]
    change(rows)
    body = b"\n".join([first, *map(orjson.dumps, rows)]) + b"\n"
    counts = Counter(next(iter(row)) for row in rows)
    end = {"end": {"rows": dict(counts), "sha256": hashlib.sha256(body).hexdigest()}}
    made = export.with_name("forged.jsonl")
    made.write_bytes(body + orjson.dumps(end) + b"\n")
    return made


def rows_of(export: Path) -> list[bytes]:
    return export.read_bytes().splitlines()[1:-1]


def tenants_in(bulk: Bulk) -> set[str]:
    with bulk.reading():
        return {tenant for table in bulk.tables() for (tenant,) in bulk.rows(table, ("tenant",))}


def _set(kind: str, column: str, value: object) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        row = next(row[kind] for row in rows if kind in row)
        row[column] = value

    return change


def _drop(kind: str, column: str) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        next(row[kind] for row in rows if kind in row).pop(column)

    return change


def _order(rows: Rows) -> None:
    rows.sort(key=lambda row: next(iter(row)) != "dead_letters")


FORGERIES: Mapping[str, Callable[[Rows], None]] = {
    "a run of another tenant": _set("runs", "tenant", "victim"),
    "a fact of another tenant": _set("facts", "tenant", "victim"),
    "a key of another tenant": _set("api_keys", "tenant", "victim"),
    "an event of another tenant": _set("events", "tenant", "victim"),
    "a number of the ledger's": _set("api_keys", "ordinal", -1),
    "a lease": _set("runs", "lease_owner", "w"),
    "a delivery by its number": _set("dead_letters", "delivery", 1),
    "a delivery that is no number": _set("dead_letters", "delivery_place", "1"),
    "a reason that is a number": _set("runs", "cancel_reason", 7),
    "a text that is a number": _set("store_items", "text", 7),
    "metadata that is a list": _set("threads", "metadata", [1]),
    "metadata of a run that is nothing": _set("runs", "metadata", None),
    "a number that is too large": _set("events", "seq", 2**64 - 1),
    "a state without its number": _drop("checkpoints", "number"),
    "a step without its name": _drop("steps", "key"),
    "a run without its id": _drop("runs", "id"),
    "an artifact that is no Base64": _set("artifacts", "data", "%%%"),
    "a table of the ledger's": lambda rows: rows.append({"data_keys": {"number": 1}}),
    "a letter before its delivery": _order,
    "the same again": lambda rows: rows.extend(row for row in rows[:] if "runs" in row),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_line_is_told_and_nothing_is_written(
    target: tuple[Bulk, MasterKeys | None], export: Path, name: str
) -> None:
    bulk, masters = target
    file = forged(export, FORGERIES[name])
    with pytest.raises(DragomanError):
        await asyncio.to_thread(lambda: import_tenant(bulk, file, "mine", masters=masters))
    if isinstance(bulk, PostgresBulk):  # a file has been made or not, by then
        assert await asyncio.to_thread(tenants_in, bulk) == set()


@pytest.mark.parametrize("name", ["", "x" * 81, "a\x00b", "a\nb", "\ud800"])
async def test_a_name_that_no_tenant_can_have_is_refused(export: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputInvalid, match="tenant: 1 to 80 bytes"):
        import_tenant(SqliteBulk(tmp_path / "target.db"), export, name)
    with pytest.raises(InputInvalid, match="tenant: 1 to 80 bytes"):
        make_key(name, "ada")


@pytest.mark.parametrize("name", ["ä" * 40, "a'b\"c", "%", "_", "..", "a/b", "☃ 東京"])
async def test_an_odd_name_is_a_tenants_all_the_same(
    target: tuple[Bulk, MasterKeys | None], export: Path, name: str
) -> None:
    bulk, masters = target
    await asyncio.to_thread(lambda: import_tenant(bulk, export, name, masters=masters))
    assert await asyncio.to_thread(tenants_in, bulk) == {name}
    again = export.with_name("2.jsonl")
    await asyncio.to_thread(export_tenant, bulk, name, again, masters)
    assert rows_of(again) == rows_of(export)


def test_no_more_of_a_file_is_held_at_once_than_some_megabytes() -> None:
    small, large = [list(pieces_of(({"n": n}, size) for n in range(1001))) for size in (10, 3_000_000)]
    assert [len(piece) for piece in small] == [500, 500, 1]
    assert {len(piece) for piece in large[:-1]} == {3}
    assert [row["n"] for piece in large for row in piece] == list(range(1001))
