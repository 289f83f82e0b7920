"""``ctx.call``: another agent as a child run. Its questions become the parent's, and the answers are handed down."""

from __future__ import annotations

import asyncio
import contextlib

from dragoman.agents.errors import ChildFailed
from dragoman.engine.child_log import ChildLog
from dragoman.engine.journal import failure_of, revive
from dragoman.engine.ports import Activity
from dragoman.engine.request import UNSET, RunRequest
from dragoman.memory.errors import Conflict
from dragoman.memory.ledger import NewStep
from dragoman.memory.model import InterruptStatus, Json, Run, RunStatus, StepStatus

__all__ = ["call"]


async def call(ctx: Activity, key: str, agent: str, input: Json, text: str | None) -> Json:
    """Open the child once (its idempotency key is the parent's id and the call's key), then see it through."""
    step = ctx.journal.step(key, "")
    if step is not None and step.status is StepStatus.FINISHED:
        return step.result
    if step is not None and step.failure is not None:
        raise revive(step.failure)
    request = RunRequest(
        agent=agent,
        input=UNSET if input is None else input,
        text=text,
        idempotency_key=f"child:{ctx.run.id}:{key}",
    )
    ctx.parking.begin()
    try:
        await ctx.recorder.ensure_open()
        child = await _work(ctx, key, await ctx.engine.accept_child(ctx.run, request))
    finally:
        ctx.parking.end()
    while not child.ended:
        if child.status is RunStatus.WAITING and await _hand_down(ctx, key, child):
            ctx.parking.begin()
            try:
                child = await _work(ctx, key, await ctx.engine.get(ctx.engine.principal_of(ctx.run), child.id))
            finally:
                ctx.parking.end()
        else:
            await ctx.parking.on_child(child.id)
    return await _journal(ctx, key, child)


async def _work(ctx: Activity, key: str, child: Run) -> Run:
    """The child as it is once it has settled, or as it is now if another process drives it or it is asleep."""
    try:
        async with ChildLog(ctx, key, child):
            return await ctx.engine.wait_here(child)
    except asyncio.CancelledError:
        if ctx.cancel_requested:
            ctx.engine.cancel_later(ctx.engine.principal_of(ctx.run), child.id, "its parent was cancelled")
        raise


async def _hand_down(ctx: Activity, key: str, child: Run) -> bool:
    """Ask the child's open questions as the parent's own; whether an answer was handed down."""
    view = await ctx.engine.view(ctx.engine.principal_of(ctx.run), child)
    handed = False
    waiting = list(view.open_interrupts)
    for question in waiting:
        known = ctx.journal.interrupts.get(f"{key}/{question.key}")
        if known is not None and known.status is InterruptStatus.ANSWERED:
            # Conflict: an earlier activation handed it down, or the child was answered itself.
            with contextlib.suppress(Conflict):
                await ctx.engine.answer(ctx.engine.principal_of(ctx.run), child.id, {question.key: known.answer})
            handed = True
    if not handed and waiting:
        await asyncio.gather(
            *(
                ctx.interrupt(q.message, kind=q.kind, schema=q.schema, payload=q.payload, key=f"{key}/{q.key}")
                for q in waiting
            )
        )
    return handed


async def _journal(ctx: Activity, key: str, child: Run) -> Json:
    ctx.parking.begin()
    try:
        if child.status is RunStatus.SUCCEEDED:
            await ctx.recorder.write(steps=[NewStep(key, StepStatus.FINISHED, result=child.output)])
            return child.output
        why = child.failure.message if child.failure else "it was cancelled"
        error = ChildFailed(f"The agent {child.agent!r}, called as {key!r}, did not succeed: {why}")
        await ctx.recorder.write(steps=[NewStep(key, StepStatus.FAILED, failure=failure_of(error))])
        raise error
    finally:
        ctx.parking.end()
