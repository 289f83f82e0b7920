"""What the chaos tests on Postgres share: a database, replicas on it, clients of all three faces and readers of
streams; and at the end, the whole ledger checked.

A test does its faults inside of the block and then calls ``finish``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from . import invariants
from .database import Database
from .form import SEED, Turns
from .invariants import Found
from .load import KINDS, Load
from .replicas import Replica, Replicas
from .watchers import Watchers

__all__ = ["Storm"]

_SETTLE_S = 240.0
_LOOK = 0.1


class Storm:
    """``make`` is given the folder and the database and makes the replicas; ``kinds`` are what the clients submit."""

    def __init__(
        self,
        turns: Turns,
        folder: Path,
        make: Callable[[Path, Database], Sequence[Replica]],
        *,
        database: Database | None = None,
        clients: int = 10,
        readers: int = 3,
        kinds: Sequence[str] = KINDS,
    ) -> None:
        self.turns = turns
        self.database = database or Database()
        self.folder = folder
        self.taken_over: list[float] = []
        self._make = make
        self._size = clients, readers
        self._kinds = kinds
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Storm:
        self._stack.callback(self.database.remove)
        try:
            await self.database.apart("make")
            self.replicas = list(self._make(self.folder, self.database))
            running = await self._stack.enter_async_context(Replicas(*self.replicas))
            clients, readers = self._size
            self.load = Load(running.urls, self.turns.chance, clients, self._kinds)
            self.watchers = Watchers(running.urls, self.turns.chance, readers)
            self._clients = await AsyncExitStack().__aenter__()
            self._stack.push_async_exit(self._clients)
            await self._clients.enter_async_context(self.load)
            await self._clients.enter_async_context(self.watchers)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stack.__aexit__(*error)

    async def finish(self, **told: object) -> Found:
        """Send no more, let all settle, check everything, and print what was counted."""
        await self._clients.aclose()
        for replica in self.replicas:
            if not replica.up:
                await replica.start()
        began = time.monotonic()
        while not await invariants.settled(self.database.rows):
            assert time.monotonic() - began < _SETTLE_S, await self._stuck()
            await asyncio.sleep(_LOOK)  # what is waited for is other processes' doing
        acknowledged = {**self.load.acknowledged, **self.watchers.acknowledged}
        followed = await self.watchers.compare(self.load.urls[0])
        found = await invariants.check(self.database.rows, acknowledged, self.folder / "effects.txt")
        facts = {"streams followed": followed, "cut": self.watchers.cuts, **told, "told": dict(self.load.told)}
        if self.taken_over:
            facts["taken over within"] = f"{max(self.taken_over):.2f} s at most ({len(self.taken_over)} runs)"
        print(
            f"\n{self.turns.name} (seed {SEED}): {self.turns.done} faults, {len(acknowledged)} acknowledged; {found}; "
            + "; ".join(f"{name}: {value}" for name, value in facts.items())
        )
        return found

    async def _stuck(self) -> str:
        left = await self.database.rows(
            "SELECT id, agent, status, attempt, crashes, wake_at, lease_until, dragoman_now() FROM runs"
            " WHERE status IN ('running', 'queued') LIMIT 5"
        )
        said = "\n".join(f"{replica.name}: {replica.said()[-1500:]}" for replica in self.replicas)
        return f"does not settle: {left}\n{said}"

    # -- who takes over -----------------------------------------------------------------------------------------------
    async def at_work(self) -> dict[str, tuple[int, int]]:
        """The runs at work: the last number in their thread's log, and the time that it is."""
        found = await self.database.rows(
            "SELECT r.id, t.last_seq, dragoman_now() FROM runs r JOIN threads t ON t.tenant = r.tenant"
            " AND t.id = r.thread_id WHERE r.status = 'running'"
        )
        return {run_id: (seq, now) for run_id, seq, now in found}

    async def note_taken_over(self, before: dict[str, tuple[int, int]]) -> int:
        """How long it took, from ``before`` on, until those that lost their worker were at work again."""
        events = await self.database.rows("SELECT run_id, seq, type, at FROM events ORDER BY thread_id, seq")
        taken_over: dict[str, float] = {}
        rested: set[str] = set()
        for run_id, seq, type_, at in events:
            last, since = before.get(run_id, (seq, 0))
            if seq > last and type_ in ("run.asleep", "run.waiting"):
                rested.add(run_id)
            elif seq > last and type_ == "run.started" and run_id not in rested:
                taken_over.setdefault(run_id, (at - since) / 1e6)
        self.taken_over += taken_over.values()
        return len(taken_over)
