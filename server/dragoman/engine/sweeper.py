"""Lets threads expire: sleeps until the first may, then does a few at a time, so that runs are written in between.

Wakes when a TTL is set or when one is over; with none it sleeps. The ledger decides what has expired.
"""

from __future__ import annotations

import asyncio
import logging

from dragoman.memory.errors import DragomanError
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Ledger

__all__ = ["ThreadSweeper"]

_log = logging.getLogger("dragoman.engine")
_AFTER_ERROR = 5.0  # seconds
_LONGEST_WAIT = 86_400.0


class ThreadSweeper:
    """The loop of an engine that lets threads expire."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._sweeping())

    async def stop(self) -> None:
        """Let no more expire."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def look(self) -> None:
        """A TTL was set: the first to expire may be another."""
        self._wake.set()

    async def _sweeping(self) -> None:
        while True:
            self._wake.clear()
            try:
                wait = await self._sweep()
            except DragomanError as error:
                _log.error("threads could not be let expire, trying again in %g s: %s", _AFTER_ERROR, error)
                wait = _AFTER_ERROR
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _sweep(self) -> float | None:
        """Let expire what is due; the seconds until the next is, None where none is known."""
        while True:
            due = await self._ledger.next_thread_expiry()
            if due is None:
                return None
            left = (due - now_micros()) / 1e6
            if left > 0:
                return min(left + 0.001, _LONGEST_WAIT)
            await self._ledger.expire_threads()
