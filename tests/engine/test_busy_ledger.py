"""A ledger that cannot be written to for a while is no failure of the run: it goes on when it can be written again."""

from __future__ import annotations

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
