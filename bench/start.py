"""Start-up and idle memory, as ratios to what cannot be avoided, measured in turn in the same run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from measure import HERE, dragoman, free_port, server

_ECHO_SERVER = """
import asyncio
from mcp.server import Server
from mcp.server.stdio import stdio_server
import mcp_types as types
async def list_tools(ctx, params):
    return types.ListToolsResult(tools=[types.Tool(name="echo", input_schema={"type": "object"})])
async def main():
    server = Server("echo", on_list_tools=list_tools)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
asyncio.run(main())
"""
_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"},
    },
}
_SDKS = "import mcp.server, mcp.server.streamable_http_manager, a2a.server.request_handlers, a2a.server.routes"


def _first_answer(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(_INITIALIZE).encode() + b"\n")
    process.stdin.flush()
    line = process.stdout.readline()
    took = time.perf_counter() - began
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if b'"result"' not in line:
        raise RuntimeError(f"{command} answered {line[:300]!r}")
    return took


def _took(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _ready(folder: Path) -> tuple[float, float]:
    """Seconds until the server is ready, and its memory then, in MB."""
    port = free_port()
    began = time.perf_counter()
    with server(dragoman(port, folder), port, "/readyz", pin=False) as process:
        return time.perf_counter() - began, _memory_mb(process)


def _memory_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def measure(rounds: int) -> dict[str, Any]:
    """Medians of ``rounds`` starts of each, in turn."""
    sdk_stdio: list[float] = []
    our_stdio: list[float] = []
    imports: list[float] = []
    ready: list[float] = []
    memory: list[float] = []
    helps: list[float] = []
    connects: list[float] = []
    cli = [sys.executable, "-m", "dragoman.cli"]
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            environment = {**os.environ, "DRAGOMAN_STORAGE__PATH": str(Path(name) / "stdio.db")}
            sdk_stdio.append(_first_answer([sys.executable, "-c", _ECHO_SERVER], environment))
            our_stdio.append(_first_answer([*cli, "stdio", str(HERE / "echo_agents.py")], environment))
            imports.append(_took([sys.executable, "-c", _SDKS]))
            seconds, megabytes = _ready(Path(name))
            ready.append(seconds)
            memory.append(megabytes)
            helps.append(_took([*cli, "--help"]))
            connects.append(_took([*cli, "connect", "claude"]))
    median = statistics.median
    return {
        "stdio_first_answer_s": round(median(our_stdio), 3),
        "stdio_ratio": round(median(our_stdio) / median(sdk_stdio), 2),
        "stdio_limit": 1.3,
        "http_ready_s": round(median(ready), 3),
        "http_ratio": round(median(ready) / median(imports), 2),
        "http_limit": 1.4,
        "idle_memory_mb": round(median(memory), 1),
        "idle_memory_limit_mb": 110,
        "help_s": round(median(helps), 3),
        "connect_s": round(median(connects), 3),
        "command_limit_s": 0.3,
    }
