"""Who waits in this process for a run to settle. Not durable: a caller that is gone waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from dragoman.memory.model import Run

__all__ = ["Waiters"]


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

    @contextmanager
    def waiter(self, run_id: str) -> Generator[asyncio.Future[Run]]:
        """A future of the run once it has settled; forgotten at the end of the block."""
        future: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(run_id, set())
        waiting.add(future)
        try:
            yield future
        finally:
            waiting.discard(future)
            if not waiting and self._waiting.get(run_id) is waiting:
                del self._waiting[run_id]
