"""What was kept in plain and looks as if it were sealed holds up nothing when sealing is turned on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dragoman.memory.sealing.turning import After, tables
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.sealing import SqliteSealing

from .conftest import MASTERS
from .helpers import TENANT, start

pytestmark = pytest.mark.anyio


def seal_all(file: Path) -> None:
    sealing = SqliteSealing(file, MASTERS)
    after: After = None
    for name in tables():
        after = None
        while (after := sealing.seal_rows(name, after).after) is not None:
            continue
    after = None
    while (after := sealing.seal_words(after).after) is not None:
        continue
    sealing.vacuum()


@pytest.mark.parametrize("reason", ["\x01", "\x01x", "\x01%%%", "\x01AAAAAAAA", "\x01" + "A" * 80])
async def test_a_reason_that_begins_as_a_sealed_text_does_not_keep_others_from_being_sealed(
    tmp_path: Path, reason: str
) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    await ledger.open()
    odd, _ = await start(ledger)
    await ledger.cancel(TENANT, odd.id, reason)
    other, _ = await start(ledger)
    await ledger.cancel(TENANT, other.id, "Darjeeling")
    await ledger.put_item(TENANT, ("notes",), "k", {"text": "\x01 Assam"})
    await ledger.close()
    await asyncio.to_thread(seal_all, tmp_path / "ledger.db")
    kept = (tmp_path / "ledger.db").read_bytes()
    assert b"Darjeeling" not in kept
    assert b"Assam" not in kept, "nor is a text in the index that begins so"
    assert b"assam" not in kept
    ledger = SqliteLedger(tmp_path / "ledger.db", masters=MASTERS)
    await ledger.open()
    assert (await ledger.load(TENANT, other.id)).run.id == other.id
    [found] = await ledger.search_items(TENANT, (), query="assam")
    assert found.value == {"text": "\x01 Assam"}
    await ledger.close()
