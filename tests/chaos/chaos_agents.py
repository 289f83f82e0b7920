"""Agents for the chaos runs: their side effects are lines in a file, each with the idempotency key of the step that
made it and the attempt of its run, which is also told in the log."""

from __future__ import annotations

import asyncio
import os
import random

from dragoman.agents import Context, agent, tool

STEPS = 6


def _write(line: str) -> None:
    """Append a line at once: one write to a file opened for appending is whole even when the process is killed."""
    handle = os.open(os.environ["CHAOS_EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, (line + "\n").encode())
    finally:
        os.close(handle)


@tool
async def effect(ctx: Context, n: int) -> int:
    """A side effect."""
    await asyncio.sleep(random.uniform(0.0, 0.03))
    _write(f"{ctx.idempotency_key} {ctx.attempt}")
    await ctx.emit("attempt", ctx.attempt)
    await asyncio.sleep(random.uniform(0.0, 0.03))
    return n


@tool
async def slow_effect(ctx: Context, n: int) -> int:
    """A side effect that takes its time."""
    await asyncio.sleep(0.3)  # its work
    _write(f"{ctx.idempotency_key} {ctx.attempt}")
    await ctx.emit("attempt", ctx.attempt)
    return n


@tool(on_crash="ask")
async def guarded(ctx: Context) -> str:
    """A side effect that a person is asked about when a crash hides it."""
    _write(f"{ctx.idempotency_key} {ctx.attempt}")
    await asyncio.sleep(random.uniform(0.0, 0.05))
    return "once"


@agent
async def works(ctx: Context, number: int) -> int:
    """Steps, two of them side by side, with text between."""
    total = 0
    for n in range(STEPS):
        total += await ctx.step(effect, n, key=f"effect-{n}")
        await ctx.stream_text(f"{n} ")
    left, right = await ctx.gather(ctx.step(effect, 1, key="left"), ctx.step(effect, 2, key="right"))
    await ctx.artifact("total.txt", str(total + left + right))
    return int(total + left + right)


@agent
async def lingers(ctx: Context, number: int) -> int:
    """Steps that take long enough to outlive a lease together, with text between."""
    for n in range(STEPS):
        await ctx.step(slow_effect, n, key=f"effect-{n}")
        await ctx.stream_text(f"{n} ")
    return number


@agent
async def sleeps(ctx: Context, number: int) -> str:
    """A step, a sleep, a step."""
    await ctx.step(effect, 0, key="before")
    await ctx.sleep(0.3)
    await ctx.step(effect, 1, key="after")
    return "rested"


@agent
async def asks(ctx: Context, number: int) -> str:
    """A step, then a question that stays open."""
    await ctx.step(effect, 0, key="before")
    return await ctx.ask("Go on?")


@agent
async def guards(ctx: Context, number: int) -> str:
    """One side effect that is never repeated without asking."""
    return await ctx.step(guarded)


@agent
async def calls(ctx: Context, number: int) -> int:
    """A child run between two steps."""
    await ctx.step(effect, 0, key="before")
    value = await ctx.call("works", {"number": number})
    await ctx.step(effect, 1, key="after")
    return int(value)


@agent
async def talks(ctx: Context, number: int) -> str:
    """Says that it calls a tool, calls it, and says what came of it."""
    call = f"call-{ctx.run_id}"
    calls = [{"id": call, "name": "effect", "args": {"n": number}}]
    await ctx.append({"role": "assistant", "content": "", "tool_calls": calls})
    await ctx.step(effect, number)
    await ctx.append({"role": "tool", "content": "done", "tool_call_id": call})
    return str(number)
