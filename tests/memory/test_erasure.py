"""All that a ledger has of a person goes, and nothing of others but their mentions of that person."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import psycopg
import pytest
from tests import postgres

from dragoman.memory.bulk import Bulk
from dragoman.memory.erasure import ErasureLedger, Found, Mention, Person, delete, find, redact
from dragoman.memory.errors import Conflict, InputInvalid
from dragoman.memory.ledger import Batch, Change, NewEvent, NewInterrupt, NewStep
from dragoman.memory.model import InterruptKind, RunStatus, StepStatus
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.postgres.bulk import PostgresBulk
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.bulk import SqliteBulk

from .conftest import MASTERS
from .every_kind import PERSON, make
from .helpers import ask, assert_gapless, change, start

pytestmark = pytest.mark.anyio
WHO = Person(PERSON)


class Place:
    """A ledger, and its tables."""

    def __init__(
        self, ledger: Callable[[], ErasureLedger], bulk: Callable[[], Bulk], masters: MasterKeys | None
    ) -> None:
        self._ledger = ledger
        self.bulk = bulk
        self.masters = masters

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[ErasureLedger]:
        ledger = self._ledger()
        await ledger.open()
        try:
            yield ledger
        finally:
            await ledger.close()

    async def found(self, person: Person = WHO, tenant: str = "acme") -> Found:
        def look() -> Found:
            bulk = self.bulk()
            with bulk.reading():
                return find(bulk, tenant, person, self.masters)

        return await asyncio.to_thread(look)

    async def redacted(self, found: Found) -> tuple[int, list[Mention]]:
        def change() -> tuple[int, list[Mention]]:
            bulk = self.bulk()
            with bulk.writing():
                return redact(bulk, "acme", WHO, found.mentions, self.masters)

        return await asyncio.to_thread(change)

    def _end_leases(self) -> None:
        """Whoever held them is gone."""
        bulk = self.bulk()
        with bulk.writing():
            bulk.update("runs", {"status": "running"}, {"lease_until": 0})

    async def erase(self) -> list[Mention]:
        """All of it, as the command does it; what is left."""
        await asyncio.to_thread(self._end_leases)
        async with self.opened() as ledger:
            await delete(ledger, "acme", await self.found(), cancel=True)
        _, left = await self.redacted(await self.found())
        return left


@pytest.fixture(params=["sqlite", "postgres", "sealed", "sealed postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    masters = MASTERS if "sealed" in request.param else None
    if "postgres" not in request.param:
        file = tmp_path / "ledger.db"
        yield Place(partial(SqliteLedger, file, masters=masters), partial(SqliteBulk, file), masters)
        return
    server = postgres.shared()
    name = f"erasure_{os.getpid()}"
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"'.encode())
        url = server.url(name)
        yield Place(partial(postgres_ledger, url, masters), partial(PostgresBulk, url), masters)
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


async def test_nothing_of_a_person_is_left_and_all_of_the_others(place: Place) -> None:
    async with place.opened() as ledger:
        await make(ledger, "acme")
        await make(ledger, "other", PERSON)
        others = await _others(ledger)
    before = await place.found()
    assert {"runs", "threads", "events", "steps", "store_items", "facts", "api_keys", "crons"} <= set(before.rows)
    assert before.mentions, "an answer on another's thread names them"
    assert await place.erase() == []
    after = await place.found()
    assert (after.rows, after.mentions) == ({}, [])
    await asyncio.to_thread(place.bulk().vacuum)
    async with place.opened() as ledger:
        await _check_others(ledger, others)
    assert (await place.found(tenant="other")).rows, "another tenant's person of that name is another"


async def _others(ledger: ErasureLedger, output: str = f"{PERSON}s are many, {PERSON}!") -> str:
    """A run of somebody else's that names the person in all ways."""
    run, lease = await start(ledger, subject="bob", metadata={"about": f"for {PERSON}"}, input={PERSON: [PERSON, 1]})
    for n in range(2):
        long = {"role": "user", "content": f"{n} {PERSON} " + "x" * 2000}
        await ledger.commit(lease, Batch(messages=[long], steps=[NewStep(f"s{n}", StepStatus.FINISHED, result=PERSON)]))
    asked = NewInterrupt("ok", InterruptKind.INPUT, f"Is {PERSON} right?", {}, {"who": PERSON})
    await ledger.commit(lease, Batch(interrupts=[asked], change=Change(RunStatus.WAITING)))
    await ledger.answer("acme", run.id, {"ok": PERSON}, PERSON)
    [(lease, _, _)] = [one for one in await ledger.claim("w", 20) if one[1].id == run.id]
    await ledger.commit(lease, Batch(events=[NewEvent("custom", {"quoted": f'"{PERSON}"'})]))
    await change(ledger, lease, RunStatus.SUCCEEDED, output=output)
    await ledger.put_item("acme", ("team",), "notes", {"text": f"{PERSON} likes Oolong"})
    return run.id


async def _check_others(ledger: ErasureLedger, run_id: str) -> None:
    view = await ledger.load("acme", run_id)
    run = view.run
    assert (run.subject, run.metadata) == ("bob", {"about": "for [erased]"})
    assert run.input == {"[erased]": ["[erased]", 1]}
    assert run.output == f"{PERSON}s are many, [erased]!"
    [asked] = view.interrupts
    assert (asked.message, asked.answer, asked.answered_by) == ("Is [erased] right?", "[erased]", "[erased]")
    assert_gapless(await ledger.events("acme", run.thread_id))
    assert {step.result for step in (await ledger.journal("acme", run_id)).values()} == {"[erased]"}
    values = (await ledger.thread("acme", run.thread_id)).values
    assert [m["content"][:12] for m in values["messages"]] == ["0 [erased] x", "1 [erased] x"]
    assert len(await ledger.checkpoints("acme", run.thread_id)) == 1
    [item] = await ledger.search_items("acme", (), query="oolong")
    assert item.value == {"text": "[erased] likes Oolong"}
    assert await ledger.search_items("acme", (), query="4711") == []


