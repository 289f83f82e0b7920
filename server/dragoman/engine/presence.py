"""Who drives what: tells other servers what this one drives, and notices runs that no server does.

Such a run waits for a server that drives its version of its agent: it does not fail. It is logged once, counted
(``metrics.py``) and shown with the reason. Owned by the engine; ``worker.py`` says when to look. Below: the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import Final

from dragoman.engine.ports import Host
from dragoman.memory.admission import Kinds, Undriven
from dragoman.memory.errors import DragomanError
from dragoman.memory.model import Page, Run, RunStatus, RunView

__all__ = ["Presence"]

_log = logging.getLogger("dragoman.engine")
_LOOK_AGAIN: Final = 1.0  # seconds


class Presence:
    """What an engine knows of who drives what. ``undriven`` are the kinds of runs that nobody drives."""

    def __init__(self, engine: Host) -> None:
        self._engine = engine
        self._task: asyncio.Task[None] | None = None
        self._look_from = 0.0
        self._reasons: dict[tuple[str, str], str] = {}
        self.undriven: tuple[Undriven, ...] = ()

    @property
    def kinds(self) -> Kinds:
        """What this engine drives: of each agent its version, and those whose runs it goes on with."""
        return {agent.name: (agent.version, *agent.resumes) for agent in self._engine.drivables()}

    def start(self) -> None:
        """Begin to tell other servers, where there may be some."""
        if self._engine.ledger.polls is not None:
            self._task = asyncio.create_task(self._telling())

    async def stop(self) -> None:
        """Say that nothing is driven here any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            with contextlib.suppress(DragomanError):  # it is forgotten in a while
                await self._engine.ledger.withdraw(self._engine.worker)

    async def look(self) -> None:
        """Look for runs that nobody drives, unless that was done a moment ago. Raises ``LedgerBusy``."""
        now = asyncio.get_running_loop().time()
        if now < self._look_from:
            return
        self._look_from = now + _LOOK_AGAIN
        kinds = self.kinds
        self.undriven = tuple(await self._engine.ledger.undriven(kinds))
        known, self._reasons = self._reasons, {(w.agent, w.version): _reason(w, kinds) for w in self.undriven}
        for waiting in self.undriven:
            if (waiting.agent, waiting.version) not in known:
                _log.warning("%d due runs wait: %s", waiting.count, _reason(waiting, kinds))

    # -- what is shown of a run ---------------------------------------------------------------------------------------
    def shown(self, run: Run) -> Run:
        """A run with the reason why it is not taken, where there is one."""
        if not self._reasons or run.status is not RunStatus.QUEUED or run.wake_at is not None:
            return run
        reason = self._reasons.get((run.agent, run.agent_version))
        return run if reason is None else replace(run, held=reason)

    def view(self, view: RunView) -> RunView:
        """The same of a view."""
        run = self.shown(view.run)
        return view if run is view.run else replace(view, run=run)

    def page(self, page: Page[RunView]) -> Page[RunView]:
        """The same of a page of a list."""
        return Page(tuple(map(self.view, page.items)), page.cursor) if self._reasons else page

    async def _telling(self) -> None:
        engine = self._engine
        while True:
            try:
                await engine.ledger.announce(engine.worker, self.kinds, engine.settings.lease)
            except DragomanError as error:
                _log.error("other servers could not be told what is driven here: %s", error)
            await asyncio.sleep(engine.settings.lease / 3)


def _reason(waiting: Undriven, kinds: Kinds) -> str:
    served = kinds.get(waiting.agent)
    if served is None:
        return f"no server drives {waiting.agent!r} {waiting.version}."
    return f"no server drives {waiting.agent!r} {waiting.version}; it is {served[0]} here."
