"""A ledger that cannot be written to for a while is no failure of the run: it goes on when it can be written again."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from dragoman.agents import Context, agent
from dragoman.engine import Engine, EngineSettings, RunRequest
from dragoman.memory.errors import LedgerBusy
from dragoman.memory.ledger import Batch, Committed, Lease
from dragoman.memory.model import Principal, RunStatus
from dragoman.memory.sqlite import SqliteLedger

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]


class _Forgetful(SqliteLedger):
    """A ledger that has no room for the first artifact, and tells so late."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked = asyncio.Event()
        self.free = asyncio.Event()

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        if batch.artifacts and not self.asked.is_set():
            self.asked.set()
            await self.free.wait()
            raise LedgerBusy(f"The ledger cannot take this now: {errno.errorcode[errno.ENOSPC]}")
        return await super().commit(lease, batch)


class _Full(SqliteLedger):
    """A ledger that has no room for steps, as often as ``refusals`` says."""

    refusals = 1

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        if batch.steps and self.refusals:
            self.refusals -= 1
            raise LedgerBusy(f"The ledger cannot take this now: {errno.errorcode[errno.ENOSPC]}")
        return await super().commit(lease, batch)


async def test_a_run_whose_step_could_not_be_written_is_taken_up_again(tmp_path: Path, caller: Principal) -> None:
    done: list[int] = []

    async def effect() -> str:
        done.append(1)
        return "done"

    @agent
    async def works(ctx: Context) -> str:
        return await ctx.step(effect)

    ledger = _Full(tmp_path / "ledger.db")
    await ledger.open()
    async with Engine(ledger, [works], EngineSettings(lease=0.3)) as engine:
        run = await engine.run(caller, RunRequest("works", {}))
    await ledger.close()
    assert (run.status, run.output, run.attempt) == (RunStatus.SUCCEEDED, "done", 2)
    assert len(done) == 2, "the step that was not journaled is done again"


async def test_a_run_does_not_end_over_an_earlier_write_of_it_that_failed(tmp_path: Path, caller: Principal) -> None:
    ledger = _Forgetful(tmp_path / "ledger.db")

    @agent
    async def writes(ctx: Context) -> str:
        await ctx.artifact("report.txt", b"kept")
        await ledger.asked.wait()
        asyncio.get_running_loop().call_later(0.05, ledger.free.set)  # the run has said its last word by then
        return "done"

    await ledger.open()
    async with Engine(ledger, [writes], EngineSettings(lease=0.3)) as engine:
        run = await engine.run(caller, RunRequest("writes", {}))
        view = await engine.view(caller, run.id)
    await ledger.close()
    assert (run.status, run.attempt) == (RunStatus.SUCCEEDED, 2)
    assert [artifact.data for artifact in view.artifacts] == [b"kept"]
