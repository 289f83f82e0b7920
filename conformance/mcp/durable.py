"""Fixtures that are runs: tasks for clients that declare them."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from dragoman.agents import Context, RequestError, tool


class Answer(BaseModel):
    """A name, a confirmation, or both."""

    name: str = ""
    confirm: bool = False


class Name(BaseModel):
    """A name."""

    name: str


@tool(expose=True)
async def slow_compute(ctx: Context, seconds: float, label: str = "") -> str:
    """Sleeps for some seconds, then gives its label back."""
    await ctx.sleep(seconds)
    return f"Computed {label} in {seconds:g} s"


@tool(expose=True, task_support="required")
async def failing_job(ctx: Context) -> str:
    """Fails after a second; must be a task."""
    await ctx.sleep(1)
    raise RuntimeError("The job failed, as it always does.")


@tool(expose=True, task_support="required")
async def protocol_error_job(ctx: Context) -> str:
    """Ends with a JSON-RPC error; must be a task."""
    await ctx.sleep(0.2)
    raise RequestError("The job cannot be served, as ever.", code=-32603)


@tool(expose=True)
async def confirm_delete(ctx: Context, filename: str) -> str:
    """Deletes a file once that is confirmed."""
    answer: Answer = await ctx.interrupt(f"Delete {filename}?", schema=Answer, key="confirm")
    return f"{filename} was deleted." if answer.confirm else f"{filename} was kept."


@tool(expose=True)
async def multi_input(ctx: Context) -> str:
    """Asks two questions at the same time."""
    first, second = await asyncio.gather(
        ctx.interrupt("What is your name?", schema=Answer, key="first"),
        ctx.interrupt("And do you confirm?", schema=Answer, key="second"),
    )
    return f"{first.name}, {second.name}"


@tool(expose=True, task_support="required", ask_first=True)
async def test_tool_with_task(ctx: Context) -> str:
    """Asks for a name within the call, and is a task from then on."""
    answer: Name = await ctx.interrupt("What is your name?", schema=Name, key="user_name")
    return f"Hello, {answer.name}!"
