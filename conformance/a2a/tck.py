"""The agent that the A2A TCK calls for: what it does is chosen by the beginning of the message's id.

The TCK says what each beginning wants (its ``scenarios``); this is written with the public API alone.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from dragoman.agents import Context, Rejected, agent

__all__ = ["tck"]

LONG: Final = 4.0  # seconds: twice what the TCK waits for a stream


@agent(description="Does what the A2A TCK's scenarios want, by the beginning of the message's id")
async def tck(ctx: Context, text: str) -> Any:
    """Without a scenario it completes."""
    message_id = str((await ctx.messages())[-1].get("id", ""))
    match _scenario(message_id):
        case "tck-artifact-text":
            return "Generated text content"
        case "tck-artifact-file" | "tck-stream-artifact-file":
            await ctx.artifact("output.txt", "Generated file content", mime_type="text/plain")
            return None
        case "tck-artifact-data":
            return {"key": "value", "count": 42}
        case "tck-message-response":
            return {"role": "assistant", "content": "Direct message response"}
        case "tck-input-required":
            return await _asked_for_more(ctx)
        case "tck-reject-task":
            raise Rejected("rejected")
        case "tck-stream-001":
            return await _streamed(ctx, "Stream hello from TCK")
        case "tck-stream-002":
            return None
        case "tck-stream-003":
            return await _streamed(ctx, "Stream task lifecycle")
        case "tck-stream-ordering-001":
            return await _streamed(ctx, "Ordered output")
        case "tck-stream-artifact-text":
            return await _streamed(ctx, "Streamed text content")
        case "tck-stream-artifact-chunked":
            return await _streamed(ctx, "chunk-1 ", "chunk-2")
        case "test-resubscribe-message-id":
            await ctx.progress(1, 2, "working")
            await asyncio.sleep(LONG)
            return "Done"
        case _:
            return "Hello from TCK"


async def _asked_for_more(ctx: Context) -> str:
    """Goes on to ask while it is given what the TCK sends to fill a history."""
    answer = await ctx.ask("More, please.")
    while answer.startswith("TCK history message"):
        answer = await ctx.ask("More, please.")
    return f"Thank you for {answer}"


async def _streamed(ctx: Context, *chunks: str) -> str:
    for chunk in chunks:
        await ctx.stream_text(chunk)
    return "".join(chunks)


SCENARIOS: Final = (
    "tck-artifact-text",
    "tck-artifact-file",
    "tck-artifact-data",
    "tck-message-response",
    "tck-input-required",
    "tck-reject-task",
    "tck-stream-001",
    "tck-stream-002",
    "tck-stream-003",
    "tck-stream-ordering-001",
    "tck-stream-artifact-text",
    "tck-stream-artifact-file",
    "tck-stream-artifact-chunked",
    "test-resubscribe-message-id",
)


def _scenario(message_id: str) -> str:
    return next((name for name in SCENARIOS if message_id.startswith(name)), "")
