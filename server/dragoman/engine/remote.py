"""``ctx.remote``: another server's agent, called as a step that outlives crashes and waits on both sides.

What the journal keeps of a call under way is in ``remote_mark``; who speaks to the peer is behind the port
``dragoman.agents.remote.Peers``. The order is what makes it safe: the message has an id made of the run and the step,
the peer's task is on disk before anything is waited for, and from then on it is only followed, never sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

from pydantic import TypeAdapter

from dragoman.agents.errors import Misuse, StepTimeout
from dragoman.agents.remote import (
    Peers,
    RemoteFailed,
    RemoteMessage,
    RemoteRejected,
    RemoteResult,
    RemoteTask,
    RemoteUnreachable,
    Told,
)
from dragoman.engine.journal import digest_of, failure_of, revive
from dragoman.engine.ports import Activity
from dragoman.engine.remote_events import RemoteEvents
from dragoman.engine.remote_mark import Mark
from dragoman.engine.remote_questions import RemoteQuestions
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import NewEvent, NewStep
from dragoman.memory.model import Json, Step, StepStatus
from dragoman.telemetry.context import current_trace, resume_trace

__all__ = ["call", "cancel_quietly"]

_log = logging.getLogger("dragoman.engine")
_RESULT: Final = TypeAdapter(RemoteResult)
_SILENCE: Final = 30.0  # seconds that a stream may be silent before the run lets go of it and sleeps
_LONGEST_HOLD: Final = 600.0  # seconds of one activation: it is bounded, a peer's work is not
_WORKING_WAIT: Final = (0.25, 60.0)  # seconds between looks at a peer that works, at least and at most
_BESIDE_WAIT: Final = (30.0, 600.0)  # at one that works while another branch of the run asks: the run waits for that
_BESIDE_SILENCE: Final = 1.0
_BESIDE_HOLD: Final = 5.0
_CANCEL_WAIT: Final = 10.0


async def call(
    ctx: Activity, key: str, peer: str, message: RemoteMessage, timeout: float | None, patience: float
) -> RemoteResult:
    """See a call through. ``timeout`` is for all of it, ``patience`` for a peer that cannot be reached, in seconds.
    Raises ``RemoteFailed``, ``StepTimeout``."""
    digest = digest_of((peer, message.text, message.data, message.context_id), {})
    step = ctx.journal.step(key, digest)
    if step is not None and step.status is StepStatus.FINISHED:
        return _RESULT.validate_python(step.result)
    if step is not None and step.failure is not None:
        raise revive(step.failure)
    if ctx.engine.peers is None:
        raise Misuse("This server was composed without a way to call peers.")
    under_way = _Call(ctx, ctx.engine.peers, key, digest, peer, message, step, timeout, patience)
    try:
        return await under_way.see_through()
    except (RemoteFailed, StepTimeout) as error:
        await under_way.give_up(error)
        raise


async def cancel_quietly(peers: Peers, peer: str, task_id: str) -> None:
    """Cancel a peer's task as far as that can be done now."""
    with suppress(RemoteFailed, TimeoutError):
        async with asyncio.timeout(_CANCEL_WAIT):
            await peers.cancel(peer, task_id)


