"""The agents of the server that is called. A gate is a file that a test makes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pydantic import BaseModel

from dragoman.agents import Context, agent

PEER = os.environ["PEER_URL"]


class Entry(BaseModel):
    order: str
    price: float
    lines: int


def _effect(what: str) -> None:
    with Path(os.environ["EFFECTS"]).open("a") as file:
        file.write(f"{what}\n")


async def note(what: str) -> None:
    _effect(what)


async def gated(what: str) -> None:
    """Says that it waits, waits, and only then does it."""
    await asyncio.to_thread(Path(os.environ["EFFECTS"]).with_name("waiting").touch)
    gate = Path(os.environ["EFFECTS"]).with_name("gate")
    while not gate.exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    await note(what)


@agent
async def books(ctx: Context, order: str) -> Entry:
    """Enters an order, at the price that the other server says."""
    await ctx.step(note, f"books began {order}")
    await ctx.stream_text("Looking up the price. ")
    price = await ctx.remote(f"{PEER}/a2a/prices", {"order": order}, key="prices")
    await ctx.progress(1, 2, "priced")
    await ctx.stream_text("Entering. ")
    await ctx.step(gated, f"books entered {order}")
    await ctx.artifact("entry.txt", f"{order}: {price.text}")
    return Entry(order=order, price=price.data, lines=1)


@agent
async def refunds(ctx: Context, order: str, amount: float) -> dict[str, object]:
    """Asks before it pays."""
    approval = await ctx.approve(f"Refund {amount:g} for {order}?", payload={"order": order})
    await ctx.step(note, f"refunded {order} {approval.approved}")
    return {"order": order, "approved": approval.approved, "comment": approval.comment}


@agent
async def echo(ctx: Context, text: str) -> str:
    """What was said."""
    return f"you said {text}"
