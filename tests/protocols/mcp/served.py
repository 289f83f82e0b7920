"""The agents that these tests serve; run as a script, they are served over stdio from the ledger file it is given."""

from __future__ import annotations

import asyncio
import sys
from typing import Literal

from pydantic import BaseModel

from dragoman.agents import Context, InterruptKind, Rejected, agent
from dragoman.engine import Engine
from dragoman.mcp import McpSettings
from dragoman.mcp.stdio import serve_stdio
from dragoman.memory.model import Principal
from dragoman.memory.sqlite import SqliteLedger


class Order(BaseModel):
    """What was ordered."""

    id: str
    amount: float


class Address(BaseModel):
    """Where it goes."""

    street: str
    speed: Literal["slow", "fast"]
    floor: int | None = None


@agent(description="Say it back")
async def echo(ctx: Context, text: str) -> str:
    print(f"echo was told {text}")  # must not reach the protocol
    return text


@agent(description="Add two numbers")
async def add(ctx: Context, a: float, b: float) -> float:
    return a + b


@agent(description="Find an order")
async def find_order(ctx: Context, order_id: str) -> Order:
    return Order(id=order_id, amount=12.5)


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


@agent(description="Ask for an address, then for a note")
async def ship(ctx: Context, order_id: str) -> dict[str, str]:
    address: Address = await ctx.interrupt("Where to?", schema=Address, key="address")
    note = await ctx.ask("A note for the driver?", key="note")
    return {"to": address.street, "speed": address.speed, "note": note}


@agent(description="Ask for nested JSON")
async def configure(ctx: Context) -> int:
    schema = {"type": "array", "items": {"type": "object"}, "minItems": 1}
    rows = await ctx.interrupt("The rows?", schema=schema, key="rows")
    return len(rows)


@agent(description="Count up, telling how far it is")
async def count(ctx: Context, to: int) -> int:
    for i in range(1, to + 1):
        await ctx.progress(i, to, f"{i} of {to}")
    return to


@agent(description="Take its time")
async def slow(ctx: Context, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "at last"


@agent(description="Write a report and draw a picture")
async def report(ctx: Context) -> None:
    await ctx.artifact("report.md", "# All is well", mime_type="text/markdown")
    await ctx.artifact("dot.png", b"\x89PNG", mime_type="image/png")
    await ctx.artifact("data.bin", bytes(range(200)))


@agent(description="Fail, or refuse")
async def fail(ctx: Context, politely: bool) -> str:
    if politely:
        raise Rejected("not on a Sunday")
    raise RuntimeError("the bank is closed")


@agent(description="Ask for authorization")
async def authorize(ctx: Context) -> str:
    await ctx.interrupt("Sign in at the bank", kind=InterruptKind.AUTH, key="bank")
    return "signed in"


AGENTS = [echo, add, find_order, refund, delete, ship, configure, count, slow, report, fail, authorize]


async def main(path: str) -> None:
    ledger = SqliteLedger(path)
    await ledger.open()
    async with Engine(ledger, AGENTS) as engine:
        settings = McpSettings(state_key=b"k" * 32, version="1.0.0", inline_wait=0.3)
        await serve_stdio(engine, Principal("default", "local"), settings)
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
