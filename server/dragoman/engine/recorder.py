"""The pen of one activation: gathers what a run does and commits it through its lease.

Events are kept for a moment so that many share a commit; anything that must not be lost (a step, a change of status)
takes along what has been gathered. An event is published when it is on disk, never before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from dragoman.engine.hub import EventHub
from dragoman.memory.errors import LeaseLost
from dragoman.memory.ledger import (
    Batch,
    Change,
    Committed,
    Lease,
    Ledger,
    NewArtifact,
    NewEvent,
    NewInterrupt,
    NewStep,
    Submission,
    Submitted,
)
from dragoman.memory.model import TERMINAL, Json, Run

__all__ = ["Recorder", "Superseded"]

_MOST_PENDING = 256


class Superseded(LeaseLost):
    """Another run was submitted with this one's idempotency key."""


class Recorder:
    """Writes one run while its lease is held. ``opening`` is the submission of a run that is not in the ledger yet: it
       is opened by its first write or the first step, whichever is sooner, and recorded whole if it ends before that.
    ``on_lost`` is called when a write in the background found it gone."""

    def __init__(
        self,
        ledger: Ledger,
        hub: EventHub,
        lease: Lease,
        run: Run,
        interval: float,
        lease_s: float,
        on_lost: Callable[[Exception], None],
        opening: Submission | None = None,
    ) -> None:
        self.run = run
        self.superseded: Run | None = None
        self.values: Mapping[str, Json] | None = None
        self._opening = opening
        self._open_task: asyncio.Task[None] | None = None
        self._recording: asyncio.Future[None] | None = None
        self._ledger = ledger
        self._hub = hub
        self._lease = lease
        self._interval = interval
        self._lease_s = lease_s
        self._on_lost = on_lost
        self._events: list[NewEvent] = []
        self._artifacts: list[NewArtifact] = []
        self._values: dict[str, Json] = {}
        self._emitted = 0
        self._timer: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0
        self._flushing: set[asyncio.Task[None]] = set()
        self._failed = False

    @property
    def opened(self) -> bool:
        """Whether the run is in the ledger."""
        return self._opening is None

    @property
    def flushing(self) -> bool:
        """Whether something is being written in the background."""
        return len(self._flushing) > 0

    async def flushed(self) -> None:
        """Wait for what is being written in the background. What ends a run comes after it: it must not be the one that
        is kept."""
        while self._flushing:
            await asyncio.wait(self._flushing)

    async def ensure_open(self) -> None:
        """Put the run into the ledger if it is not there yet. Raises ``Superseded``, ``LedgerBusy``."""
        if self._opening is None:
            return
        if self._recording is not None:
            await asyncio.wait([self._recording])
            return
        if self._open_task is None:
            self._open_task = asyncio.get_running_loop().create_task(self._open(self._opening))
        await asyncio.shield(self._open_task)

    async def _open(self, opening: Submission) -> None:
        submitted = await self._ledger.submit(opening, self._lease.worker, self._lease_s)
        self._opening = None
        self._accept(submitted)

    def _accept(self, submitted: Submitted) -> None:
        if not submitted.created:
            self.superseded = submitted.run
            raise Superseded
        self.run = submitted.run
        self._hub.publish(self._lease.tenant, self._lease.thread_id, submitted.events)

    @property
    def crowded(self) -> bool:
        """Whether so much is gathered that the agent should wait for a commit."""
        return len(self._events) >= _MOST_PENDING

    def note(self, event: NewEvent, *, counted: bool = False, soon: bool = True) -> None:
        """Gather an event. ``counted`` ones are the agent's own outside of steps. ``soon`` commits it within the
        interval, at once when nothing was committed lately; otherwise it may wait the whole interval for a better
        ride."""
        self._events.append(event)
        self._emitted += counted
        self._schedule(soon)

    def keep(self, artifact: NewArtifact, *, counted: bool) -> None:
        """Gather an artifact; the ledger makes its event."""
        self._artifacts.append(artifact)
        self._emitted += counted
        self._schedule(False)

    def set(self, values: Mapping[str, Json], *, counted: bool) -> None:
        """Gather thread values."""
        self._values.update(values)
        self._emitted += counted

    async def write(
        self,
        *,
        steps: Sequence[NewStep] = (),
        interrupts: Sequence[NewInterrupt] = (),
        change: Change | None = None,
        messages: Sequence[Mapping[str, Json]] = (),
        input: Json = None,
    ) -> Run:
        """Commit these, with all that was gathered. Raises ``LeaseLost`` or ``LedgerBusy``."""
        whole = not (steps or interrupts) and not self.must_open(change)
        if not whole:
            await self.ensure_open()  # before anything is taken: who is cancelled here has lost nothing
        batch = Batch(
            events=self._events,
            steps=steps,
            interrupts=interrupts,
            artifacts=self._artifacts,
            values=self._values or None,
            messages=messages,
            change=change,
            input=input,
            emitted=self._emitted,
        )
        return await self._commit(batch)

    def must_open(self, change: Change | None) -> bool:
        """Whether the run must be in the ledger before this change is written: it does not end, or something hangs on
        it, or it is being opened already."""
        ends = change is not None and change.status in TERMINAL
        return not ends or len(self._artifacts) > 0 or self._open_task is not None

    async def flush(self) -> None:
        """Commit what was gathered, if anything."""
        await self.ensure_open()
        if self._events or self._artifacts:
            only_events = not self._artifacts and not self._values
            await self._commit(
                Batch(
                    events=self._events,
                    artifacts=self._artifacts,
                    values=self._values or None,
                    emitted=self._emitted,
                    deltas_only=only_events,
                )
            )

    def close(self) -> None:
        """Commit nothing more in the background."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _commit(self, batch: Batch) -> Run:
        if self._failed:
            raise LeaseLost("An earlier write of this run has failed.")
        self._events, self._artifacts, self._values, self._emitted = [], [], {}, 0
        self.close()
        if self._opening is not None:
            return await self._record(self._opening, batch)
        committed: Committed = await self._ledger.commit(self._lease, batch)
        self.run = committed.run
        self.values = committed.values
        if committed.events:
            self._hub.publish(self._lease.tenant, self._lease.thread_id, committed.events)
        return committed.run

    async def _record(self, opening: Submission, batch: Batch) -> Run:
        self._recording = asyncio.get_running_loop().create_future()
        try:
            submitted = await self._ledger.record(opening, batch, self.run.created_at)
            self._opening = None
        finally:
            self._recording.set_result(None)
        self._accept(submitted)
        kept = {k: v for k, v in (batch.values or {}).items() if v is not None}
        self.values = {**kept, "messages": list(batch.messages)}
        return submitted.run

    def _schedule(self, soon: bool) -> None:
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        due = self._flushed_at + self._interval if soon else loop.time() + self._interval
        self._timer = loop.call_at(due, self._flush_later)

    def _flush_later(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        self._flushed_at = loop.time()
        task = loop.create_task(self._flush_quietly())
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    async def _flush_quietly(self) -> None:
        try:
            await self.flush()
        except Exception as error:
            self._failed = True
            self._on_lost(error)