async def test_a_dry_look_changes_nothing(place: Place) -> None:
    async with place.opened() as ledger:
        await make(ledger, "acme")
    first = await place.found()
    assert await place.found() == first


async def test_active_runs_are_cancelled_only_when_that_is_asked_for(place: Place) -> None:
    async with place.opened() as ledger:
        await make(ledger, "acme")
        found = await place.found()
        assert len(found.active) == 3
        with pytest.raises(Conflict, match="--cancel"):
            await delete(ledger, "acme", found)
        assert await place.found() == found


async def test_a_row_of_another_s_active_run_is_held_until_it_has_ended(place: Place) -> None:
    async with place.opened() as ledger:
        run, lease = await start(ledger, subject="bob", input=PERSON)
        await ask(ledger, lease, "pay")
    left = await place.erase()
    assert {mention.table for mention in left} == {"runs"}
    assert all(mention.held for mention in left)
    async with place.opened() as ledger:
        assert (await ledger.load("acme", run.id)).run.input == PERSON
        await ledger.cancel("acme", run.id)
    assert await place.erase() == []


async def test_a_thread_that_others_used_too_is_told_before_it_goes(place: Place) -> None:
    async with place.opened() as ledger:
        run, lease = await start(ledger, subject=PERSON)
        await change(ledger, lease, RunStatus.SUCCEEDED)
        _, lease = await start(ledger, subject="bob", thread_id=run.thread_id)
        await change(ledger, lease, RunStatus.SUCCEEDED)
    found = await place.found()
    assert found.shared == {run.thread_id}
    assert found.rows["runs"] == 2


async def test_a_name_in_an_id_is_told_as_left(place: Place) -> None:
    async with place.opened() as ledger:
        _, lease = await start(ledger, subject="bob", idempotency_key=f"order of {PERSON}")
        await change(ledger, lease, RunStatus.SUCCEEDED)
    [left] = await place.erase()
    assert (left.table, left.columns, left.held) == ("runs", ("idempotency_key",), False)


def test_a_short_name_is_a_word_and_not_a_part_of_one() -> None:
    ada = Person("ada")
    assert ada.named_in("ask ada, please")
    assert ada.named_in(b'{"by":"ada"}')
    assert not ada.named_in("adapters of canada")
    assert Person('a"b\\c').named_in(b'{"by":"a\\"b\\\\c"}')
    assert Person("é").named_in('{"by":"é"}'.encode())
    assert ada.named_in(b'{"text":"asked:\\nada said"}'), "JSON writes the end of a line with a letter"
    assert ada.named_in(b'{"text":"asked:\\u2028ada said"}')
    for no_name in (" ", "", "\udcff"):
        with pytest.raises(InputInvalid):
            Person(no_name)


def test_what_joins_a_name_to_more_may_make_it_anothers() -> None:
    ada = Person("ada")
    for others in ("ada@example.org", "ada-lovelace", "mary.ada", "ada+x@example.org"):
        assert ada.named_in(others)
        assert not ada.meant_by(others)
        assert ada.erased(f"{others}, ada.") == f"{others}, [erased]."
    for own in ("user:ada", "users/ada", "ada's", "- ada", "(ada)"):
        assert ada.meant_by(own)


async def test_who_is_called_as_the_beginning_of_another_takes_nothing_of_theirs(place: Place) -> None:
    other = f"{PERSON}@example.org"
    async with place.opened() as ledger:
        await make(ledger, "acme")
        await ledger.put_item("acme", ("users", other), "likes", {"text": f"{other} likes Oolong"})
        await ledger.put_item("acme", ("users",), f"{PERSON}-x", {"text": "Sencha"})
        await ledger.remember("acme", "session", "s-1", {"subject": other}, 3600)
        run, lease = await start(ledger, subject=other, input={"from": other, "cc": PERSON})
        for n in range(2):
            await ledger.commit(lease, Batch(values={"n": n, "from": other}))
        await change(ledger, lease, RunStatus.SUCCEEDED)
        states = len(await ledger.checkpoints("acme", run.thread_id))
    left = await place.erase()
    assert {(each.table, each.columns) for each in left} >= {("store_items", ("key",)), ("runs", ("subject", "input"))}
    async with place.opened() as ledger:
        assert (await ledger.load("acme", run.id)).run.input == {"from": other, "cc": "[erased]"}
        assert len(await ledger.checkpoints("acme", run.thread_id)) == states
        assert await ledger.recall("acme", "session", "s-1") == {"subject": other}
        assert [item.key for item in await ledger.search_items("acme", ("users",), query="oolong sencha")] != []
        assert (await ledger.get_item("acme", ("users", other), "likes")) is not None


async def test_the_file_holds_no_byte_of_it_when_it_was_rewritten(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    place = Place(partial(SqliteLedger, file), partial(SqliteBulk, file), None)
    async with place.opened() as ledger:
        await make(ledger, "acme")
        await _others(ledger, PERSON)
    assert PERSON.encode() in file.read_bytes()
    assert await place.erase() == []
    await asyncio.to_thread(SqliteBulk(file).vacuum)
    assert "ledger.db" in _parts(tmp_path)
    for name, part in _parts(tmp_path).items():
        assert PERSON.encode() not in part, name
    with closing(sqlite3.connect(file)) as db:
        assert PERSON not in "\n".join(db.iterdump())


def _parts(folder: Path) -> dict[str, bytes]:
    return {part.name: part.read_bytes() for part in folder.glob("ledger.db*")}