class _Call:
    """A call under way, in one activation."""

    def __init__(
        self,
        ctx: Activity,
        peers: Peers,
        key: str,
        digest: str,
        peer: str,
        message: RemoteMessage,
        step: Step | None,
        timeout: float | None,
        patience: float,
    ) -> None:
        self._ctx = ctx
        self._peers = peers
        self._key = key
        self._digest = digest
        self._peer = peer
        self._patience = patience
        self._mark = Mark.new(peer, timeout, current_trace()) if step is None else Mark.of(step.result)
        self._dirty = step is None
        self._events = RemoteEvents(ctx, key, known=step is not None)
        self._questions = RemoteQuestions(ctx, key, self._mark)
        self._outgoing: RemoteMessage | None = None if self._mark.task else message
        self._answering = ""
        self._away = False
        hold = min(_LONGEST_HOLD, ctx.engine.settings.run_timeout / 2)
        self._hold_until = asyncio.get_running_loop().time() + hold
        resume_trace(self._mark.trace)

    async def see_through(self) -> RemoteResult:
        """Talk, ask and wait until the peer's task has ended."""
        while True:
            self._mark.check_deadline(self._key)
            task = await self._talk()
            if task is not None and task.ended:
                return await self._end(task)
            if task is not None and self._asks(task):
                self._outgoing = await self._ask(task)
                self._answering = task.asks
            else:
                await self._wait()

    async def give_up(self, error: Exception) -> None:
        """Journal the failure. A task that took too long is cancelled."""
        if isinstance(error, StepTimeout) and self._mark.task:
            self._cancel(self._mark.task)
        await self._journal(NewStep(self._key, StepStatus.FAILED, self._digest, failure=failure_of(error)))

    # -- talking ------------------------------------------------------------------------------------------------------
    async def _talk(self) -> RemoteTask | None:
        """The task as the peer last told of it; None when it told nothing."""
        self._ctx.parking.begin()
        self._away = False
        try:
            await self._begin()
            return await self._listen()
        except RemoteUnreachable as error:
            self._away = True
            if not self._questions.open:  # while a person is asked nobody needs the peer
                self._lost(error)
            return None
        except asyncio.CancelledError:
            if self._ctx.cancel_requested and self._mark.task:
                self._cancel(self._mark.task)
            raise
        finally:
            self._ctx.parking.end()

    def _lost(self, error: RemoteUnreachable) -> None:
        if self._mark.down is None:
            _log.warning("run %s: %s It is tried again.", self._ctx.run_id, error, extra={"run_id": self._ctx.run_id})
        self._mark.unreachable(error, self._patience)
        self._dirty = True

    async def _begin(self) -> None:
        """Before anything is sent the run is on disk, and the journal says that the call is under way."""
        if not self._dirty:
            return
        await self._ctx.recorder.ensure_open()
        if not self._mark.task:
            self._ctx.recorder.note(NewEvent("step.started", {"step": self._key}), soon=False)
        await self._save()

    async def _listen(self) -> RemoteTask | None:
        message, task = self._outgoing, None
        self._events.begin()
        if message is None:
            told_by = self._peers.follow(self._peer, self._mark.task)
        else:
            told_by = self._peers.send(self._peer, message)
        try:
            while self._patient() > 0:
                try:
                    told = await self._next(told_by)
                except (StopAsyncIteration, TimeoutError):
                    break
                task = await self._take(told)
                if task.ended or self._asks(task):
                    break
        finally:
            with suppress(RuntimeError):  # it runs on where it was left to learn of the task that is to be cancelled
                await told_by.aclose()
        return task

    def _patient(self) -> float:
        """Seconds that a stream may be silent from now."""
        now, silence = asyncio.get_running_loop().time(), _SILENCE
        if self._ctx.parking.interrupts:  # another branch's question is put when this one lets go
            self._hold_until = min(self._hold_until, now + _BESIDE_HOLD)
            silence = _BESIDE_SILENCE
        return min(silence, self._hold_until - now, self._mark.left())

    async def _next(self, told_by: AsyncGenerator[Told, None]) -> Told:
        if self._mark.task:
            async with asyncio.timeout(self._patient()):
                return await anext(told_by)
        # A message is on its way, and the task that it makes has no name yet: a cancellation must learn it.
        first = asyncio.ensure_future(_first(told_by))
        try:
            async with asyncio.timeout(self._patient()):
                return await asyncio.shield(first)
        except asyncio.CancelledError:
            if self._ctx.cancel_requested:
                self._ctx.engine.in_background(self._cancel_unnamed(told_by, first))
                raise
            await _dropped(first)
            raise
        except TimeoutError:
            await _dropped(first)
            raise

    async def _take(self, told: Told) -> RemoteTask:
        task, mark = told.task, self._mark
        answered = self._answering if self._outgoing is not None else ""
        if task.id and (task.id != mark.task or answered):
            # Before anything else: whatever happens now, this message is not sent again.
            mark.heard(task, answered)
            await self._save()
        elif task.state != "asking":
            self._dirty = mark.moved() or self._dirty
        self._outgoing, self._answering = None, ""
        await self._events.tell(told)
        return task

    def _cancel(self, task_id: str) -> None:
        self._ctx.engine.in_background(cancel_quietly(self._peers, self._peer, task_id))

    async def _cancel_unnamed(self, told_by: AsyncGenerator[Told, None], first: asyncio.Future[Told]) -> None:
        """Cancel the task that a message on its way makes, once the peer tells of it."""
        try:
            with suppress(RemoteFailed, StopAsyncIteration, TimeoutError):
                async with asyncio.timeout(_CANCEL_WAIT):
                    task = (await first).task
                    if task.id and not task.ended:
                        await self._peers.cancel(self._peer, task.id)
        finally:
            await told_by.aclose()

    # -- asking -------------------------------------------------------------------------------------------------------
    def _asks(self, task: RemoteTask) -> bool:
        return task.state == "asking" and task.asks != self._mark.answered

    async def _ask(self, task: RemoteTask) -> RemoteMessage:
        """The answer to send to a peer that asks; the run waits until it is there, and looks at the peer now and then,
        which may go on without us."""
        self._dirty = self._mark.asked(task.asks) or self._dirty
        if self._questions.unanswered(task) and self._dirty:
            await self._journal(self._row())
        return await self._questions.put(task)

    # -- waiting and ending -------------------------------------------------------------------------------------------
    async def _wait(self) -> None:
        """Wait a while, the longer the longer nothing happens. The run sleeps unless it is a moment."""
        ctx = self._ctx
        if self._away and self._questions.open:
            await self._questions.keep()
        until = self._mark.next_look(*(_BESIDE_WAIT if ctx.parking.interrupts else _WORKING_WAIT))
        left = (until - now_micros()) / 1e6
        if left > ctx.engine.settings.short_sleep or asyncio.get_running_loop().time() >= self._hold_until:
            if self._dirty:
                await self._journal(self._row())
            await ctx.parking.on_time(until)
        ctx.parking.begin()
        try:
            await asyncio.sleep(left)
        finally:
            ctx.parking.end()

    async def _end(self, task: RemoteTask) -> RemoteResult:
        if task.state == "succeeded":
            result = RemoteResult(_text_of(task), _data_of(task), task.artifacts, task.id, task.context_id)
            kept: Json = _RESULT.dump_python(result, mode="json")
            await self._journal(NewStep(self._key, StepStatus.FINISHED, self._digest, kept))
            return result
        said = f": {task.said}" if task.said else "."
        if task.state == "rejected":
            raise RemoteRejected(f"{self._peer} refused{said}")
        raise RemoteFailed(
            f"The task at {self._peer} {'was cancelled' if task.state == 'cancelled' else 'failed'}{said}"
        )

    # -- the journal --------------------------------------------------------------------------------------------------
    async def _journal(self, row: NewStep) -> None:
        """Write a row of this step, with the events that go with it."""
        self._ctx.parking.begin()
        try:
            await self._ctx.recorder.write(steps=[row])
        finally:
            self._ctx.parking.end()

    async def _save(self) -> None:
        await self._ctx.recorder.write(steps=[self._row()])

    def _row(self) -> NewStep:
        self._dirty = False
        return NewStep(self._key, StepStatus.STARTED, self._digest, self._mark.to_json())


async def _first(told_by: AsyncGenerator[Told, None]) -> Told:
    try:
        return await anext(told_by)
    except StopAsyncIteration:
        raise RemoteUnreachable("The peer answered nothing.") from None  # a task cannot end with StopAsyncIteration


async def _dropped(first: asyncio.Future[Told]) -> None:
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


def _text_of(task: RemoteTask) -> str:
    return task.text or "\n".join(a.text for a in task.artifacts if a.text) or task.said


def _data_of(task: RemoteTask) -> Json:
    return next((a.data for a in reversed(task.artifacts) if a.data is not None), None)
