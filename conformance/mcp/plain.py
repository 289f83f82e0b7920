"""Fixtures that answer at once."""

from __future__ import annotations

import asyncio

from dragoman.agents import Context, agent


@agent(description="Answers with simple text")
async def test_simple_text(ctx: Context) -> str:
    return "This is a simple text response for testing."


@agent(description="Always fails")
async def test_error_handling(ctx: Context) -> str:
    raise RuntimeError("This tool intentionally returns an error for testing")


@agent(description="Reports progress in three steps")
async def test_tool_with_progress(ctx: Context) -> str:
    for done in (0, 50, 100):
        await ctx.progress(done, 100, f"Completed step {done} of 100")
        await asyncio.sleep(0.05)
    return "Progress was reported."


@agent(description="Reports progress and ends")
async def test_streaming_elicitation(ctx: Context) -> str:
    await ctx.progress(50, 100)
    return "Streaming complete"


@agent(description="Greets by name")
async def greet(ctx: Context, name: str) -> str:
    return f"Hello, {name}!"
