"""The engine: accepts runs, drives them, tells of them. One way down to the ledger, one way up by events.

It knows no protocol and never learns which face asked. It keeps nothing that the ledger does not have: after a crash a
new engine over the same ledger goes on where this one stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from pydantic import BaseModel

from dragoman.agents.agent import Agent
from dragoman.agents.remote import Peers
from dragoman.engine import answers as answering
from dragoman.engine.activation import Activation
from dragoman.engine.assistants import Assistants
from dragoman.engine.crons import Crons, Opener
from dragoman.engine.hub import EventHub
from dragoman.engine.intake import by_name, submission_of
from dragoman.engine.items import ItemVerbs
from dragoman.engine.late import LateRuns
from dragoman.engine.outbox import Outbox
from dragoman.engine.outgoing import Outgoing
from dragoman.engine.presence import Presence
from dragoman.engine.recent import RecentValues
from dragoman.engine.relay import Relay
from dragoman.engine.remote import cancel_quietly
from dragoman.engine.remote_mark import tasks_under_way
from dragoman.engine.replicas import Replicas
from dragoman.engine.request import EngineSettings, RunRequest
from dragoman.engine.subscribe import follow
from dragoman.engine.threads import ThreadVerbs
from dragoman.engine.waiters import Looking, Waiters
from dragoman.engine.worker import Worker
from dragoman.memory.errors import AgentNotFound, InputInvalid, LeaseLost, LedgerBusy, QueueFull, RunEnded
from dragoman.memory.ids import uuid7
from dragoman.memory.latest import Latest
from dragoman.memory.ledger import Batch, Change, Lease, Ledger, Renewed, RunFilter, Submission, Submitted
from dragoman.memory.model import Event, InterruptStatus, Json, Page, Principal, Run, RunStatus, RunView, Step

__all__ = ["Engine"]

_CANCEL_PATIENCE = 5.0  # seconds that a coroutine has to take its cancellation


class Engine(ThreadVerbs, ItemVerbs):
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

    async def answer(self, principal: Principal, run_id: str, answers: Mapping[str, Json]) -> Run:
        """Answer open interrupts by key or id; the run goes on.

        Raises ``InputInvalid`` when an answer does not fit its schema, ``Conflict`` when it was answered already.
        """
        view = await self.ledger.load(principal.tenant, run_id)
        if view.run.ended:
            raise RunEnded(f"The run has ended ({view.run.status}); nothing is asked any more.")
        chosen = answering.select(view.interrupts, answers)
        by_key = {i.key: i for i in view.interrupts}
        for key, value in chosen.items():
            answering.check(by_key[key], value)
        run, events = await self.ledger.answer(principal.tenant, run_id, chosen, principal.subject)
        self.publish(run, events)
        self.queued()
        return run

    async def answer_text(self, principal: Principal, run_id: str, text: str) -> Run:
        """Answer the one open interrupt in prose. Raises ``InputInvalid`` telling what is asked for."""
        view = await self.ledger.load(principal.tenant, run_id)
        waiting = [i for i in view.interrupts if i.status is InterruptStatus.OPEN]
        if view.run.ended or not waiting:
            raise RunEnded(f"The run is {view.run.status}; nothing is asked.")
        if len(waiting) > 1:
            names = ", ".join(repr(i.key) for i in waiting)
            raise InputInvalid(f"{len(waiting)} questions are open ({names}); answer them by key, as structured data.")
        return await self.answer(principal, run_id, {waiting[0].key: answering.from_text(waiting[0], text)})

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

    async def steps(self, principal: Principal, run_id: str) -> Sequence[Step]:
        """A run's journal, in the order in which its steps finished. Raises ``RunNotFound``."""
        await self.ledger.load(principal.tenant, run_id)
        journal = await self.ledger.journal(principal.tenant, run_id)
        return sorted(journal.values(), key=lambda s: (s.position == 0, s.position, s.at))

    async def fork(
        self, principal: Principal, run_id: str, at_step: int, patch: Mapping[str, Json] | None = None
    ) -> Run:
        """A new run whose journal is the first ``at_step`` finished steps of another, on a thread of its own."""
        submitted = await self.ledger.fork(principal.tenant, run_id, at_step, uuid7(), patch)
        self.publish(submitted.run, submitted.events)
        self.queued()
        return submitted.run

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
