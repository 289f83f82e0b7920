"""The agent that the TCK for A2A 0.3 calls for: it takes whatever is sent, and asks for more before it is done.

The TCK goes on with each task that it opens: follow-ups, cancellations, histories. This is written with the public API
alone.
"""

from __future__ import annotations

import asyncio
from typing import Final

from pydantic import BaseModel, ConfigDict

from dragoman.agents import Context, agent

__all__ = ["Said", "tck"]

LONG: Final = 5.0  # seconds: the TCK wants twice what it waits for a stream, and more


class Said(BaseModel):
    """Prose, or data of any shape."""

    model_config = ConfigDict(extra="allow")

    text: str = ""


@agent(description="Asks for more until it is told that this was all")
async def tck(ctx: Context, said: Said) -> str:
    """A message whose id says so is worked on for a while; any other is asked about."""
    message_id = str((await ctx.messages())[-1].get("id", ""))
    await ctx.stream_text("Working. ")
    if message_id.startswith("test-resubscribe-message-id"):
        await asyncio.sleep(LONG)
        return "Done"
    answer = await ctx.ask("More, please.")
    while answer != "This was all.":
        answer = await ctx.ask("More, please.")
    return "Thank you."
