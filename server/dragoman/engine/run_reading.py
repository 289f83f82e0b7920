"""Runs, their journals and events, by tenant: what the faces read through the engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

from dragoman.engine.hub import EventHub
from dragoman.engine.presence import Presence
from dragoman.engine.recent import RecentValues
from dragoman.engine.subscribe import follow
from dragoman.memory.latest import Latest
from dragoman.memory.ledger import Ledger, RunFilter
from dragoman.memory.model import Event, Json, Page, Principal, Run, RunView, Step

__all__ = ["RunReading"]


class RunReading:
    """The ledger's reading verbs for runs, for one caller; what a run waits for here is shown with it."""

    hub: EventHub
    ledger: Ledger
    presence: Presence
    recent: RecentValues

    async def get(self, principal: Principal, run_id: str) -> Run:
        """One run. Raises ``RunNotFound``."""
        return self.presence.shown((await self.ledger.load(principal.tenant, run_id)).run)

    async def view(self, principal: Principal, run: str | Run) -> RunView:
        """A run with its interrupts and artifacts; nothing is read for a Run that has none."""
        if isinstance(run, Run):
            if run.tenant == principal.tenant and not run.interrupts and not run.artifacts:
                return RunView(self.presence.shown(run))
            run = run.id
        return self.presence.view(await self.ledger.load(principal.tenant, run))

    async def values_after(self, principal: Principal, run: Run) -> Mapping[str, Json]:
        """The thread's values as a run left them; as they are now if it ended a while ago, or has not ended."""
        found = self.recent.of(run) if run.tenant == principal.tenant else None
        return found if found is not None else (await self.ledger.thread(principal.tenant, run.thread_id)).values

    async def list_runs(
        self,
        principal: Principal,
        where: RunFilter | None = None,
        limit: int = 50,
        cursor: str | None = None,
        *,
        bare: bool = False,
    ) -> Page[RunView]:
        """Runs, newest first, a page at a time; ``bare`` ones come without interrupts and artifacts."""
        page = await self.ledger.runs(principal.tenant, where or RunFilter(), limit, cursor, bare=bare)
        return self.presence.page(page)

    async def latest_runs(
        self, principal: Principal, which: Latest, limit: int = 50, before: tuple[int, int] | None = None
    ) -> Sequence[RunView]:
        """Runs of an agent, the latest change first; ``before`` as ``LatestLedger.latest_runs`` has it."""
        found = await self.ledger.latest_runs(principal.tenant, which, limit, before)
        return [self.presence.view(view) for view in found]

    async def count_latest(self, principal: Principal, which: Latest, most: int = 5000) -> int:
        """How many those are, counted up to ``most`` of each status."""
        return await self.ledger.count_latest(principal.tenant, which, most)

    async def steps(self, principal: Principal, run_id: str) -> Sequence[Step]:
        """A run's journal, in the order in which its steps finished. Raises ``RunNotFound``."""
        await self.ledger.load(principal.tenant, run_id)
        journal = await self.ledger.journal(principal.tenant, run_id)
        return sorted(journal.values(), key=lambda s: (s.position == 0, s.position, s.at))

    # -- events -------------------------------------------------------------------------------------------------------
    def subscribe(
        self, principal: Principal, thread_id: str, after: int = 0, run_id: str | None = None, until_ended: bool = False
    ) -> AsyncGenerator[Event, None]:
        """Events of a thread with ``seq > after``: replayed, then live, gapless.

        With ``run_id`` only that run's, ending when the run has settled (``until_ended``: has ended). Raises
        ``ThreadNotFound`` or ``RunNotFound`` at the first event, ``SlowSubscriber`` when the reader is too slow. Use
        ``contextlib.aclosing``.
        """
        return follow(self.ledger, self.hub, principal.tenant, thread_id, after, run_id, until_ended)

    async def events(
        self, principal: Principal, thread_id: str, after: int = 0, limit: int = 1000, run_id: str | None = None
    ) -> Sequence[Event]:
        """A page of a thread's log."""
        return await self.ledger.events(principal.tenant, thread_id, after, limit, run_id)
