"""The agents that the server of these tests has; loaded by ``dragoman serve``, not by the tests."""

from __future__ import annotations

import asyncio

from dragoman.agents import Context, agent


@agent(description="Refunds an order once a person has agreed.")
async def refund(ctx: Context, order_id: str, amount: float) -> str:
    """Asks one question."""
    await ctx.artifact("claim", f"{order_id}: {amount:g}")
    return await ctx.ask(f"Refund {amount:g} for {order_id}?", choices=["approve", "reject"], key="decision")


@agent(description="Weighs an order from two sides.")
async def weigh(ctx: Context, order_id: str) -> str:
    """Asks two questions at once."""
    heavy, urgent = await asyncio.gather(
        ctx.ask("Is it heavy?", choices=["yes", "no"], key="heavy"),
        ctx.ask("Is it urgent?", choices=["yes", "no"], key="urgent"),
    )
    return f"{heavy}, {urgent}"


@agent(description="Works until it is cancelled.")
async def work(ctx: Context) -> str:
    """Holds its place."""
    await asyncio.Event().wait()
    return "never"
