"""The engine: accepts runs, drives them, tells of them. One way down to the ledger, one way up by events.

It knows no protocol and never learns which face asked. It keeps nothing that the ledger does not have: after a crash a
new engine over the same ledger goes on where this one stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from dragoman.agents.agent import Agent
from dragoman.agents.remote import Peers
from dragoman.engine.activation import Activation
from dragoman.engine.answer_verbs import AnswerVerbs
from dragoman.engine.assistants import Assistants
from dragoman.engine.crons import Crons
from dragoman.engine.hub import EventHub
from dragoman.engine.intake import by_name
from dragoman.engine.items import ItemVerbs
from dragoman.engine.late import LateRuns
from dragoman.engine.opening import Opening
from dragoman.engine.outbox import Outbox
from dragoman.engine.outgoing import Outgoing
from dragoman.engine.presence import Presence
from dragoman.engine.recent import RecentValues
from dragoman.engine.relay import Relay
from dragoman.engine.remote import cancel_quietly
from dragoman.engine.remote_mark import tasks_under_way
from dragoman.engine.replicas import Replicas
from dragoman.engine.request import EngineSettings, RunRequest
from dragoman.engine.run_reading import RunReading
from dragoman.engine.threads import ThreadVerbs
from dragoman.engine.waiters import Looking, Waiters
from dragoman.engine.worker import Worker
from dragoman.memory.errors import LeaseLost, LedgerBusy, RunEnded
from dragoman.memory.ids import uuid7
from dragoman.memory.ledger import Batch, Change, Lease, Ledger, Renewed, RunFilter
from dragoman.memory.model import Event, Json, Principal, Run, RunStatus

__all__ = ["Engine"]

_CANCEL_PATIENCE = 5.0  # seconds that a coroutine has to take its cancellation


class Engine(Opening, RunReading, AnswerVerbs, ThreadVerbs, ItemVerbs):
    """Runs agents durably. Every verb takes the caller's Principal first; another tenant's things are not found."""

    def __init__(
        self,
        ledger: Ledger,
        agents: Iterable[Agent],
        settings: EngineSettings | None = None,
        tools: Mapping[str, Agent] | None = None,
        peers: Peers | None = None,
        outgoing: Outgoing | None = None,
    ) -> None:
        """``agents`` are told of; ``tools`` are driven alike, may come and go, and are told of by who offers them.
        ``peers`` reaches the agents of other servers; ``outgoing`` is how deliveries are sent."""
        super().__init__(ledger)
        self.agents: Mapping[str, Agent] = by_name(agents)
        self.assistants = Assistants(ledger, self.agents)
        self._tools: Mapping[str, Agent] = tools if tools is not None else {}
        self.settings = settings or EngineSettings()
        self.peers = peers
        self.hub = EventHub(self.settings.subscriber_buffer)
        self.relay = Relay(ledger, self.hub)
        self.recent = RecentValues()
        self.worker = uuid7()
        self.outbox = Outbox(ledger, self.hub, self.worker, outgoing or Outgoing())
        self.crons = Crons(self, self.settings.crons)
        self.presence = Presence(self)
        self._replicas = Replicas(self)
        self._activations: dict[str, Activation] = {}
        self._coming: list[str] = []  # the tenants of runs that are being opened, to be driven at once
        self._waiters = Waiters()
        self._late = LateRuns(self, self._waiters, self._begin, self._settled)
        self._background: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self._loops: Worker | None = None

    # -- life ---------------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Take up what an earlier process left, then claim. The ledger is open already."""
        self._stopping = False
        self._loops = Worker(self, self.presence)
        self._loops.start()
        self.presence.start()
        self._replicas.start()
        self.sweeper.start()
        self.outbox.start()
        self.crons.start()

    async def stop(self, grace: float | None = None) -> None:
        """Refuse new runs, give the running ones ``grace`` seconds, hand the rest back to the queue."""
        self._stopping = True
        await self._replicas.stop()
        await self.crons.stop()
        await self.sweeper.stop()
        if self._loops is not None:
            await self._loops.stop()
        with suppress(TimeoutError):  # not for a ledger that is away
            async with asyncio.timeout(_CANCEL_PATIENCE):
                await self.presence.stop()
        tasks = [a.task for a in self._activations.values() if a.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self.settings.grace if grace is None else grace)
        for activation in list(self._activations.values()):
            activation.hand_back()
        left = [a.task for a in self._activations.values() if a.task is not None]
        if left:
            await asyncio.wait(left, timeout=_CANCEL_PATIENCE)
        # Whoever does not take its cancellation loses its lease; where that cannot be written, the lease runs out.
        with suppress(TimeoutError, LedgerBusy):
            async with asyncio.timeout(_CANCEL_PATIENCE):
                for activation in list(self._activations.values()):
                    await self._force(activation, Change(RunStatus.QUEUED))
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.outbox.stop()
        self.hub.end()

    async def __aenter__(self) -> Engine:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def accepting(self) -> bool:
        """Whether new runs are taken."""
        return self._loops is not None and not self._stopping

    @property
    def active(self) -> int:
        """How many runs are at work here."""
        return len(self._activations)

    def drivable(self, name: str) -> Agent | None:
        """The agent or durable tool of this name."""
        return self.agents.get(name) or self._tools.get(name)

    def drivables(self) -> Iterable[Agent]:
        """All agents and durable tools."""
        return (*self.agents.values(), *self._tools.values())

    def tenants_at_work(self) -> frozenset[str]:
        """The tenants that have a run at work here."""
        return frozenset(activation.run.tenant for activation in self._activations.values()).union(self._coming)

    @property
    def free(self) -> int:
        """How many more runs may be driven here; those that are being opened have their places."""
        return self.settings.concurrency - self.active - len(self._coming)

    # -- runs ---------------------------------------------------------------------------------------------------------
    async def run(self, principal: Principal, request: RunRequest, timeout: float | None = None) -> Run:
        """Open a run and wait until it has settled; past ``timeout`` seconds the run as it is.

        The run is durable when this returns. Raises as ``accept`` does.
        """
        late = self._may_open_late(principal, request)
        submission, validated = self._submission(principal, request, None, uuid7() if late else None)
        if late:
            return await self._late.run(submission, validated, timeout)
        run = await self._submit(submission, request.delay)
        return run if run.settled else await self._settled(run, timeout)

    async def wait(self, principal: Principal, run_id: str, timeout: float | None = None) -> Run:
        """The run once it has ended or waits for an answer; past ``timeout`` seconds the run as it is. Cancelling the
        waiter never cancels the run."""
        run = await self.get(principal, run_id)
        return run if run.settled else await self._settled(run, timeout)

    async def cancel(self, principal: Principal, run_id: str, reason: str = "", *, rollback: bool = False) -> Run:
        """Cancel a run and its children; returns when it has ended. With ``rollback`` it is forgotten then, and its
        thread has the values that it began from. Raises ``RunNotFound``, ``RunEnded``."""
        run, events = await self.ledger.cancel(principal.tenant, run_id, reason, rollback=rollback)
        self.publish(run, events)
        activation = self._activations.get(run_id)
        if activation is not None:
            activation.cancel()
            run = await self._settled(run, _CANCEL_PATIENCE)
            if not run.ended and self._activations.get(run_id) is activation:
                run = await self._force(activation, Change(RunStatus.CANCELLED)) or run
        else:
            await self._cancel_remote(run)
            run = run if run.ended else await self._settled(run, _CANCEL_PATIENCE)
        await self._cancel_children(principal, run_id)
        return run

    async def delete_run(self, principal: Principal, run_id: str) -> None:
        """Forget an ended run. Raises ``RunNotFound``, ``Conflict`` while it is active."""
        await self.ledger.delete_run(principal.tenant, run_id)

    async def fork(
        self, principal: Principal, run_id: str, at_step: int, patch: Mapping[str, Json] | None = None
    ) -> Run:
        """A new run whose journal is the first ``at_step`` finished steps of another, on a thread of its own."""
        submitted = await self.ledger.fork(principal.tenant, run_id, at_step, uuid7(), patch)
        self.publish(submitted.run, submitted.events)
        self.queued()
        return submitted.run

    # -- for the parts of the engine ----------------------------------------------------------------------------------
    def publish(self, run: Run, events: Sequence[Event]) -> None:
        """Tell what was committed outside of an activation."""
        if events:
            self.hub.publish(run.tenant, run.thread_id, events)
        if run.settled:
            self._waiters.tell(run)
        self._forgetting(run)

    def queued(self) -> None:
        """A run may be due."""
        if self._loops is not None:
            self._loops.queued()

    def drive(self, lease: Lease, run: Run) -> None:
        """Start an activation."""
        self._begin(Activation(self, lease, run))

    def held(self) -> list[str]:
        """The runs whose leases are ours."""
        return [run_id for run_id, activation in self._activations.items() if activation.opened]

    def renewed(self, renewed: Renewed) -> None:
        """Act on what a renewal told."""
        for run_id in renewed.lost:
            if (activation := self._activations.get(run_id)) is not None:
                activation.lose()
        for run_id in renewed.cancel:
            if (activation := self._activations.get(run_id)) is not None:
                activation.cancel()

    @staticmethod
    def principal_of(run: Run) -> Principal:
        """On whose behalf a run acts."""
        return Principal(run.tenant, run.subject, frozenset())

    async def wait_here(self, run: Run) -> Run:
        """A run that is at work in this process, once it has settled or gone to sleep; any other as it is now."""
        if run.settled:
            return run
        while (activation := self._activations.get(run.id)) is not None and activation.task is not None:
            await asyncio.wait([activation.task])
        return await self.get(self.principal_of(run), run.id)

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody waits for; it ends with the engine."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def cancel_later(self, principal: Principal, run_id: str, reason: str) -> None:
        """Cancel a run without waiting for it; one that has ended already is let be."""

        async def cancel() -> None:
            try:
                await self.cancel(principal, run_id, reason)
            except RunEnded:
                return

        self.in_background(cancel())

    # -- inside -------------------------------------------------------------------------------------------------------
    def _displaced(self, run: Run) -> None:
        if run.settled:
            self._waiters.tell(run)
            self.in_background(self._cancel_remote(run))
        elif (activation := self._activations.get(run.id)) is not None:
            activation.cancel()

    def _begin(self, activation: Activation) -> None:
        self._activations[activation.run.id] = activation
        activation.task = asyncio.get_running_loop().create_task(self._drive(activation))

    async def _drive(self, activation: Activation) -> Run | None:
        run: Run | None = None
        try:
            run = await activation.drive()
            return run
        finally:
            self._driven(activation, run)

    def _driven(self, activation: Activation, run: Run | None) -> None:
        begun = activation.run
        if self._activations.get(begun.id) is activation:
            del self._activations[begun.id]
        if activation.opening is not None:
            self._late.over(begun, activation.opening.idempotency_key)
        if run is not None and (run.settled or run.id != begun.id):
            self._waiters.redirect(begun.id, run)
        elif activation.error is not None and not activation.opened:
            self._waiters.fail(begun.id, activation.error)
        if run is not None:
            self._forgetting(run)
        if self._loops is not None:
            if run is None or run.wake_at is not None or not run.settled or run.parent_run_id is not None:
                self._loops.queued()
            else:
                self._loops.freed()

    def _forgetting(self, run: Run) -> None:
        if run.ended and run.setup is not None and run.setup.forget:
            self.sweeper.look()

    async def _settled(self, run: Run, timeout: float | None) -> Run:
        """Wait for a run that was not settled when it was read; looks again once the waiter is in place."""

        async def look() -> Run:
            return (await self.ledger.load(run.tenant, run.id)).run

        with self._waiters.waiter(run.id) as waiter:
            if run.id not in self._activations and (now := await look()).settled:
                return now
            elsewhere = self.ledger.polls is not None and run.id not in self._activations
            deaf = self.hub.listen(run.tenant, run.thread_id, Looking(waiter, look)) if elsewhere else None
            try:
                async with asyncio.timeout(timeout):
                    return await waiter
            except TimeoutError:
                return await look()
            finally:
                if deaf is not None:
                    deaf()

    async def _force(self, activation: Activation, change: Change) -> Run | None:
        """Write the end of a run whose coroutine does not take its cancellation; it can write nothing from then on."""
        try:
            committed = await self.ledger.commit(activation.lease, Batch(change=change))
        except LeaseLost:
            return None
        self._activations.pop(activation.run.id, None)
        self.publish(committed.run, committed.events)
        return committed.run

    async def _cancel_remote(self, run: Run) -> None:
        """Cancel, in the background, the peers' tasks that a run without a coroutine waits for."""
        if self.peers is None or run.started_at is None:
            return
        for peer, task_id in tasks_under_way(await self.ledger.journal(run.tenant, run.id)):
            self.in_background(cancel_quietly(self.peers, peer, task_id))

    async def _cancel_children(self, principal: Principal, run_id: str) -> None:
        page = await self.ledger.runs(principal.tenant, RunFilter(parent_run_id=run_id), 100)
        for view in page.items:
            if not view.run.ended:
                self.cancel_later(principal, view.run.id, "its parent was cancelled")
