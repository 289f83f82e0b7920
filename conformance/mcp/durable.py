"""Fixtures that take their time: tasks for clients that declare them."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from dragoman.agents import Context, agent


class Answer(BaseModel):
    """A name, a confirmation, or both."""

    name: str = ""
    confirm: bool = False


@agent(description="Sleeps for some seconds, then gives its label back")
async def slow_compute(ctx: Context, seconds: float, label: str = "") -> str:
    await ctx.sleep(seconds)
    return f"Computed {label} in {seconds:g} s"


@agent(description="Fails after a second")
async def failing_job(ctx: Context) -> str:
    await asyncio.sleep(1)
    raise RuntimeError("The job failed, as it always does.")


@agent(description="Deletes a file once that is confirmed")
async def confirm_delete(ctx: Context, filename: str) -> str:
    answer: Answer = await ctx.interrupt(f"Delete {filename}?", schema=Answer, key="confirm")
    return f"{filename} was deleted." if answer.confirm else f"{filename} was kept."


@agent(description="Asks two questions at once")
async def multi_input(ctx: Context) -> str:
    first, second = await asyncio.gather(
        ctx.interrupt("What is your name?", schema=Answer, key="first"),
        ctx.interrupt("And do you confirm?", schema=Answer, key="second"),
    )
    return f"{first.name}, {second.name}"
