"""A durable run by ``tools/call`` against echoes that keep nothing: the SDK's low level, and fastmcp where there is an
environment that has it (``make interop`` makes one)."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faces import REQUESTS, STACKS
from measure import HERE, Load, free_port, load, server

FASTMCP = HERE.parent / ".interop" / "fastmcp" / "bin" / "python"
CALL = REQUESTS["mcp tools/call"]


def measure(seconds: float, rounds: int) -> dict[str, Any]:
    """Each stack in turn; fastmcp's environment has the plain one alone."""
    return {name: _on(name, stack, seconds, rounds) for name, stack in STACKS.items()}


def _on(name: str, stack: Sequence[str], seconds: float, rounds: int) -> dict[str, Any]:
    sdk_port, port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        sdk_command = [sys.executable, str(HERE / "sdk_mcp.py"), str(sdk_port), *stack]
        our_command = [sys.executable, str(HERE / "served.py"), str(port), *stack, str(Path(folder) / "bench.db")]
        with server(sdk_command, sdk_port) as sdk, server(our_command, port) as ours:
            pairs = [
                (load(ours, port, CALL, 16, seconds), load(sdk, sdk_port, _named(sdk_port), 16, seconds))
                for _ in range(rounds)
            ]
    found = {
        "cpu_us": _median([own for own, _ in pairs]),
        "sdk_cpu_us": _median([other for _, other in pairs]),
        "sdk_ratio": round(statistics.median(own.cpu_us / other.cpu_us for own, other in pairs), 2),
        "sdk_limit": 2.0,
    }
    if name == "h11" and FASTMCP.exists():
        fastmcp_port = free_port()
        with server([str(FASTMCP), str(HERE / "fastmcp_echo.py"), str(fastmcp_port)], fastmcp_port) as fastmcp:
            others = [load(fastmcp, fastmcp_port, _named(fastmcp_port), 16, seconds) for _ in range(rounds)]
        found["fastmcp_cpu_us"] = _median(others)
        found["fastmcp_ratio"] = round(found["cpu_us"] / found["fastmcp_cpu_us"], 2)
        found["fastmcp_limit"] = 1.0
    return found


def _named(port: int) -> bytes:
    """The call, with the port in its Host header, without which these servers refuse it."""
    return CALL.replace(b"Host: 127.0.0.1", b"Host: 127.0.0.1:%d" % port)


def _median(loads: Sequence[Load]) -> float:
    return round(statistics.median(found.cpu_us for found in loads), 1)
