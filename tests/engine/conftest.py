"""An engine over a real SQLite file, restarted at will."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import pytest

from dragoman.agents import Agent
from dragoman.engine import Engine, EngineSettings
from dragoman.memory.model import Principal
from dragoman.memory.sqlite import SqliteLedger

Start = Callable[..., "StartedEngine"]


class StartedEngine:
    """An engine and its ledger, as an async context manager."""

    def __init__(self, path: Path, agents: Sequence[Agent], settings: EngineSettings) -> None:
        self._ledger = SqliteLedger(path)
        self._engine = Engine(self._ledger, agents, settings)

    async def __aenter__(self) -> Engine:
        await self._ledger.open()
        await self._engine.start()
        return self._engine

    async def __aexit__(self, *_: object) -> None:
        await self._engine.stop(grace=2.0)
        await self._ledger.close()


@pytest.fixture
def caller() -> Principal:
    return Principal("acme", "ada")


@pytest.fixture
def stranger() -> Principal:
    return Principal("umbrella", "eve")


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """``async with start(agent, ...) as engine``: each time over the same file, as a restart would be."""

    def make(*agents: Agent, settings: EngineSettings | None = None) -> StartedEngine:
        return StartedEngine(tmp_path / "ledger.db", agents, settings or EngineSettings())

    return make


@pytest.fixture
async def deadline() -> AsyncGenerator[None, None]:
    """Every test of the engine ends within a deadline, so that a wait that never ends is a failure."""
    import asyncio

    async with asyncio.timeout(20):
        yield
