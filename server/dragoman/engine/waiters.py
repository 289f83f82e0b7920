"""Who waits in this process for a run to settle. Not durable: a caller that is gone waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from dragoman.memory.errors import DragomanError, LedgerBusy
from dragoman.memory.model import Event, Run

__all__ = ["Looking", "Waiters"]


class Looking:
    """Looks at a run that another process drives whenever its thread was written to there. A listener of the hub."""

    def __init__(self, waiter: asyncio.Future[Run], look: Callable[[], Coroutine[Any, Any, Run]]) -> None:
        self._waiter = waiter
        self._look = look
        self._looking: asyncio.Task[None] | None = None
        self._again = False

    def put(self, events: Sequence[Event]) -> None:
        """What is committed here is told to the waiter itself."""

    def nudge(self) -> None:
        """The run may have settled."""
        self._again = True
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._see())

    async def _see(self) -> None:
        while self._again and not self._waiter.done():
            self._again = False
            try:
                run = await self._look()
            except DragomanError as error:
                if not self._waiter.done() and not isinstance(error, LedgerBusy):
                    self._waiter.set_exception(error)
                continue
            if run.settled and not self._waiter.done():
                self._waiter.set_result(run)


class Waiters:
    """Futures by run."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[Run]]] = {}

    def tell(self, run: Run) -> None:
        """Say that a run has settled."""
        self.redirect(run.id, run)

    def redirect(self, run_id: str, run: Run) -> None:
        """Say that who waits for ``run_id`` is to have another run."""
        for waiter in self._waiting.pop(run_id, ()):
            if not waiter.done():
                waiter.set_result(run)

    def fail(self, run_id: str, error: Exception) -> None:
        """Say that a run could not be written."""
        for waiter in self._waiting.pop(run_id, ()):
            if not waiter.done():
                waiter.set_exception(error)

    def add(self, run_id: str) -> asyncio.Future[Run]:
        """A future of the run once it has settled, to be given back by ``discard``."""
        future: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(run_id)
        if waiting is None:
            self._waiting[run_id] = {future}
        else:
            waiting.add(future)
        return future

    def discard(self, run_id: str, future: asyncio.Future[Run]) -> None:
        """Nobody waits for this future any more."""
        waiting = self._waiting.get(run_id)
        if waiting is not None:
            waiting.discard(future)
            if not waiting:
                del self._waiting[run_id]

    @contextmanager
    def waiter(self, run_id: str) -> Generator[asyncio.Future[Run]]:
        """A future of the run once it has settled; forgotten at the end of the block."""
        future = self.add(run_id)
        try:
            yield future
        finally:
            self.discard(run_id, future)
