"""The contract of checkpoints: each keeps its values whatever comes after, in little room."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dragoman.memory.codec import dumps
from dragoman.memory.ledger import Batch, Change, Ledger
from dragoman.memory.model import Json, RunStatus
from dragoman.memory.sqlite import SqliteLedger, connection
from dragoman.memory.sqlite.connection import connect_writer, migrate

from .helpers import TENANT, start

pytestmark = pytest.mark.anyio


def large(seed: int = 1, records: int = 400) -> dict[str, Json]:
    """Values of about 100 kB."""
    chance = random.Random(seed)
    return {"records": [{"id": n, "text": f"{chance.getrandbits(900):x}"} for n in range(records)], "step": 0}


async def test_every_checkpoint_keeps_its_values(ledger: Ledger) -> None:
    chance = random.Random(5)
    known: list[dict[str, Json]] = [large(records=20)]
    await ledger.create_thread(TENANT, "t", {}, known[0])
    for n in range(1, 200):
        values: dict[str, Json] = {"step": n}
        if n % 7 == 0:
            values["records"] = [*known[-1].get("records", [])[: chance.randrange(20)], {"id": n, "text": "y" * 200}]
        if n % 31 == 0:
            values = dict.fromkeys(known[-1])  # nothing is left
        messages = [{"role": "user", "content": f"message {n}", "id": str(n)}] if n % 3 == 0 else []
        thread = await ledger.update_thread(TENANT, "t", values=values, messages=messages)
        known.append(dict(thread.values))
    assert [c.values for c in await ledger.checkpoints(TENANT, "t", 1000)] == known[::-1]
    for number in range(1, 201):
        [found] = await ledger.checkpoints(TENANT, "t", 1, number + 1)
        assert (found.number, found.values, found.parent) == (number, known[number - 1], number - 1)
    page = await ledger.checkpoints(TENANT, "t", 30, 120)
    assert [c.number for c in page] == list(range(119, 89, -1))
    assert [c.values for c in page] == [known[c.number - 1] for c in page]


async def test_a_copy_keeps_its_own_history(ledger: Ledger) -> None:
    await ledger.create_thread(TENANT, "t", {}, large(records=20))
    for n in range(1, 70):
        await ledger.update_thread(TENANT, "t", values={"step": n})
    copy = await ledger.copy_thread(TENANT, "t")
    await ledger.update_thread(TENANT, "t", values={"records": None})
    await ledger.update_thread(TENANT, copy.id, values={"step": "other"})
    kept = await ledger.checkpoints(TENANT, copy.id, 100)
    assert [c.values["step"] for c in kept] == ["other", *range(69, -1, -1)]
    assert all(len(c.values["records"]) == 20 for c in kept)


async def test_a_rolled_back_run_restores_values_that_are_kept_as_a_difference(ledger: Ledger) -> None:
    base = large(records=20)
    await ledger.create_thread(TENANT, "t", {}, base)
    _, lease = await start(ledger, thread_id="t")
    for n in range(1, 5):
        await ledger.commit(
            lease, Batch(values={"step": n}, messages=[{"role": "assistant", "content": "x", "id": str(n)}])
        )
    await ledger.cancel(TENANT, lease.run_id, rollback=True)
    await ledger.commit(lease, Batch(change=Change(RunStatus.CANCELLED)))
    assert (await ledger.thread(TENANT, "t")).values == base


async def test_a_thousand_steps_over_a_large_state_take_little_room(tmp_path: Path) -> None:
    values = large()
    assert len(dumps(values)) > 95_000
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    await ledger.open()
    await ledger.create_thread(TENANT, "t", {}, values)
    _, lease = await start(ledger, thread_id="t")
    for n in range(1, 1001):
        said = {"role": "assistant", "content": f"did step {n}", "id": str(n)}
        await ledger.commit(lease, Batch(values={"step": n}, messages=[said]))
    for number in (1, 65, 500, 777, 1001):
        [found] = await ledger.checkpoints(TENANT, "t", 1, number + 1)
        assert found.values["step"] == number - 1
        assert found.values["records"] == values["records"]
        assert len(found.values.get("messages", ())) == number - 1
    await ledger.close()
    assert path.stat().st_size < 5_000_000


async def test_any_checkpoint_is_read_from_few_rows(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    await ledger.open()
    await ledger.create_thread(TENANT, "t", {}, large(records=20))
    for n in range(1, 300):
        await ledger.update_thread(TENANT, "t", values={"step": n})
    await ledger.close()
    with closing(sqlite3.connect(path)) as db:
        first = [bytes(row[0])[:1] for row in db.execute("SELECT content FROM checkpoints ORDER BY number")]
    whole = [number for number, byte in enumerate(first, 1) if byte == b"{"]
    assert whole == [64, 128, 192, 256, 300]


async def test_a_ledger_of_before_keeps_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old: Any = tmp_path / "migrations"
    old.mkdir()
    for file in Path(connection.__file__).parents[1].joinpath("migrations", "sqlite").glob("000[123]_*.sql"):
        (old / file.name).write_text(file.read_text())
    path = tmp_path / "ledger.db"
    with monkeypatch.context() as patched, closing(connect_writer(path)) as db:
        patched.setattr("dragoman.memory.sqlite.connection._MIGRATIONS", old)
        migrate(db)
        metadata = dumps({"topic": "ß" * 200, "n": 7.0, "yes": True, "none": None, "list": [1], "big": 2**60})
        db.execute("INSERT INTO threads VALUES ('acme', 't', 5, 'idle', 5, 5, 2, ?)", (metadata,))
        for number in (1, 2):
            values = dumps({"number": number, "text": "x" * 2000})
            db.execute("INSERT INTO checkpoints VALUES ('acme', 't', ?, NULL, NULL, 5, ?)", (number, values))
    ledger = SqliteLedger(path)
    await ledger.open()
    await ledger.update_thread(TENANT, "t", values={"number": 3})
    kept = await ledger.checkpoints(TENANT, "t")
    assert [(c.number, c.values["number"], len(c.values["text"])) for c in kept] == [
        (3, 3, 2000),
        (2, 2, 2000),
        (1, 1, 2000),
    ]
    await ledger.close()
