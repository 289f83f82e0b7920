"""The agents of the server that calls, and the one that it is called back for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dragoman.agents import Context, RemoteFailed, agent

PEER = os.environ["PEER_URL"]


def _effect(what: str) -> None:
    with Path(os.environ["EFFECTS"]).open("a") as file:
        file.write(f"{what}\n")


async def note(what: str) -> None:
    _effect(what)


@agent
async def desk(ctx: Context, order: str) -> dict[str, Any]:
    """Has an order entered in the books of another server."""
    await ctx.step(note, f"desk took {order}")
    entered = await ctx.remote(f"{PEER}/a2a/books", {"order": order}, key="books", timeout=100)
    await ctx.step(note, f"desk ended {order}")
    return {"entered": entered.data, "files": [f.name for a in entered.artifacts for f in a.files]}


@agent
async def prices(ctx: Context, order: str) -> float:
    """What an order costs; the books ask for it."""
    await ctx.step(note, f"priced {order}")
    return 12.5


@agent
async def clerk(ctx: Context, order: str) -> dict[str, Any]:
    """Calls an agent that asks."""
    try:
        told = await ctx.remote(f"{PEER}/a2a/refunds", {"order": order, "amount": 5}, key="refunds")
    except RemoteFailed as error:
        return {"failed": error.message}
    await ctx.step(note, f"clerk ended {order}")
    return {"refund": told.data}


@agent
async def chats(ctx: Context, peer: str, text: str) -> dict[str, Any]:
    """Calls any agent, in prose."""
    told = await ctx.remote(peer, text)
    return {"text": told.text, "data": told.data, "task": bool(told.task_id)}
