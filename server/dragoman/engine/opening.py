"""Opening runs: who may be driven at once, what the ledger is asked, and what follows from its answer.

What a run may be is ``intake.py``'s, what waits is the ledger's and ``worker.py``'s. A part of the engine.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from pydantic import BaseModel

from dragoman.agents.agent import Agent
from dragoman.engine.crons import Opener
from dragoman.engine.hub import EventHub
from dragoman.engine.intake import submission_of
from dragoman.engine.late import LateRuns
from dragoman.engine.outbox import Outbox
from dragoman.engine.request import EngineSettings, RunRequest
from dragoman.engine.worker import Worker
from dragoman.memory.errors import AgentNotFound, QueueFull
from dragoman.memory.ledger import Lease, Ledger, Submission, Submitted
from dragoman.memory.model import Principal, Run

__all__ = ["Opening"]


class Opening:
    """The verbs that open runs. ``_loops`` claims what is queued; None where nothing is driven."""

    agents: Mapping[str, Agent]
    hub: EventHub
    ledger: Ledger
    outbox: Outbox
    settings: EngineSettings
    worker: str
    _coming: list[str]  # the tenants of runs that are being opened, to be driven at once
    _late: LateRuns
    _loops: Worker | None
    _stopping: bool

    @property
    @abstractmethod
    def free(self) -> int:
        """How many more runs may be driven here."""

    @abstractmethod
    def drivable(self, name: str) -> Agent | None:
        """The agent or durable tool of this name."""

    @abstractmethod
    def tenants_at_work(self) -> frozenset[str]:
        """The tenants that have a run at work here."""

    @abstractmethod
    def drive(self, lease: Lease, run: Run) -> None:
        """Start an activation."""

    @abstractmethod
    def queued(self) -> None:
        """A run may be due."""

    @abstractmethod
    def _displaced(self, run: Run) -> None:
        """A run made room for another."""

    @staticmethod
    @abstractmethod
    def principal_of(run: Run) -> Principal:
        """On whose behalf a run acts."""

    async def accept(self, principal: Principal, request: RunRequest) -> Run:
        """Open a run; it is durable when this returns.

        Raises ``AgentNotFound``, ``InputInvalid``, ``ThreadNotFound``, ``ThreadBusy``, ``QueueFull``.
        """
        submission, _ = self._submission(principal, request, None)
        return await self._submit(submission, request.delay)

    async def accept_by(self, principal: Principal, request: RunRequest, opener: Opener) -> Run | None:
        """Open a run by another verb of the ledger than ``submit``; None when that opens none. Raises as ``accept``,
        and what the verb raises."""
        submission, _ = self._submission(principal, request, None)
        submitted = await opener(submission, self._place(submission, request.delay), self.settings.lease)
        return None if submitted is None else self._opened(submission, submitted)

    async def check(self, principal: Principal, request: RunRequest) -> None:
        """Whether a run like this could be opened, but for its thread and the queue. Raises ``AgentNotFound``,
        ``InputInvalid``."""
        self._submission(principal, request, None)

    async def accept_child(self, parent: Run, request: RunRequest) -> Run:
        """Open a child run of a run at work."""
        submission, _ = self._submission(self.principal_of(parent), request, parent)
        return await self._submit(submission, 0.0)

    def _submission(
        self, principal: Principal, request: RunRequest, parent: Run | None, new_thread: str | None = None
    ) -> tuple[Submission, BaseModel | None]:
        agent = self.drivable(request.agent)
        if agent is None:
            known = ", ".join(self.agents) or "none"
            raise AgentNotFound(f"There is no agent {request.agent[:80]!r} here; there are: {known}.")
        if self._stopping:
            raise QueueFull("The server is stopping; send it again to the next one.", retry_after=1.0)
        crowded = parent is None and self._loops is not None and self._loops.crowded
        return submission_of(agent, principal, request, parent, self.settings, new_thread, crowded)

    def _may_open_late(self, principal: Principal, request: RunRequest) -> bool:
        alone = request.thread_id is None and request.delay <= 0 and not request.deliveries
        kept = request.setup is None or not request.setup.forget
        # Where others count too, they count what is in the ledger.
        agent = self.drivable(request.agent)
        counted = self.settings.tenant_concurrency is not None or (agent is not None and agent.concurrency is not None)
        free = self._loops is not None and not self._loops.crowded and self._has_room(principal.tenant)
        return alone and kept and not counted and free and self.settings.open_late

    def _has_room(self, tenant: str) -> bool:
        """Whether a place is free for a tenant: any, or where places are waited for or reserved its first."""
        if self._loops is None:
            return False
        free = self.free
        if free > self.settings.reserve and not self._loops.crowded:
            return True
        return free > 0 and tenant not in self.tenants_at_work()

    async def _submit(self, submission: Submission, delay: float) -> Run:
        await self._late.opened(submission.tenant, submission.idempotency_key)
        place = self._place(submission, delay)
        if place is None:
            return self._opened(submission, await self.ledger.submit(submission, None, self.settings.lease))
        self._coming.append(submission.tenant)
        try:
            submitted = await self.ledger.submit(submission, place, self.settings.lease)
        finally:
            self._coming.remove(submission.tenant)
        return self._opened(submission, submitted)

    def _place(self, submission: Submission, delay: float) -> str | None:
        """Who may drive the run at once: this worker, or nobody yet."""
        # A child is driven at once, whatever the load: its parent holds a place while it waits for it.
        room = submission.parent_run_id is not None or self._has_room(submission.tenant)
        if self._loops is None or delay > 0:
            return None
        if not room:
            self._loops.refused()
        return self.worker if room else None

    def _opened(self, submission: Submission, submitted: Submitted) -> Run:
        if submitted.lease is not None:
            self.drive(submitted.lease, submitted.run)
        if submitted.events:
            self.hub.publish(submission.tenant, submitted.run.thread_id, submitted.events)
        for displaced in submitted.displaced:
            self._displaced(displaced)
        if submission.deliveries:
            self.outbox.look()
        if submitted.created and submitted.lease is None:
            self.queued()
        return submitted.run
