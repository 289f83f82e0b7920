"""Agents for clients that speak prose alone, written with the public API; loaded by ``dragoman``, not by the tests."""

from __future__ import annotations

from dragoman.agents import Context, agent


@agent(description="Say it again")
async def echo(ctx: Context, text: str) -> str:
    return f"you said {text}"


@agent(description="Ask for a name")
async def asks(ctx: Context, text: str) -> str:
    return f"Hello, {await ctx.ask('Who are you?')}!"
