"""The JavaScript SDK's client, unmodified, over HTTP."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dragoman.agents import Context, agent

from .conftest import Open

SDK = "@a2a-js/sdk@1.3.0"


@agent
async def echo(ctx: Context, text: str) -> str:
    for word in text.split():
        await ctx.stream_text(f"{word} ")
    return f"{text} "


@agent
async def refunds(ctx: Context, order: str, amount: float) -> str:
    return "paid" if (await ctx.approve(f"Refund {amount:g}?")).approved else "declined"


async def run(*command: str, cwd: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, errors.decode()
    return out.decode()


@pytest.mark.interop
@pytest.mark.anyio
async def test_the_javascript_client_sends_streams_answers_and_subscribes(open_house: Open, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    assert npm is not None, "npm is needed"
    await run(npm, "install", "--no-audit", "--no-fund", "--silent", SDK, cwd=tmp_path)
    shutil.copy(Path(__file__).with_name("client.mjs"), tmp_path)
    async with open_house(echo, refunds, real=True) as house:
        seen: dict[str, Any] = json.loads(await run("node", "client.mjs", house.url, cwd=tmp_path))
    assert seen["sent"] == ["COMPLETED", "good morning "]
    assert seen["got"] == "TASK_STATE_COMPLETED"
    assert seen["streamed"] == ["task WORKING", "good ", "morning ", "", "statusUpdate COMPLETED"]
    assert seen["listed"] == [1, 2, True]
    assert seen["asked"] == ["task WORKING", "statusUpdate INPUT_REQUIRED"]
    assert seen["answered"] == "COMPLETED"
    assert seen["subscribed"] == ["task INPUT_REQUIRED", "statusUpdate WORKING", "paid", "statusUpdate COMPLETED"]
    assert seen["refused"][0] == "TaskNotCancelableError"
    assert "TASK_STATE_COMPLETED" in seen["refused"][1]
