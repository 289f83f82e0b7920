"""What the first page of ``tools/list`` costs with 1,000 tools: when the list was just made, when it has changed, and
from then on."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from dragoman.agents import Catalog, Hints, Tool, tool
from dragoman.engine import Engine
from dragoman.mcp import McpSettings
from dragoman.mcp.call import SILENT, Peer
from dragoman.mcp.jsonrpc import Request
from dragoman.mcp.kernel import Kernel
from dragoman.memory.model import Principal
from dragoman.memory.sqlite import SqliteLedger

META = "io.modelcontextprotocol/"
PARAMS: dict[str, Any] = {"_meta": {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}}
COUNT = 1000


def _tool(number: int) -> Tool[..., Any]:
    @tool(expose=True, name=f"look_up_{number}", hints=Hints(read_only=True))
    async def look_up(query: str, limit: int = 10, exact: bool = False) -> list[str]:
        """Look something up in one of many places, and give what was found there."""
        return [query]

    return look_up


def measure(rounds: int) -> dict[str, Any]:
    """Milliseconds of CPU, the median of ``rounds``."""
    return asyncio.run(_measure(rounds))


async def _measure(rounds: int) -> dict[str, Any]:
    *tools, one_more = [_tool(number) for number in range(COUNT + 1)]
    made: list[float] = []
    changed: list[float] = []
    kept: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        ledger = SqliteLedger(Path(folder) / "bench.db")
        await ledger.open()
        for _ in range(rounds):
            catalog = Catalog(*tools)
            kernel = Kernel(Engine(ledger, []), McpSettings(state_key=b"k" * 32, version="1.0.0"), catalog)
            made.append(await _first_page(kernel))
            kept.append(await _first_page(kernel))
            begun = time.process_time()
            catalog.add(one_more)
            spent = (time.process_time() - begun) * 1000
            changed.append(spent + await _first_page(kernel))
        await ledger.close()
    return {
        "tools": COUNT,
        "first_page_ms": round(statistics.median(made), 3),
        "limit_ms": 5.0,
        "after_a_change_ms": round(statistics.median(changed), 3),
        "kept_ms": round(statistics.median(kept), 3),
    }


async def _first_page(kernel: Kernel) -> float:
    begun = time.process_time()
    answer = await kernel.request(Peer(Principal("acme", "ada")), Request(1, "tools/list", PARAMS), SILENT)
    spent = (time.process_time() - begun) * 1000
    assert answer is not None
    assert answer.code is None
    return spent
