"""The agents that are measured."""

from __future__ import annotations

import asyncio

from dragoman.agents import Context, agent


@agent(description="Says what it was told.")
async def echo(ctx: Context, text: str) -> str:
    """The smallest agent: no step."""
    return text


async def _one(n: int) -> int:
    return n


@agent(description="Does steps.")
async def steps(ctx: Context, count: int) -> int:
    """``count`` journaled steps, one after another."""
    for n in range(count):
        await ctx.step(_one, n)
    return count


@agent(description="Streams text.")
async def stream(ctx: Context, count: int) -> str:
    """``count`` pieces of text."""
    for n in range(count):
        await ctx.stream_text(f"{n} ")
    return "done"


@agent(description="Is at work until it is cancelled.")
async def hold(ctx: Context) -> None:
    """Does one step, then stays."""
    await ctx.step(_one, 1)
    await asyncio.Event().wait()


@agent(description="An everyday run: steps, text, values.")
async def everyday(ctx: Context, text: str) -> str:
    """Two steps, a few words, values: about ten events."""
    for n in range(2):
        await ctx.step(_one, n)
    await ctx.stream_text(text)
    await ctx.update({"said": text})
    return text


@agent(description="Waits for a person.")
async def park(ctx: Context, text: str) -> str:
    """Asks one question."""
    return await ctx.ask(f"Go on with {text}?")
