"""An agent that works until a test lets it go, for tests of calls and questions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from dragoman.agents import Agent, Context, agent

__all__ = ["Gate", "Start"]

Start = Callable[..., AbstractAsyncContextManager[Any]]


class Gate:
    """An agent that works until it is let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()

    def agent(self) -> Agent:
        @agent(description="Wait at the gate")
        async def gated(ctx: Context) -> str:
            await ctx.progress(1, 2, "at the gate")
            self.entered.set()
            await self.open.wait()
            return "through"

        return gated
