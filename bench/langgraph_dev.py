"""The LangGraph SDK's journeys against ``langgraph dev`` on the same machine: a thread and a run waited for, and the
first event of a stream.

Theirs is measured where there is an environment that has it: ``LANGGRAPH_DEV`` names its folder, or
``.interop/langgraph-dev``. Both serve an echo, in one process, from another core than the client's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import httptools
import uvloop
from measure import HERE, free_port, server

HOME = Path(os.environ.get("LANGGRAPH_DEV", HERE.parent / ".interop" / "langgraph-dev"))
GRAPH = """
from langgraph.graph import END, START, MessagesState, StateGraph

def echo(state):
    return {"messages": [{"role": "assistant", "content": state["messages"][-1].content}]}

builder = StateGraph(MessagesState)
builder.add_node("echo", echo)
builder.add_edge(START, "echo")
builder.add_edge("echo", END)
graph = builder.compile()
"""
INPUT = {"messages": [{"role": "user", "content": "hello"}]}
Journey = Callable[["Client"], Awaitable[float]]


class Client(asyncio.Protocol):
    """One keep-alive connection: a request, then its answer."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.body = bytearray()
        self.first = 0.0
        self.answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.parser: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.first = self.first or time.perf_counter()
        self.body += body

    def on_message_complete(self) -> None:
        self.answer.set_result(None)

    async def post(self, path: str, body: object) -> bytes:
        """What the server answered. Raises ``RuntimeError`` for anything but 200."""
        raw = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}"
        )
        self.body.clear()
        self.first, self.answer = 0.0, asyncio.get_running_loop().create_future()
        self.parser = httptools.HttpResponseParser(self)
        self.transport.write(head.encode() + b"\r\nUser-Agent: langgraph-sdk-py/0.4.14\r\n\r\n" + raw)
        await self.answer
        if self.parser.get_status_code() != 200:
            raise RuntimeError(f"{path}: {self.parser.get_status_code()} {bytes(self.body[:300])!r}")
        return bytes(self.body)


async def waited(client: Client) -> float:
    """Seconds for a thread and a run on it."""
    began = time.perf_counter()
    thread = json.loads(await client.post("/threads", {}))["thread_id"]
    answer = await client.post(f"/threads/{thread}/runs/wait", {"assistant_id": "echo", "input": INPUT})
    took = time.perf_counter() - began
    if json.loads(answer)["messages"][-1]["content"] != "hello":
        raise RuntimeError(f"no echo: {answer[:300]!r}")
    return took


async def streamed(client: Client) -> float:
    """Seconds to the first event of a stateless run."""
    began = time.perf_counter()
    await client.post("/runs/stream", {"assistant_id": "echo", "input": INPUT, "stream_mode": ["values"]})
    return client.first - began


async def _repeat(port: int, journey: Journey, connections: int, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()

    async def one() -> list[float]:
        _, client = await loop.create_connection(Client, "127.0.0.1", port)
        found = [await journey(client)]
        while time.perf_counter() < until:
            found.append(await journey(client))
        client.transport.close()
        return found

    return [t for found in await asyncio.gather(*(one() for _ in range(connections))) for t in found]


def _figures(port: int, seconds: float) -> dict[str, float]:
    uvloop.run(_repeat(port, waited, 1, 1.0))
    alone = uvloop.run(_repeat(port, waited, 1, seconds))
    first = uvloop.run(_repeat(port, streamed, 1, seconds))
    began = time.perf_counter()
    many = uvloop.run(_repeat(port, waited, 16, seconds))
    return {
        "wait_p50_ms_c1": round(statistics.median(alone) * 1000, 2),
        "first_event_p50_ms_c1": round(statistics.median(first) * 1000, 2),
        "runs_per_second_c16": round(len(many) / (time.perf_counter() - began), 1),
    }


def measure(seconds: float) -> dict[str, Any]:
    """Ours, theirs where it is there, and how many times better ours is."""
    with _on_second_core():
        return _both(seconds)


@contextlib.contextmanager
def _on_second_core() -> Generator[None]:
    """The servers are on the first one."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {1})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _both(seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        ours = [sys.executable, str(HERE / "served.py"), str(port), "uvloop", "httptools", str(Path(folder) / "b.db")]
        with server(ours, port):
            found: dict[str, Any] = {"ours": _figures(port, seconds)}
        command = HOME / "bin" / "langgraph"
        if not command.exists():
            return found
        (Path(folder) / "graph.py").write_text(GRAPH)
        settings = {"dependencies": [folder], "graphs": {"echo": f"{folder}/graph.py:graph"}}
        (Path(folder) / "langgraph.json").write_text(json.dumps(settings))
        port = free_port()
        config = str(Path(folder) / "langgraph.json")
        theirs = [str(command), "dev", "--config", config, "--no-browser", "--no-reload", "--port", str(port)]
        with server(
            [*theirs, "--host", "127.0.0.1", "--n-jobs-per-worker", "16"], port, quiet=True, folder=Path(folder)
        ):
            found["theirs"] = _figures(port, max(seconds, 10.0))
    mine, other = found["ours"], found["theirs"]
    found["times_faster_c1"] = round(other["wait_p50_ms_c1"] / mine["wait_p50_ms_c1"])
    found["first_event_times_faster"] = round(other["first_event_p50_ms_c1"] / mine["first_event_p50_ms_c1"])
    found["times_the_runs_c16"] = round(mine["runs_per_second_c16"] / other["runs_per_second_c16"])
    return found


if __name__ == "__main__":
    print(json.dumps(measure(5.0), indent=2))
