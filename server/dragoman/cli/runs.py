"""``dragoman runs``: what ran, what runs, what waits."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence

from dragoman.cli.find import find_host
from dragoman.cli.host import phase_of
from dragoman.cli.phase import Phase
from dragoman.cli.shown import moment, table
from dragoman.memory.model import RunView

__all__ = ["runs"]


def runs(
    phase: Phase | None,
    agent: str | None,
    limit: int,
    *,
    config: str | None,
    storage: str | None,
    url: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """List runs, newest first."""

    async def work() -> Sequence[RunView]:
        async with find_host(config, storage, url, key, works=False) as host:
            return await host.runs(phase, agent, limit)

    rows = [
        {
            "run": view.run.id,
            "agent": view.run.agent,
            "status": phase_of(view.run.status).value,
            "updated": moment(view.run.updated_at),
            "asks": "; ".join(question.message for question in view.open_interrupts) or None,
            "error": view.run.failure.message if view.run.failure else None,
            "held": view.run.held or None,
        }
        for view in asyncio.run(work())
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        table(rows)
    else:
        print("No runs.", file=sys.stderr)
