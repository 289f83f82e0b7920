"""Plain tools over the pipe of ``dragoman stdio``: called with the official client, and stopped by a raw one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import ElicitResult

pytestmark = pytest.mark.anyio

META = "io.modelcontextprotocol/"
DESK = """
import asyncio
from pathlib import Path

from dragoman.agents import CallContext, tool


@tool(expose=True)
async def desk_name(ctx: CallContext) -> str:
    '''Ask for a name.'''
    print("this is no protocol")
    await ctx.progress(1, 2)
    return await ctx.ask("Your name?")


@tool(expose=True)
async def desk_wait(folder: str) -> str:
    '''Work until it is stopped.'''
    (Path(folder) / "begun").touch()
    try:
        await asyncio.Event().wait()
    finally:
        (Path(folder) / "stopped").touch()
    return "at last"


@tool(expose=True, scopes=["nobody has it"])
async def desk_closed() -> str:
    '''For those who hold a scope.'''
    return "open"


@tool
async def desk_own() -> str:
    '''A tool of agents, which the settings may choose.'''
    return "own"
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "desk.py").write_text(DESK)
    (tmp_path / "dragoman.toml").write_text('agents = ["desk.py"]\n[mcp]\ntools = ["desk_*"]\ncompanions = false\n')
    storage = str(tmp_path / "ledger.db")
    return [sys.executable, "-m", "dragoman.cli", "stdio", str(tmp_path / "dragoman.toml"), "--storage", storage]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_official_client_lists_calls_and_answers(command: list[str], mode: Any) -> None:
    heard: list[float] = []

    async def answer(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"answer": "Ada"})

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    parameters = StdioServerParameters(command=command[0], args=command[1:])
    with anyio.fail_after(30):
        async with Client(parameters, mode=mode, elicitation_callback=answer) as client:
            listed = [t.name for t in (await client.list_tools()).tools]
            named = await client.call_tool("desk_name", {}, progress_callback=hear)
            own = await client.call_tool("desk_own", {})
    assert listed == ["desk_name", "desk_wait", "desk_closed", "desk_own"]
    assert named.structured_content == {"result": "Ada"}
    assert own.structured_content == {"result": "own"}
    assert heard


@pytest.mark.parametrize("modern", [True, False])
async def test_a_request_that_is_taken_back_stops_its_function(
    command: list[str], tmp_path: Path, modern: bool
) -> None:
    meta: Mapping[str, Any] = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
    params = {"name": "desk_wait", "arguments": {"folder": str(tmp_path)}, **({"_meta": meta} if modern else {})}
    process = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1, stderr=-1)
    assert process.stdin is not None
    assert process.stdout is not None

    def send(message: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    try:
        async with asyncio.timeout(30):
            send({"id": 1, "method": "tools/call", "params": params})
            await _there(tmp_path / "begun")
            send({"method": "notifications/cancelled", "params": {"requestId": 1}})
            await _there(tmp_path / "stopped")
            list_params = {"_meta": meta} if modern else {}
            send({"id": 2, "method": "tools/list", "params": list_params})
            answered = json.loads(await process.stdout.readline())
            process.stdin.close()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert answered["id"] == 2  # the request that was taken back is owed nothing


async def _there(path: Path) -> None:
    # Another process makes it, and nothing tells of that.
    while not path.exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)
