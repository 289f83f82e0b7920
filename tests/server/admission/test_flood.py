"""One tenant floods a server with runs, and another's single run starts all the same."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from .house import House

pytestmark = pytest.mark.anyio

WITHIN = 0.25  # seconds
PROBES = 5
SETTINGS = """
[auth]
mode = "keys"
[engine]
queue_limit = 20000
tenant_queue_limit = 15000
"""
FORMS = [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]


async def fill(client: httpx.AsyncClient, count: int, seconds: float) -> None:
    """Open so many runs, some at a time."""
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            body = {"agent_id": "holds", "input": {"seconds": seconds}, "on_disconnect": "continue"}
            answer = await client.post("/runs", json=body)
            assert answer.status_code == 200, answer.text

    async with asyncio.TaskGroup() as group:
        for _ in range(32):
            group.create_task(some())


async def started_after(client: httpx.AsyncClient) -> float:
    """Seconds from when a run was sent to when its first line ran."""
    sent = time.time()
    answer = await client.post("/runs/wait", json={"agent_id": "clock", "input": {}})
    result: Any = answer.json()
    assert answer.status_code == 200, answer.text
    return float(result["values"]["output"]) - sent


async def queued(client: httpx.AsyncClient) -> int:
    text = (await client.get("/metrics")).text
    [line] = [line for line in text.splitlines() if line.startswith("dragoman_runs_queued ")]
    return int(float(line.split()[1]))


@pytest.mark.parametrize("count", FORMS)
@pytest.mark.parametrize(
    ("seconds", "settings"),
    [
        pytest.param(600.0, SETTINGS, id="long-runs"),
        pytest.param(0.15, f"{SETTINGS}concurrency = 8\nreserve = 0\n", id="short-runs"),
    ],
)
async def test_anothers_single_run_starts_within_250_ms(
    house: House, count: int, seconds: float, settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {tenant: house.key(tenant, tenant) for tenant in ("flood", "lone")}
    server = await house.serve(settings)
    async with house.client(server, keys["flood"]) as flood, house.client(server, keys["lone"]) as lone:
        await started_after(lone)  # the first request of a process loads what it needs
        await fill(flood, count, seconds)
        waiting = await queued(flood)
        seen = [await started_after(lone) for _ in range(PROBES)]
        assert await queued(flood) > 0
    with capsys.disabled():
        told = ", ".join(f"{each * 1000:.0f}" for each in seen)
        print(f"\n{waiting} runs of a tenant wait; another's start after {told} ms")
    assert waiting > 50
    assert max(seen) < WITHIN
