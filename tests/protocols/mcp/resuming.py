"""What tests of resumed streams share: calls that wait at a gate, and a client that reads a stream event by event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from dragoman.agents import CallContext, Context, agent, tool

__all__ = ["BOTH", "CATALOG", "GATE", "Event", "Gate", "Raw", "Start", "durably", "progress_of", "session", "text_of"]

Start = Callable[..., AbstractAsyncContextManager[Any]]
BOTH = "application/json, text/event-stream"


class Gate:
    """What lets the functions of these tests go on."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.calls = 0

    def shut(self) -> None:
        """As at first."""
        self.event, self.calls = asyncio.Event(), 0


GATE = Gate()


@tool
async def detaching(ctx: CallContext) -> str:
    """Have the client come back."""
    await ctx.progress(1, 2)
    await ctx.detach(retry=0.01)
    await GATE.event.wait()
    await ctx.progress(2, 2)
    return "worth the wait"


@tool
async def waiting(ctx: CallContext) -> str:
    """Tell how far it is, and wait."""
    GATE.calls += 1
    await ctx.progress(1, 3)
    await GATE.event.wait()
    await ctx.progress(2, 3)
    await ctx.progress(3, 3)
    return "worth the wait"


@agent
async def durably(ctx: Context) -> str:
    """Have the client come back, in a run."""
    await ctx.progress(1, 2)
    await ctx.detach(retry=0.01)
    await GATE.event.wait()
    await ctx.progress(2, 2)
    return "worth the wait"


CATALOG = (detaching, waiting)


@dataclass
class Event:
    """An event of a stream."""

    id: str | None
    retry: int | None
    data: Any


async def _events(response: httpx.Response) -> AsyncGenerator[Event]:
    """The events of a stream, until it ends."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        elif fields:
            retry = fields.get("retry")
            data = fields.get("data", "")
            yield Event(fields.get("id"), None if retry is None else int(retry), json.loads(data) if data else "")
            fields = {}


class Raw:
    """A client of a session, message by message."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    @asynccontextmanager
    async def calling(
        self, tool: str, *, id: Any = 1, token: Any = None, **arguments: Any
    ) -> AsyncGenerator[AsyncIterator[Event]]:
        """The stream of a call."""
        meta = {} if token is None else {"_meta": {"progressToken": token}}
        params = {"name": tool, "arguments": arguments, **meta}
        body = {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}
        async with self.http.stream("POST", "", json=body) as response:
            assert response.headers["content-type"] == "text/event-stream", await response.aread()
            async with aclosing(_events(response)) as events:
                yield events

    @asynccontextmanager
    async def resuming(self, last: str, **headers: str) -> AsyncGenerator[AsyncIterator[Event]]:
        """The stream of a GET that goes on."""
        async with self.http.stream("GET", "", headers={"last-event-id": last, **headers}) as response:
            assert response.status_code == 200, await response.aread()
            async with aclosing(_events(response)) as events:
                yield events

    async def rest(self, last: str) -> list[Event]:
        """All that comes after an event."""
        async with self.resuming(last) as events:
            return [event async for event in events]


@asynccontextmanager
async def session(url: str, version: str = "2025-11-25", **capabilities: Any) -> AsyncGenerator[Raw]:
    async with httpx.AsyncClient(base_url=url, headers={"accept": BOTH}, timeout=20) as http:
        info = {"name": "t", "version": "0"}
        params = {"protocolVersion": version, "capabilities": capabilities, "clientInfo": info}
        opened = await http.post("", json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        http.headers["mcp-protocol-version"] = version
        yield Raw(http)


def text_of(event: Event) -> str:
    return str(event.data["result"]["content"][0]["text"])


def progress_of(events: list[Event]) -> list[float]:
    return [e.data["params"]["progress"] for e in events if e.data and e.data.get("method") == "notifications/progress"]
