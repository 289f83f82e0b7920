"""What tests of Agent Protocol's routes share: a run that is waited for, and the frames of a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

__all__ = ["Check", "Gate", "frames", "wait"]

Check = Callable[[str, Any], None]
Gate = tuple[str, asyncio.Event, asyncio.Event]


async def wait(client: httpx.AsyncClient, agent: str, **body: Any) -> dict[str, Any]:
    answer = await client.post("/runs/wait", json={"agent_id": agent, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def frames(text: str) -> list[tuple[str, str]]:
    """The events and data of a stream, heartbeats left out."""
    found: list[tuple[str, str]] = []
    for block in text.split("\r\n\r\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\r\n") if not line.startswith(":") and line)
        if fields:
            found.append((fields["event"], fields["data"]))
    return found
