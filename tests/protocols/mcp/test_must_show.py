"""What a client sees of the processes themselves: both eras on one pipe, a stream closed in the middle of its run, and
a task that outlives the server that began it. ``dragoman stdio`` and ``dragoman serve`` as people start them, messages
as raw lines and requests.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

META = "io.modelcontextprotocol/"
TASKS: dict[str, Any] = {"extensions": {META + "tasks": {}}, "elicitation": {"form": {}}}
DEADLINE = 30.0

AGENTS = """
import asyncio
from pathlib import Path

from dragoman.agents import Context, agent


@agent(description="Say it back")
async def echo(ctx: Context, text: str) -> str:
    return text


async def _begin(folder: str) -> int:
    with Path(folder, "begun").open("a") as book:
        book.write("once\\n")
    return 1


@agent(description="Begin, wait until the gate is open, end")
async def gated(ctx: Context, folder: str) -> str:
    await ctx.step(_begin, folder)
    await ctx.progress(1, 2, "begun")
    while not Path(folder, "gate").exists():
        await asyncio.sleep(0.01)
    return "through"


@agent(description="Begin, then ask")
async def asks(ctx: Context, folder: str) -> str:
    await ctx.step(_begin, folder)
    return await ctx.ask("Go on?", choices=["yes", "no"])
"""


def _request(id: Any, method: str, params: Any = None, modern: bool = False, **meta: Any) -> dict[str, Any]:
    stamp: dict[str, Any] = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}, **meta}
    return {
        "jsonrpc": "2.0",
        "id": id,
        "method": method,
        "params": {**(params or {}), **({"_meta": stamp} if modern else {})},
    }


def _initialize(id: Any) -> dict[str, Any]:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "0"}}
    return _request(id, "initialize", hello)


def _echo(id: Any, text: str, modern: bool = False) -> dict[str, Any]:
    return _request(id, "tools/call", {"name": "echo", "arguments": {"text": text}}, modern)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with its agents."""
    (tmp_path / "agents.py").write_text(AGENTS)
    return tmp_path


def _command(folder: Path, verb: str, *options: str) -> list[str]:
    files = [str(folder / "agents.py"), "--storage", str(folder / "ledger.db")]
    return [sys.executable, "-m", "dragoman.cli", verb, *files, *options]


# -- one pipe ----------------------------------------------------------------------------------------------------------
class Pipe:
    """A ``dragoman stdio`` process, asked one line at a time."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            _command(folder, "stdio"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def tell(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def ask(self, message: dict[str, Any]) -> Any:
        """The result of a request: the next line, under its id."""
        self.tell(message)
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline())
        assert answer["id"] == message["id"]
        return answer["result"]

    def end(self) -> int:
        self._process.communicate(timeout=DEADLINE)
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def pipe(folder: Path) -> Iterator[Pipe]:
    """The process, ended with the test."""
    made = Pipe(folder)
    yield made
    made.kill()


def test_discover_then_initialize_then_a_call_on_one_pipe(pipe: Pipe) -> None:
    discovered = pipe.ask(_request("d", "server/discover", modern=True))
    initialized = pipe.ask(_initialize(1))
    pipe.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})
    called = pipe.ask(_echo(2, "older"))
    assert {"2026-07-28", "2025-11-25"} <= set(discovered["supportedVersions"])
    assert initialized["protocolVersion"] == "2025-11-25"
    assert called["structuredContent"] == {"result": "older"}
    assert "resultType" not in called
    assert pipe.end() == 0


def test_initialize_then_a_modern_call_on_one_pipe(pipe: Pipe) -> None:
    initialized = pipe.ask(_initialize(1))
    modern = pipe.ask(_echo("m", "modern", modern=True))
    older = pipe.ask(_echo(2, "older"))
    assert initialized["protocolVersion"] == "2025-11-25"
    assert modern["resultType"] == "complete"
    assert modern["structuredContent"] == {"result": "modern"}
    assert older["structuredContent"] == {"result": "older"}
    assert pipe.end() == 0


# -- over HTTP ---------------------------------------------------------------------------------------------------------
class Server:
    """A ``dragoman serve`` process over the project's ledger, ready."""

    def __init__(self, folder: Path) -> None:
        with (folder / "stderr.log").open("a") as log:
            self._process = subprocess.Popen(
                _command(folder, "serve", "--port", "0"), stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        lines = (line.split()[-1] for line in self._process.stdout if line.startswith("  Agent Protocol"))
        address = next(lines, None)
        if address is None:
            self.kill()
            raise AssertionError((folder / "stderr.log").read_text())
        self.url = f"{address.rstrip('/')}/mcp"

    def request(self, method: str, params: dict[str, Any], **meta: Any) -> dict[str, Any]:
        """The arguments of an HTTP request that carries a modern message."""
        name = params.get("name") or params.get("taskId", "")
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": method,
            "mcp-name": name,
        }
        return {"url": self.url, "headers": headers, "json": _request(1, method, params, modern=True, **meta)}

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """The result of a request, over a connection of its own, of a client that takes tasks and questions."""
        sent = self.request(method, params, **{META + "clientCapabilities": TASKS})
        answer = httpx.post(**sent, timeout=DEADLINE).json()
        assert "result" in answer, answer
        return answer["result"]

    def start(self, agent: str, folder: Path) -> str:
        """The id of a new task."""
        created = self.ask("tools/call", {"name": agent, "arguments": {"folder": str(folder)}})
        assert created["resultType"] == "task"
        task_id: str = created["taskId"]
        return task_id

    def poll(self, task_id: str, status: str) -> Any:
        """The task, once it has a status."""
        deadline = time.monotonic() + DEADLINE
        while (task := self.ask("tasks/get", {"taskId": task_id}))["status"] != status:
            assert time.monotonic() < deadline, task
            time.sleep(0.02)  # a client polls: there is no event
        return task

    def kill(self) -> None:
        """``kill -9``, by its process id."""
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.communicate()


