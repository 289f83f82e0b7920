"""What tests of ``subscriptions/listen`` share: plain tools and agents that change something, and one who listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from dragoman.agents import Catalog, Context, agent, prompt, resource, tool
from dragoman.memory.model import Principal

__all__ = [
    "CALLER",
    "EVERYTHING",
    "META",
    "STRANGER",
    "Listening",
    "Start",
    "extra",
    "greeting",
    "keep",
    "listeners",
    "listening",
    "notes",
    "request_of",
    "weather",
]

Start = Callable[..., AbstractAsyncContextManager[Any]]
META = "io.modelcontextprotocol/"
CALLER = Principal("acme", "ada")
STRANGER = Principal("umbrella", "eve")
EVERYTHING = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}


@tool
async def extra() -> str:
    """A tool that comes and goes."""
    return "extra"


@prompt
async def greeting() -> str:
    """A prompt that comes and goes."""
    return "Hello"


@resource("notes://{name}", scopes=["notes:read"])
async def notes(name: str) -> str:
    """A note."""
    return name


@resource("weather://today")
async def weather() -> str:
    """The weather."""
    return "fair"


@agent
async def keep(ctx: Context, key: str) -> str:
    """Make a file; once it is told to go on, write to the store, and make the file anew."""
    await ctx.artifact("report.md", f"# {key}")
    await ctx.ask("Go on?")
    await ctx.store.put(("kept", "here"), key, {"by": "keep"})
    await ctx.artifact("report.md", f"# {key} kept")
    return key


@dataclass
class Listening:
    """A stream in process."""

    channel: Any
    task: asyncio.Task[Any]
    id: Any

    async def told(self, count: int) -> list[dict[str, Any]]:
        """The first ``count`` messages, once they are there."""
        while len(self.channel.sent) < count:
            self.channel.news.clear()
            await self.channel.news.wait()
        return [dict(message) for message in self.channel.sent[:count]]

    @property
    def methods(self) -> list[str]:
        return [message["method"].removeprefix("notifications/") for message in self.channel.sent]


@asynccontextmanager
async def listening(
    client: Any, recorded: Any, wanted: Mapping[str, Any], *, id: Any = 7, acknowledged: bool = True, **how: Any
) -> AsyncGenerator[Listening]:
    channel = type(recorded)()
    asked = client.modern("subscriptions/listen", {"notifications": wanted}, channel=channel, id=id, **how)
    stream = Listening(channel, asyncio.create_task(asked), id)
    if acknowledged:
        await stream.told(1)
    try:
        yield stream
    finally:
        stream.task.cancel()
        await asyncio.gather(stream.task, return_exceptions=True)


def listeners(client: Any, catalog: Catalog) -> tuple[int, int, int, int]:
    """Who listens to anything."""
    lists, watchers = len(catalog._listeners), len(catalog._watchers)  # pyright: ignore[reportPrivateUsage]
    return len(client.engine.hub), lists, watchers, len(client.kernel.listening)


def request_of(agent: str, **input: Any) -> Any:
    from dragoman.engine import RunRequest

    return RunRequest(agent=agent, input=input)
