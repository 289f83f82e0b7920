"""The ledgers under test. A ledger joins the contract suite by one line in ``LEDGERS``."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.memory.ledger import Ledger
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.sqlite import SqliteLedger
from dragoman.memory.sqlite.connection import connect_writer, migrate

from .postgres_ledgers import ledger_in

MASTERS = MasterKeys([b"k" * 32])
LEDGERS: Mapping[str, Callable[[Path], Ledger]] = {
    "sqlite": lambda folder: SqliteLedger(folder / "ledger.db"),
    "postgres": ledger_in,
    "sealed": lambda folder: SqliteLedger(folder / "ledger.db", masters=MASTERS),
    "sealed postgres": lambda folder: ledger_in(folder, MASTERS),
}

Reopen = Callable[[], Awaitable[Ledger]]


class _Stored:
    """One stored ledger, opened and reopened as a process would."""

    def __init__(self, make: Callable[[Path], Ledger], folder: Path) -> None:
        self._make = make
        self._folder = folder
        self.ledger = make(folder)

    async def reopen(self) -> Ledger:
        await self.ledger.close()
        self.ledger = self._make(self._folder)
        await self.ledger.open()
        return self.ledger


@pytest.fixture(params=LEDGERS)
async def stored(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[_Stored]:
    kept = _Stored(LEDGERS[request.param], tmp_path)
    await kept.ledger.open()
    yield kept
    await kept.ledger.close()


@pytest.fixture
async def ledger(stored: _Stored) -> Ledger:
    """An open, empty ledger of each kind."""
    return stored.ledger


@pytest.fixture
async def reopen(stored: _Stored) -> Reopen:
    """Close the ledger and open what it kept anew."""
    return stored.reopen


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The writer's connection to an empty embedded ledger."""
    with closing(connect_writer(tmp_path / "ledger.db")) as connection:
        migrate(connection)
        yield connection