@pytest.fixture
def servers(folder: Path) -> Iterator[list[Server]]:
    """The processes of a test; one is up."""
    up = [Server(folder)]
    yield up
    for server in up:
        server.kill()


def test_a_client_that_closes_its_stream_in_the_middle_finds_the_run_completed_later(
    servers: list[Server], folder: Path
) -> None:
    (server,) = servers
    call = {"name": "gated", "arguments": {"folder": str(folder)}}
    meta: dict[str, Any] = {"progressToken": "p", "dragoman/idempotencyKey": "k"}
    with httpx.stream("POST", **server.request("tools/call", call, **meta), timeout=DEADLINE) as stream:
        told = next(line for line in stream.iter_lines() if line.startswith("data:"))
    assert json.loads(told.removeprefix("data:"))["params"]["message"] == "begun"
    meta |= {META + "clientCapabilities": TASKS}  # the same call again, from a client that takes tasks
    task = httpx.post(**server.request("tools/call", call, **meta), timeout=DEADLINE).json()["result"]
    assert (task["resultType"], task["status"]) == ("task", "working")
    (folder / "gate").touch()
    completed = server.poll(task["taskId"], "completed")
    assert completed["result"]["structuredContent"] == {"result": "through"}
    assert (folder / "begun").read_text() == "once\n"


def test_a_client_that_goes_away_in_the_middle_of_a_task_finds_it_completed_later(
    servers: list[Server], folder: Path
) -> None:
    (server,) = servers
    task_id = server.start("gated", folder)
    assert server.poll(task_id, "working")["taskId"] == task_id
    (folder / "gate").touch()
    completed = server.poll(task_id, "completed")
    assert completed["result"]["structuredContent"] == {"result": "through"}


def test_tasks_are_polled_answered_and_completed_through_a_second_process_after_the_first_was_killed(
    servers: list[Server], folder: Path
) -> None:
    (first,) = servers
    working, waiting = first.start("gated", folder), first.start("asks", folder)
    assert first.poll(waiting, "input_required")["inputRequests"]
    first.kill()
    second = Server(folder)
    servers.append(second)
    assert second.poll(working, "working")["taskId"] == working
    asked = second.poll(waiting, "input_required")["inputRequests"]
    accepted = {key: {"action": "accept", "content": {"answer": "yes"}} for key in asked}
    second.ask("tasks/update", {"taskId": waiting, "inputResponses": accepted})
    (folder / "gate").touch()
    assert second.poll(waiting, "completed")["result"]["structuredContent"] == {"result": "yes"}
    assert second.poll(working, "completed")["result"]["structuredContent"] == {"result": "through"}
    assert (folder / "begun").read_text() == "once\n" * 2  # each run's first step, once
