"""A house of servers over each kind of ledger."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .house import House, database


@pytest.fixture(params=["sqlite", "postgres"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """Servers over one ledger, of each kind."""
    with ExitStack() as stack:
        on_file = request.param == "sqlite"
        storage = str(tmp_path / "ledger.db") if on_file else stack.enter_context(database(f"house_{os.getpid()}"))
        made = House(tmp_path, storage)
        yield made
        await made.close()


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[House]:
    """Servers that share a database."""
    with database(f"house_{os.getpid()}") as url:
        made = House(tmp_path, url)
        yield made
        await made.close()
