"""The pipe, line by line: both eras in any order, noise, and its end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dragoman.agents import Agent, Context, agent
from dragoman.mcp import McpSettings
from dragoman.mcp.stdio import serve_pipe
from dragoman.memory.model import Principal, RunStatus

Start = Callable[..., AbstractAsyncContextManager[Any]]
SERVED = Path(__file__).with_name("served.py")
META = "io.modelcontextprotocol/"
MODERN: dict[str, Any] = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
CALLER = Principal("acme", "ada")


def _request(id: Any, method: str, params: Any = None, modern: bool = False) -> dict[str, Any]:
    stamped: dict[str, Any] = {**(params or {}), **({"_meta": MODERN} if modern else {})}
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": stamped}


def _call(id: Any, name: str, modern: bool = False, **arguments: Any) -> dict[str, Any]:
    return _request(id, "tools/call", {"name": name, "arguments": arguments}, modern)


def _initialize(id: Any, version: str = "2025-11-25", **capabilities: Any) -> dict[str, Any]:
    info = {"name": "raw", "version": "0"}
    return _request(id, "initialize", {"protocolVersion": version, "capabilities": capabilities, "clientInfo": info})


def _lines(messages: list[Any]) -> bytes:
    return b"".join(m if isinstance(m, bytes) else json.dumps(m).encode() + b"\n" for m in messages)


def _run(tmp_path: Path, messages: list[Any]) -> list[Any]:
    """What a process answers to these lines, by lines; its standard input is a file."""
    script = tmp_path / "script"
    script.write_bytes(_lines(messages))
    with script.open("rb") as source:
        done = subprocess.run(
            [sys.executable, str(SERVED), str(tmp_path / "ledger.db")], stdin=source, capture_output=True, timeout=30
        )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


class Pipe:
    """The client end of a served pipe."""

    def __init__(self, engine: Any, to_server: int, reader: asyncio.StreamReader) -> None:
        self.engine = engine
        self._to_server = to_server
        self._reader = reader

    def send(self, *messages: Any) -> None:
        os.write(self._to_server, _lines(list(messages)))

    async def receive(self) -> Any:
        return json.loads(await self._reader.readline())

    def close(self) -> None:
        if self._to_server >= 0:
            os.close(self._to_server)
        self._to_server = -1


@asynccontextmanager
async def _pipe(in_process: Start, *agents: Agent, **changes: Any) -> AsyncGenerator[Pipe]:
    async with in_process(*agents) as client:
        source, to_server = os.pipe()
        from_server, sink = os.pipe()
        given: dict[str, Any] = {"state_key": b"k" * 32, "version": "1", "inline_wait": 0.05, **changes}
        settings = McpSettings(**given)
        serving = asyncio.create_task(serve_pipe(client.engine, CALLER, settings, source, sink))
        reader = asyncio.StreamReader(limit=4_000_000)
        file = os.fdopen(from_server, "rb")
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        pipe = Pipe(client.engine, to_server, reader)
        try:
            yield pipe
        finally:
            pipe.close()
            await serving
            transport.close()
            os.close(source)
            os.close(sink)


@pytest.mark.requirement("base.result-type", "transports.directions")
def test_both_eras_are_spoken_on_one_pipe_in_any_order(tmp_path: Path) -> None:
    answers = _run(
        tmp_path,
        [
            _request("d", "server/discover", modern=True),
            _initialize(1, "2025-06-18"),
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            _call(2, "echo", text="older"),
            _call("m", "echo", modern=True, text="modern"),
            _request(3, "ping"),
        ],
    )
    by_id = {a["id"]: a["result"] for a in answers}
    assert by_id["d"]["resultType"] == "complete"
    assert by_id[1]["protocolVersion"] == "2025-06-18"
    assert by_id[2]["structuredContent"] == {"result": "older"}
    assert "resultType" not in by_id[2]
    assert by_id["m"]["resultType"] == "complete"
    assert by_id[3] == {}


@pytest.mark.requirement("base.notification-unanswered", "stdio.stdout-messages-only")
def test_noise_is_answered_as_noise_and_what_is_printed_never_mixes_with_the_answers(tmp_path: Path) -> None:
    answers = _run(
        tmp_path,
        [
            b"what is this\n",
            b"\n   \n",
            b"\xff\xfe\n",
            _request(1, "no/such/method"),
            _request(2, "server/discover"),
            {"jsonrpc": "2.0", "id": "stray", "result": {}},
            {"jsonrpc": "2.0", "method": "notifications/none"},
            _call(3, "echo", text="printed by the agent too"),
            b'{"jsonrpc":"2.0","id":4,"method":"ping"}',  # without a newline at its end
        ],
    )
    codes = {a.get("id"): a["error"]["code"] for a in answers if "error" in a}
    assert codes == {None: -32700, 1: -32601, 2: -32602}
    assert len([a for a in answers if a.get("id") is None]) == 2
    assert {a["id"] for a in answers if "result" in a} == {3, 4}


def test_what_is_at_work_when_the_input_ends_is_answered_before_the_process_does(tmp_path: Path) -> None:
    (answer,) = _run(tmp_path, [_call(1, "slow", seconds=0.6)])
    assert answer["result"]["structuredContent"] == {"result": "at last"}


def test_a_client_that_closes_its_end_ends_the_process_in_peace(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(SERVED), str(tmp_path / "ledger.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(_lines([_request(1, "ping")]))
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1
    process.stdout.close()
    process.stdin.write(_lines([_request(2, "ping"), _request(3, "ping")]))
    process.stdin.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=20) == 0
    assert b"Traceback" not in told


@pytest.mark.anyio
async def test_a_quick_request_is_not_kept_waiting_by_a_slow_one(in_process: Start) -> None:
    async with _pipe(in_process) as pipe:
        pipe.send(_call(1, "slow", seconds=0.3), _call(2, "echo", text="quick"))
        assert [(await pipe.receive())["id"], (await pipe.receive())["id"]] == [2, 1]


@pytest.mark.anyio
async def test_a_message_comes_in_pieces_or_many_at_once_and_a_large_answer_goes_out_whole(in_process: Start) -> None:
    large = "x" * 300_000
    async with _pipe(in_process) as pipe:
        whole = _lines([_call(1, "echo", text=large), _request(2, "ping")])
        for start in range(0, len(whole), 50_000):
            await asyncio.get_running_loop().run_in_executor(None, pipe.send, whole[start : start + 50_000])
        answers = [await pipe.receive(), await pipe.receive()]
    (said,) = [a for a in answers if a["id"] == 1]
    assert {a["id"] for a in answers} == {1, 2}
    assert said["result"]["structuredContent"] == {"result": large}


@pytest.mark.anyio
async def test_a_line_that_is_too_long_is_refused_and_the_next_one_is_taken(in_process: Start) -> None:
    async with _pipe(in_process, max_message=1000) as pipe:
        for size in (2_000, 200_000):
            await asyncio.get_running_loop().run_in_executor(None, pipe.send, b"x" * size + b"\n")
            assert (await pipe.receive())["error"]["code"] == -32600
        pipe.send(_request(1, "ping"))
        assert (await pipe.receive())["id"] == 1


@pytest.mark.anyio
async def test_a_question_is_asked_and_answered_on_the_pipe(in_process: Start) -> None:
    async with _pipe(in_process) as pipe:
        pipe.send(_initialize(0, elicitation={}))
        await pipe.receive()
        pipe.send(_call(1, "refund", order_id="A", amount=500))
        asked = await pipe.receive()
        answer = {"action": "accept", "content": {"answer": "approve"}}
        pipe.send({"jsonrpc": "2.0", "id": asked["id"], "result": answer})
        done = await pipe.receive()
    assert asked["method"] == "elicitation/create"
    assert done["result"]["structuredContent"] == {"result": "refunded 500"}


@pytest.mark.anyio
async def test_a_call_with_an_open_question_is_answered_with_a_handle_when_the_input_ends(in_process: Start) -> None:
    async with _pipe(in_process) as pipe:
        pipe.send(_initialize(0, elicitation={}))
        await pipe.receive()
        pipe.send(_call(1, "refund", order_id="A", amount=500))
        await pipe.receive()
        pipe.close()
        handle = await pipe.receive()
    assert handle["result"]["structuredContent"]["status"] == "waiting"


@pytest.mark.requirement("stdio.silent-after-cancel")
@pytest.mark.anyio
async def test_cancelling_ends_the_run_and_the_request_stays_unanswered(in_process: Start, the_run: Any) -> None:
    at_work = asyncio.Event()

    @agent(description="Work until cancelled")
    async def tireless(ctx: Context) -> None:
        at_work.set()
        await asyncio.get_running_loop().create_future()

    async with _pipe(in_process, tireless) as pipe:
        pipe.send(_call(1, "tireless"))
        await at_work.wait()
        pipe.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        view = await the_run(pipe.engine, CALLER)
        run = await pipe.engine.wait(CALLER, view.run.id, 10)
        pipe.send(_request(2, "ping"))
        assert (await pipe.receive())["id"] == 2
    assert run.status is RunStatus.CANCELLED
