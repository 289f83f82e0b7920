"""What other processes on the same ledger have done, brought to whoever cares in this one.

Who watches a thread reads its log again; the worker looks for what is due; runs that were asked to cancel elsewhere are
cancelled here. Nothing runs where the ledger is one process's alone. Owned by the engine; below: hub and ledger.
"""

from __future__ import annotations

import asyncio
import logging

from dragoman.engine.ports import Host
from dragoman.memory.errors import DragomanError
from dragoman.memory.replicas import News

__all__ = ["Replicas"]

_log = logging.getLogger("dragoman.engine")
_AFTER_ERROR = 1.0


class Replicas:
    """The loop that listens."""

    def __init__(self, engine: Host) -> None:
        self._engine = engine
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, where there is something to hear."""
        if self._engine.ledger.polls is not None:
            self._task = asyncio.create_task(self._listening())

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _listening(self) -> None:
        while True:
            try:
                async for news in self._engine.ledger.news():
                    await self._hear(news)
            except DragomanError as error:
                _log.error("what other replicas do is not heard, trying again in %g s: %s", _AFTER_ERROR, error)
            await asyncio.sleep(_AFTER_ERROR)

    async def _hear(self, news: News) -> None:
        engine = self._engine
        if news.threads is None:
            engine.hub.nudge_all()
        else:
            for tenant, thread_id in news.threads:
                engine.hub.nudge(tenant, thread_id)
        if news.due:
            engine.queued()
        if news.cancelled and (held := engine.held()):
            engine.renewed(await engine.ledger.renew(engine.worker, held, engine.settings.lease))
