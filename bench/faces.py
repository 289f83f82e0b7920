"""What a durable run costs over each face, against a bare JSON echo in the same run."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import HERE, Load, free_port, http_request, load, server

MODERN = "2026-07-28"
REQUESTS: dict[str, bytes] = {
    "agent protocol wait": http_request("/runs/wait", {"agent_id": "echo", "input": {"text": "hello"}}),
    "mcp tools/call": http_request(
        "/mcp",
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": "echo",
                "arguments": {"text": "hello"},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": MODERN,
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        },
        {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN,
            "Mcp-Method": "tools/call",
            "Mcp-Name": "echo",
        },
    ),
    "a2a SendMessage": http_request(
        "/a2a/echo",
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "SendMessage",
            "params": {"message": {"messageId": "m000000000000", "role": "ROLE_USER", "parts": [{"text": "hello"}]}},
        },
        {"A2A-Version": "1.0"},
    ),
}
LIMITS = {"agent protocol wait": 4.0, "mcp tools/call": 5.0, "a2a SendMessage": 5.0}


STACKS = {"h11": ("asyncio", "h11"), "uvloop": ("uvloop", "httptools")}


def measure(seconds: float, rounds: int) -> dict[str, Any]:
    """Both stacks: uvicorn's plain one, on which the limits were set, and the fast one, which is served where it
    exists."""
    return {name: _on(stack, seconds, rounds) for name, stack in STACKS.items()}


def _on(stack: tuple[str, str], seconds: float, rounds: int) -> dict[str, Any]:
    """Each face and the control in turn, ``rounds`` times; medians."""
    control_port, port = free_port(), free_port()
    echo = http_request("/echo", {"input": {"text": "hello"}})
    with tempfile.TemporaryDirectory() as folder:
        control_command = [sys.executable, str(HERE / "control.py"), str(control_port), *stack]
        our_command = [sys.executable, str(HERE / "served.py"), str(port), *stack, str(Path(folder) / "bench.db")]
        with server(control_command, control_port) as control, server(our_command, port) as ours:
            found: dict[str, list[tuple[Load, float]]] = {name: [] for name in REQUESTS}
            bare: list[Load] = []
            for _ in range(rounds):
                bare.append(load(control, control_port, echo, 16, seconds))
                for name, request in REQUESTS.items():
                    at_16 = load(ours, port, request, 16, seconds)
                    found[name].append((at_16, at_16.cpu_us / bare[-1].cpu_us))
            alone = {name: load(ours, port, request, 1, seconds) for name, request in REQUESTS.items()}
    return {
        "control_cpu_us": round(statistics.median(b.cpu_us for b in bare), 1),
        "faces": {
            name: {
                "cpu_us": round(statistics.median(at.cpu_us for at, _ in loads), 1),
                "ratio": round(statistics.median(ratio for _, ratio in loads), 2),
                "limit": LIMITS[name],
                "per_second_c16": round(statistics.median(at.per_second for at, _ in loads)),
                "p50_ms_c1": round(alone[name].p50_ms, 2),
                "p50_limit_ms_c1": 3.0,
                "p99_ms_c1": round(alone[name].p99_ms, 2),
            }
            for name, loads in found.items()
        },
    }
