"""What keeps runs moving: claims what is due, renews leases, takes back what was lost. Wakes when told or when due,
not to look.

Owned by the engine. Knows when to claim; ``activation.py`` knows how to drive.
"""

from __future__ import annotations

import asyncio
import logging

from dragoman.engine.load import Load, turn_of_loop
from dragoman.engine.ports import Host
from dragoman.engine.presence import Presence
from dragoman.memory.admission import ClaimTerms
from dragoman.memory.errors import DragomanError
from dragoman.memory.ids import now_micros

__all__ = ["Worker"]

_log = logging.getLogger("dragoman.engine")
_LONGEST_WAIT = 60.0
_AFTER_ERROR = 1.0
_BLOCKED_WAIT = 1.0
_LEAST_GRACE = 3.0
_SOON = 0.02


class Worker:
    """The two loops of an engine. ``crowded``: runs wait for a place here, so that new ones queue behind them."""

    def __init__(self, engine: Host, presence: Presence) -> None:
        self._engine = engine
        self._presence = presence
        self._load = Load(engine.settings.concurrency)
        self._after = ""
        self._pause = 0.0
        self.crowded = False
        self._wake = asyncio.Event()
        self._queued = True
        self._tasks: list[asyncio.Task[None]] = []
        self._sweeps_from = 0.0

    def start(self) -> None:
        """Begin claiming and renewing."""
        self._tasks = [asyncio.create_task(self._claiming()), asyncio.create_task(self._renewing())]

    async def stop(self) -> None:
        """Claim and renew no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def queued(self) -> None:
        """Something may be due: look."""
        self._queued = True
        self._wake.set()

    def refused(self) -> None:
        """A run found no place and queues: those that come after it queue too."""
        self.crowded = True

    def freed(self) -> None:
        """A place is free, and a thread perhaps: look if anything is known to wait."""
        if self._queued:
            self._wake.set()

    async def _claiming(self) -> None:
        engine = self._engine
        while True:
            try:
                await self._sweep()
                await self._claim()
                await self._presence.look()
                due = await engine.ledger.next_due()
            except DragomanError as error:
                _log.error("claiming failed, trying again in %g s: %s", _AFTER_ERROR, error)
                # Who was at work when the ledger went away renews its leases first; only then are they taken.
                self._sweeps_from = asyncio.get_running_loop().time() + max(engine.settings.lease / 3, _LEAST_GRACE)
                await asyncio.sleep(_AFTER_ERROR)
                continue
            await self._sleep(due)

    async def _sweep(self) -> None:
        engine = self._engine
        if asyncio.get_running_loop().time() < self._sweeps_from:
            return
        for run, events in await engine.ledger.sweep(engine.settings.max_crashes):
            self._queued = True
            engine.publish(run, events)

    async def _claim(self) -> None:
        engine = self._engine
        while self._queued:
            self._wake.clear()
            places = engine.free
            if places <= 0:
                self.crowded = True
                return
            asked = min(places, self._load.most)
            reserve = max(0, engine.settings.reserve - (places - asked))
            taken = await self._take(asked, reserve)
            if taken < asked:
                await self._took_less(taken, asked - reserve)
                return
            self.crowded = True  # there may be more
            await asyncio.sleep(self._load.pause)

    async def _take(self, places: int, reserve: int) -> int:
        """Take and start as many runs; how many there were."""
        engine = self._engine
        turn = await turn_of_loop()
        begun = asyncio.get_running_loop().time()
        claimed = await engine.ledger.claim(engine.worker, places, engine.settings.lease, self._terms(reserve))
        self._load.told(turn, asyncio.get_running_loop().time() - begun)
        for lease, run, events in claimed:
            self._after = lease.tenant
            engine.publish(run, events)
            engine.drive(lease, run)
        return len(claimed)

    def _terms(self, reserve: int) -> ClaimTerms:
        engine = self._engine
        limits = {agent.name: agent.concurrency for agent in engine.drivables() if agent.concurrency is not None}
        holding = engine.tenants_at_work() if reserve else frozenset[str]()
        return ClaimTerms(
            self._presence.kinds, limits, engine.settings.tenant_concurrency, reserve, holding, self._after
        )

    async def _took_less(self, taken: int, open_to_all: int) -> None:
        """What is left waits for its thread, for its bound, or for a place that is not reserved; the end of a run looks
        again."""
        engine = self._engine
        ready, blocked = await engine.ledger.waits(self._presence.kinds)
        self._queued = ready or blocked
        self.crowded = ready and taken >= max(open_to_all, 0)
        # Where others take runs at once, what they held in hand may be free a moment later.
        again = ready and not self.crowded and engine.ledger.polls is not None
        self._pause = min(max(self._pause * 2, _SOON), _LONGEST_WAIT) if again else 0.0

    async def _sleep(self, due: int | None) -> None:
        longest = self._engine.ledger.polls or _LONGEST_WAIT
        wait = longest if due is None else min(longest, (due - now_micros()) / 1e6)
        if wait < -0.01:
            wait = _BLOCKED_WAIT  # due, but no place or no thread is free: the end of a run wakes us
        if self._pause:
            wait = min(wait, self._pause)
        try:
            async with asyncio.timeout(max(wait, 0.0)):
                await self._wake.wait()
        except TimeoutError:
            self._queued = True
        self._wake.clear()

    async def _renewing(self) -> None:
        engine, loop = self._engine, asyncio.get_running_loop()
        began = loop.time()
        while True:
            # From beginning to beginning: a renewal that takes long is no reason for the next one to come late.
            await asyncio.sleep(max(0.0, began + engine.settings.lease / 3 - loop.time()))
            began = loop.time()
            held = engine.held()
            if not held:
                continue
            try:
                renewed = await engine.ledger.renew(engine.worker, held, engine.settings.lease)
            except DragomanError as error:
                _log.error("leases could not be renewed: %s", error)
                continue
            engine.renewed(renewed)
