"""Agents that the tests of the face serve, and what they read of a task."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel

from dragoman.agents import Context, agent

from .conftest import House

__all__ = ["asks_twice", "counts", "echo", "refunds", "state", "texts", "waiting_task", "works"]


class Receipt(BaseModel):
    order: str
    paid: float


@agent
async def echo(ctx: Context, text: str) -> str:
    return f"you said {text}"


@agent
async def refunds(ctx: Context, order: str, amount: float) -> Receipt:
    approval = await ctx.approve(f"Refund {amount:g}?", payload={"order": order})
    await ctx.artifact("receipt.txt", f"{order}: {approval.approved}")
    return Receipt(order=order, paid=amount if approval.approved else 0)


@agent
async def asks_twice(ctx: Context) -> str:
    first, second = await ctx.gather(ctx.ask("First?", key="first"), ctx.ask("Second?", key="second"))
    return f"{first} {second}"


@agent
async def counts(ctx: Context, upto: int, share: float = 0.5) -> dict[str, Any]:
    for n in range(upto):
        await ctx.stream_text(f"{n} ")
    await ctx.artifact("list.txt", "1 2 3")
    await ctx.artifact("list.json", [1, 2.5])
    await ctx.artifact("list.bin", b"\x00\xff")
    return {"upto": upto, "share": share, "exact": 2**40}


@agent
async def works(ctx: Context, text: str) -> str:
    await ctx.progress(1)
    await asyncio.get_running_loop().create_future()
    return "never"


def state(task: dict[str, Any]) -> str:
    return str(task["status"]["state"]).removeprefix("TASK_STATE_")


def texts(message: dict[str, Any]) -> list[str]:
    return [part["text"] for part in message["parts"] if "text" in part]


async def waiting_task(house: House) -> dict[str, Any]:
    """A task of ``refunds`` that asks for an approval."""
    return await house.send("refunds", {"data": {"order": "o1", "amount": 5}})
