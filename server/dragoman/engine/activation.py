"""One activation: an agent's coroutine, driven under a lease from its first line until it ends, parks or is handed
back.

The driver knows agents and the ledger; it knows no protocol and no queue (``worker.py`` starts activations).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel

from dragoman.agents.agent import Agent
from dragoman.agents.errors import Rejected, RequestError
from dragoman.engine.context import RunContext, opening_message
from dragoman.engine.journal import Journal
from dragoman.engine.parking import FAR
from dragoman.engine.pauses import paused
from dragoman.engine.ports import Host
from dragoman.engine.recorder import Recorder, Superseded
from dragoman.memory.codec import dumps
from dragoman.memory.errors import LeaseLost, LedgerBusy
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Change, Lease, Submission
from dragoman.memory.model import Failure, FailureKind, Json, Run, RunStatus, Step
from dragoman.telemetry.context import bind_run, join_trace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

__all__ = ["Activation"]

_log = logging.getLogger("dragoman.engine")
_UNKNOWN_AGENT_WAIT = 30_000_000  # microseconds until a run whose agent is not served here is tried again

_READ_AGAIN = 1.0  # seconds
_OPEN_WITHIN = 0.02  # seconds that a run may be at work before others can see it

T = TypeVar("T")
Stop = Literal["park", "cancel", "time out", "hand back", "lost"]


class Activation:
    """A run at work in this process."""

    __slots__ = (
        "_begun",
        "_engine",
        "_lease",
        "_recorder",
        "_soon",
        "_stop",
        "_validated",
        "ctx",
        "error",
        "opening",
        "run",
        "task",
    )

    def __init__(
        self,
        engine: Host,
        lease: Lease,
        run: Run,
        opening: Submission | None = None,
        validated: BaseModel | None = None,
    ) -> None:
        """``opening`` is there for a run that is not in the ledger yet, ``validated`` where its input is at hand as a
        model."""
        self.run = run
        self._validated = validated
        self.ctx: RunContext | None = None
        self.task: asyncio.Task[Run | None] | None = None
        self.opening = opening
        self._engine = engine
        self._lease = lease
        self._stop: Stop | None = None
        self._begun = False
        self._soon: asyncio.TimerHandle | None = None
        self.error: Exception | None = None
        self._recorder = Recorder(
            engine.ledger,
            engine.hub,
            lease,
            run,
            engine.settings.flush_interval,
            engine.settings.lease,
            self._lost,
            opening,
        )

    @property
    def lease(self) -> Lease:
        """The lease that this activation writes with."""
        return self._lease

    # -- stopping it from outside -------------------------------------------------------------------------------------
    def cancel(self) -> None:
        """Somebody cancelled the run: the coroutine is cancelled at once."""
        if self.ctx is not None:
            self.ctx.cancel_requested = True
        self._interrupt("cancel")

    def hand_back(self) -> None:
        """The server stops: the run goes back to the queue."""
        self._interrupt("hand back")

    def lose(self) -> None:
        """The lease is gone: stop, and write nothing."""
        self._interrupt("lost")

    def _interrupt(self, why: Stop) -> None:
        if self._stop is None or (self._stop == "park" and why != "park"):
            self._stop = why
            # A task that is cancelled before its first line runs none of it, and nobody would write the run's end.
            if self.task is not None and self._begun:
                self.task.cancel()

    def _lost(self, error: Exception) -> None:
        _log.warning("run %s: a write failed, the run is let go: %s", self.run.id, error, extra={"run_id": self.run.id})
        self.lose()

    # -- driving ------------------------------------------------------------------------------------------------------
    async def drive(self) -> Run | None:
        """Drive to the end of this activation; the run as it is then, or None when the lease was lost on the way."""
        self._begun = True
        bind_run(self.run.id)
        if isinstance(told := self.run.metadata.get("traceparent"), str):
            join_trace(told)
        if not self._recorder.opened:
            self._soon = asyncio.get_running_loop().call_later(_OPEN_WITHIN, self._open_soon)
        try:
            try:
                change = await self._outcome() if self._stop is None else self._stopped()
            except asyncio.CancelledError:
                change = self._stopped()
            return await self._end(change)
        except LeaseLost:
            return self._recorder.superseded
        except asyncio.CancelledError:
            return None
        except Exception as error:
            # The store did not take the write: nothing may be said of the run; its lease runs out and it is taken up
            # again.
            self.error = error
            _log.exception("run %s could not be written: %s", self.run.id, error, extra={"run_id": self.run.id})
            return None
        finally:
            self._recorder.close()
            if self._soon is not None:
                self._soon.cancel()

    @property
    def opened(self) -> bool:
        """Whether the run is in the ledger already."""
        return self._recorder.opened

    async def as_it_is(self) -> Run:
        """The run as it is in the ledger, opened if it was not. Raises ``LedgerBusy``."""
        with contextlib.suppress(Superseded):
            await self._recorder.ensure_open()
        if self._recorder.superseded is not None:
            return self._recorder.superseded
        return (await self._engine.ledger.load(self.run.tenant, self.run.id)).run

    def _open_soon(self) -> None:
        self._engine.in_background(self._open_or_lose())

    async def _open_or_lose(self) -> None:
        try:
            await self._recorder.ensure_open()
        except Exception as error:
            self._lost(error)

    async def _outcome(self) -> Change:
        agent = self._engine.drivable(self.run.agent)
        if agent is None:
            _log.warning("run %s waits: no agent %r is served here", self.run.id, self.run.agent)
            return Change(RunStatus.QUEUED, wake_at=now_micros() + _UNKNOWN_AGENT_WAIT)
        ctx = await self._context()
        limit = agent.timeout if agent.timeout is not None else self._engine.settings.run_timeout
        # Not asyncio.timeout: a handle of the loop costs a third of it, and a run has no other use for the context.
        bound = asyncio.get_running_loop().call_later(limit, self._interrupt, "time out")
        try:
            output = await self._call(agent, ctx)
            return self._stopped() if self._stop else Change(RunStatus.SUCCEEDED, output=output)
        except Rejected as error:
            return Change(RunStatus.FAILED, failure=Failure(FailureKind.REJECTED, error.message, "Rejected"))
        except RequestError as error:
            return Change(RunStatus.FAILED, failure=_refused(error))
        except (LeaseLost, LedgerBusy):  # the ledger's, not the agent's: the run goes on when it can be written again
            raise
        except Exception as error:
            if self._stop:
                return self._stopped()
            _log.warning("run %s failed", self.run.id, exc_info=error, extra={"run_id": self.run.id})
            message = str(error) or type(error).__name__
            return Change(RunStatus.FAILED, failure=Failure(FailureKind.ERROR, message, type(error).__name__))
        finally:
            bound.cancel()

    async def _context(self) -> RunContext:
        run, ledger = self.run, self._engine.ledger
        steps: Mapping[str, Step] = {}
        view = None
        if run.attempt > 1 or run.created_at != run.started_at:  # a fork is born queued, with a journal
            steps = await _patiently(lambda: ledger.journal(run.tenant, run.id))
            if run.interrupts:
                view = await _patiently(lambda: ledger.load(run.tenant, run.id))
        journal = Journal(steps, view.interrupts if view else ())
        ctx = RunContext(self._engine, run, journal, self._recorder, lambda: self._interrupt("park"))
        self.ctx = ctx
        return ctx

    async def _call(self, agent: Agent, ctx: RunContext) -> Json:
        given, validated = self.run.input, self._validated
        if given is None:
            given = await self._ask_for_input(agent, ctx)
        arguments = agent.signature.arguments(agent.validate(given) if validated is None else validated)
        setup = self.run.setup
        if setup is None:
            return agent.signature.to_json(await agent.fn(ctx, **arguments))
        output = await paused(ctx, setup, agent.name, agent.name, lambda: agent.fn(ctx, **arguments))
        return agent.signature.to_json(output)

    async def _ask_for_input(self, agent: Agent, ctx: RunContext) -> Json:
        """The input of a run that was opened with prose alone: what is missing is asked for, with its schema."""
        schema = agent.signature.missing({})
        if schema is None:
            return {}
        names = ", ".join(schema["required"])
        given: Any = await ctx.interrupt(f"{agent.title} needs: {names}.", schema=schema, key="input")
        await self._recorder.write(input=given)
        return given

    # -- the end ------------------------------------------------------------------------------------------------------
    def _stopped(self) -> Change:
        ctx = self.ctx
        if self._stop == "cancel":
            return Change(RunStatus.CANCELLED)
        if self._stop == "time out":
            message = "The run was at work for longer than its time-out."
            return Change(RunStatus.FAILED, failure=Failure(FailureKind.TIMEOUT, message, "TimeoutError"))
        if self._stop == "park" and ctx is not None:
            if ctx.parking.interrupts:
                return Change(RunStatus.WAITING, wake_at=ctx.parking.wake_at)
            asleep = not ctx.parking.children  # what a child asked is asked here, and still open
            return Change(RunStatus.QUEUED, wake_at=ctx.parking.wake_at or FAR, withdraws=asleep)
        if self._stop == "hand back":
            return Change(RunStatus.QUEUED)
        if self._stop is None:  # the agent raised CancelledError of its own, or the loop is closing
            return Change(RunStatus.QUEUED)
        raise LeaseLost

    async def _end(self, change: Change) -> Run:
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()
        if self._soon is not None:
            self._soon.cancel()
        ctx = self.ctx
        interrupts = list(ctx.parking.interrupts.values()) if ctx and change.status is RunStatus.WAITING else []
        messages = self._messages(change)
        if not self._recorder.opened and self._recorder.must_open(change):
            await _uninterrupted(self._recorder.ensure_open())
        if self._recorder.flushing:
            await _uninterrupted(self._recorder.flushed())
        try:
            run = await self._recorder.write(interrupts=interrupts, change=change, messages=messages)
        except asyncio.CancelledError:
            run = await _uninterrupted(self._after_cancelled_write())
        if self._recorder.values is not None and run.ended:
            self._engine.recent.keep(run, self._recorder.values)
        if run.cancel_requested and not run.ended:  # asked for while the run was parking
            run, events = await self._engine.ledger.cancel(run.tenant, run.id)
            self._engine.publish(run, events)
        elif ctx is not None and ctx.parking.children and not run.ended:
            await self._children_settled(ctx, run)
        return run

    async def _after_cancelled_write(self) -> Run:
        """The last write lands whole although its caller was cancelled: wait for it, and tell of what it wrote."""
        await self._engine.ledger.renew(self._engine.worker, ())  # writes are done in order: this one is after it
        self._engine.hub.nudge(self._lease.tenant, self._lease.thread_id)
        return (await self._engine.ledger.load(self._lease.tenant, self._lease.run_id)).run

    def _messages(self, change: Change) -> list[Mapping[str, Json]]:
        run = self._recorder.run
        # A run that stopped before, or has appended messages, has its opening message in the thread already.
        ctx = self.ctx
        first_stop = self.run.interrupts == 0 and not (ctx is not None and ctx.opened_conversation)
        ends = change.status in (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED)
        messages: list[Mapping[str, Json]] = []
        if first_stop and (ends or change.status is RunStatus.WAITING):
            messages += opening_message(run)
        if change.status is RunStatus.SUCCEEDED and change.output is not None:
            content = change.output if isinstance(change.output, str) else dumps(change.output).decode()
            messages.append({"role": "assistant", "content": content, "id": f"{run.id}:out"})
        return messages

    async def _children_settled(self, ctx: RunContext, run: Run) -> None:
        """A child may have settled between the last look at it and the commit that put this run to sleep."""
        for child_id in ctx.parking.children:
            child = (await self._engine.ledger.load(run.tenant, child_id)).run
            if child.settled:
                await self._engine.ledger.wake(run.tenant, run.id)
                self._engine.queued()
                return


def _refused(error: RequestError) -> Failure:
    return Failure(FailureKind.REQUEST, error.message, type(error).__name__, error.code, error.data)


async def _patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Read as soon as the ledger can be read: the lease is held meanwhile."""
    while True:
        try:
            return await read()
        except LedgerBusy:
            await asyncio.sleep(_READ_AGAIN)


async def _uninterrupted(write: Coroutine[Any, Any, T]) -> T:
    """Await to the end, however often the task is cancelled meanwhile."""
    inner = asyncio.ensure_future(write)
    while not inner.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(inner)
    return inner.result()
