"""What keeps runs moving: claims what is due, renews leases, takes back what was lost. Wakes when told or when due,
not to look.

Owned by the engine. Knows when to claim; ``activation.py`` knows how to drive.
"""

from __future__ import annotations

import asyncio
import logging

from dragoman.engine.ports import Host
from dragoman.memory.errors import DragomanError
from dragoman.memory.ids import now_micros

__all__ = ["Worker"]

_log = logging.getLogger("dragoman.engine")
_LONGEST_WAIT = 60.0
_AFTER_ERROR = 1.0
_BLOCKED_WAIT = 1.0
_LEAST_GRACE = 3.0


class Worker:
    """The two loops of an engine."""

    def __init__(self, engine: Host) -> None:
        self._engine = engine
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
            free = engine.settings.concurrency - engine.active
            if free <= 0:
                return
            claimed = await engine.ledger.claim(engine.worker, free, engine.settings.lease)
            for lease, run, events in claimed:
                engine.publish(run, events)
                engine.drive(lease, run)
            if len(claimed) < free:
                # What is left waits for its thread; the end of a run looks again.
                self._queued = await engine.ledger.queue_depth() > 0
                return

    async def _sleep(self, due: int | None) -> None:
        longest = self._engine.ledger.polls or _LONGEST_WAIT
        wait = longest if due is None else min(longest, (due - now_micros()) / 1e6)
        if wait < -0.01:
            wait = _BLOCKED_WAIT  # due, but no place or no thread is free: the end of a run wakes us
        try:
            async with asyncio.timeout(max(wait, 0.0)):
                await self._wake.wait()
        except TimeoutError:
            self._queued = True
        self._wake.clear()

    async def _renewing(self) -> None:
        engine = self._engine
        while True:
            await asyncio.sleep(engine.settings.lease / 3)
            held = engine.held()
            if not held:
                continue
            try:
                renewed = await engine.ledger.renew(engine.worker, held, engine.settings.lease)
            except DragomanError as error:
                _log.error("leases could not be renewed: %s", error)
                continue
            engine.renewed(renewed)
