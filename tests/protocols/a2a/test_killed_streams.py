"""Streams through ``kill -9``: who comes back with the id of the last update has the whole sequence, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .bindings import Binding, Update, connected
from .conftest import a_message
from .process import Process

pytestmark = pytest.mark.anyio

AGENTS = '''
from dragoman.agents import Context, agent

async def nothing() -> None:
    pass

@agent
async def tells(ctx: Context, chunks: int) -> str:
    """Streams many chunks, each in a commit of its own, and keeps count of what is done in the journal."""
    for n in range(chunks):
        await ctx.step(_say, ctx, n, key=f"say-{n}")
    return "".join(f"{n} " for n in range(chunks))

async def _say(ctx: Context, n: int) -> None:
    await ctx.stream_text(f"{n} ")
'''


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    there = Process(tmp_path, AGENTS)
    yield there
    there.end()


class Reader:
    """A subscriber that reads until it is cut off, and goes on behind the last update that it had."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.seen: list[Update] = []
        self.advanced = asyncio.Event()

    async def read(self, client: Binding, enough: int | None = None) -> None:
        """To the end of the task, or to where the connection breaks. Tells when it has had ``enough``."""
        last = {"last_event_id": self.seen[-1][0]} if self.seen else {}
        try:
            async for update in client.stream("SubscribeToTask", {"id": self.task}, **last):
                self.seen.append(update)
                if enough is not None and len(self.seen) >= enough:
                    self.advanced.set()
        except httpx.TransportError:
            assert enough is not None, "the server that was not killed broke a stream off"


def text_of(seen: list[Update]) -> str:
    """An artifact as its chunks tell it, the first of which says where it stood when the stream began."""
    text = ""
    for _, update in seen:
        for artifact in update.get("task", {}).get("artifacts", []):
            text = artifact["parts"][0]["text"]
        if (told := update.get("artifactUpdate")) is not None:
            part = told["artifact"]["parts"][0]["text"]
            text = text + part if told.get("append") else part
    return text


@pytest.mark.parametrize("chunks", [300, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.requirement("a2a.events.order")
async def test_three_subscribers_have_every_chunk_once_through_a_kill(process: Process, chunks: int) -> None:
    whole = "".join(f"{n} " for n in range(chunks))
    await process.start()
    async with (
        asyncio.timeout(110),
        connected("JSON-RPC", process.url, process.grpc, "tells") as rpc,
        connected("HTTP+JSON", process.url, process.grpc, "tells") as rest,
    ):
        sent = {"message": a_message({"data": {"chunks": chunks}}), "configuration": {"returnImmediately": True}}
        task = (await rpc.call("SendMessage", sent))["task"]["id"]
        readers = [(Reader(task), client) for client in (rpc, rest, rpc)]
        enough = (20, 40, 60)
        reading = [asyncio.ensure_future(r.read(c, n)) for (r, c), n in zip(readers, enough, strict=True)]
        await asyncio.gather(*(reader.advanced.wait() for reader, _ in readers))
        process.end()
        await asyncio.gather(*reading)
        had = [len(reader.seen) for reader, _ in readers]
        assert all(text_of(reader.seen) != whole for reader, _ in readers), "it was over before the kill"
        await process.start()
        await asyncio.gather(*(reader.read(client) for reader, client in readers))
        for (reader, _), before in zip(readers, had, strict=True):
            assert len(reader.seen) > before
            assert text_of(reader.seen) == whole
            # The Task that a stream begins with stands at the place where it begins; every update is there once.
            ids = [id for id, update in reader.seen if "task" not in update]
            assert len(set(ids)) == len(ids)
            assert sum("task" in update for _, update in reader.seen) == 2
            assert reader.seen[-1][1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"
        told = await rest.call("GetTask", {"id": task})
        assert told["artifacts"][0]["parts"][0]["text"] == whole
