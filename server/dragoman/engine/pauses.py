"""Pauses that a caller wants: a run asks before or after a step of a name, and goes on with any answer.

The names are those of steps (``ctx.step``, ``ctx.call``) and the agent's own; ``*`` is any of them. Not the agent's own
questions: those are ``ctx.interrupt``. The question is journaled as any other, so a crash does not ask again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeVar

from dragoman.engine.ports import Activity
from dragoman.memory.model import Interrupt, StepStatus
from dragoman.memory.setup import RunSetup

__all__ = ["is_pause", "paused"]

T = TypeVar("T")

_PREFIX: Final = "pause:"


def is_pause(question: Interrupt) -> bool:
    """Whether a question is such a pause, which any answer ends."""
    return question.key.startswith(_PREFIX)


async def paused(ctx: Activity, setup: RunSetup, name: str, key: str, work: Callable[[], Awaitable[T]]) -> T:
    """Do a piece of work called ``name``, pausing before and after it where the caller wants that. ``key`` is its key
    in the journal; one that is done already is not paused before."""
    step = ctx.journal.steps.get(key)
    done = step is not None and step.status is not StepStatus.STARTED
    if _wanted(setup.pause_before, name) and not done:
        await _pause(ctx, "before", name, key)
    result = await work()
    if _wanted(setup.pause_after, name):
        await _pause(ctx, "after", name, key)
    return result


def _wanted(names: Sequence[str], name: str) -> bool:
    return name in names or "*" in names


async def _pause(ctx: Activity, when: Literal["before", "after"], name: str, key: str) -> None:
    payload = {"pause": when, "node": name}
    await ctx.interrupt(f"Paused {when} {name}.", schema={}, payload=payload, key=f"{_PREFIX}{when}:{key}")
