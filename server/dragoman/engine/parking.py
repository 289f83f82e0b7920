"""When a run may park: every branch of the agent is blocked on a person, on time or on a child, and no step is at work.

A parked run holds nothing. The activation's task is cancelled here, and the driver commits what the run waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from dragoman.memory.ledger import NewInterrupt

__all__ = ["FAR", "Parking"]

FAR = 4_102_444_800_000_000  # the year 2100: asleep until something wakes it
_TURNS = 8  # of the loop, so that a branch whose step just ended can begin its next one


class Parking:
    """What an activation is blocked on, and whether anything is still at work."""

    def __init__(self, park: Callable[[], None]) -> None:
        self.interrupts: dict[str, NewInterrupt] = {}
        self.wake_at: int | None = None
        self.children: set[str] = set()
        self._park = park
        self._working = 0
        self._changes = 0
        self._checking = False

    def begin(self) -> None:
        """A piece of work begins."""
        self._working += 1
        self._changes += 1

    def end(self) -> None:
        """A piece of work has ended."""
        self._working -= 1
        self._changes += 1
        self._consider()

    async def on_interrupt(self, interrupt: NewInterrupt) -> NoReturn:
        """Block on a question."""
        self.interrupts[interrupt.key] = interrupt
        await self._block()

    async def on_time(self, wake_at: int) -> NoReturn:
        """Block until a time, in microseconds."""
        self.wake_by(wake_at)
        await self._block()

    def wake_by(self, wake_at: int) -> None:
        """Have the run woken by then, whatever else it waits for. Time in microseconds."""
        self.wake_at = wake_at if self.wake_at is None else min(self.wake_at, wake_at)

    async def on_child(self, run_id: str) -> NoReturn:
        """Block on a child run that is not at work in this process."""
        self.children.add(run_id)
        self.wake_at = FAR if self.wake_at is None else self.wake_at
        await self._block()

    async def _block(self) -> NoReturn:
        self._changes += 1
        self._consider()
        while True:
            await asyncio.get_running_loop().create_future()

    def _consider(self) -> None:
        if self._working == 0 and not self._checking and (self.interrupts or self.wake_at is not None):
            self._checking = True
            self._check(self._changes, _TURNS)

    def _check(self, changes: int, turns: int) -> None:
        if changes != self._changes:
            self._checking = False
            self._consider()
        elif turns:
            asyncio.get_running_loop().call_soon(self._check, changes, turns - 1)
        else:
            self._park()
