"""The agents that every client meets, written with the public API alone; loaded by ``dragoman``, not by the tests."""

from __future__ import annotations

from pydantic import BaseModel

from dragoman.agents import Context, agent


class Greeting(BaseModel):
    """A greeting, and to whom."""

    text: str
    name: str


@agent(description="Greet someone")
async def greet(ctx: Context, name: str) -> Greeting:
    return Greeting(text=f"Hello, {name}!", name=name)


@agent(description="Count up, telling how far it is")
async def count(ctx: Context, to: int) -> int:
    for i in range(1, to + 1):
        await ctx.progress(i, to, f"{i} of {to}")
    return to


@agent(description="Refund an order; above 100 a person decides")
async def refund(ctx: Context, order_id: str, amount: float) -> str:
    if amount > 100:
        answer = await ctx.ask(f"Refund {amount:g} for {order_id}?", choices=["approve", "reject"])
        if answer != "approve":
            return "declined"
    return f"refunded {amount:g}"


@agent(description="Delete a thing once it is approved")
async def delete(ctx: Context, thing: str) -> str:
    approval = await ctx.approve(f"Delete {thing}?")
    return f"deleted {thing}" if approval.approved else "kept"


@agent(description="Write a report")
async def report(ctx: Context) -> str:
    await ctx.artifact("report.md", "# All is well", mime_type="text/markdown")
    return "written"


@agent(description="Fail")
async def fail(ctx: Context) -> str:
    raise RuntimeError("the bank is closed")
