"""A2A clients as they come against ``dragoman serve``: one scripted conversation, the same states on each binding."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.protocols.a2a.process import Process

from .conftest import AGENTS, DEADLINE, DRIVERS
from .environments import node, npm_folder, python

pytestmark = [pytest.mark.interop, pytest.mark.timeout(700)]

TALKERS = Path(__file__).with_name("talkers.py")
Seen = dict[str, Any]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Process, None]:
    there = Process(tmp_path_factory.mktemp("a2a"), AGENTS.read_text())
    await there.start()
    yield there
    there.end()


@pytest.fixture
async def talkers(tmp_path: Path) -> AsyncGenerator[Process, None]:
    there = Process(tmp_path, TALKERS.read_text(), grpc=False)  # ADK refuses a card with an address that has no scheme
    await there.start()
    yield there
    there.end()


def see(*command: str, cwd: Path) -> Seen:
    """What a driver printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, cwd=cwd, env={**os.environ})
    assert done.returncode == 0, done.stderr[-4000:]
    seen: Seen = json.loads(done.stdout.splitlines()[-1])
    return seen


def had_the_conversation(seen: Seen) -> None:
    """The states of the script, and what was told beside them."""
    assert seen["greet"] == ["COMPLETED", "Hello, Ada!"]
    assert seen["asked"] == "INPUT_REQUIRED"
    assert seen["answered"] == ["COMPLETED", "refunded 500"]
    assert set(seen["streamed"][:-1]) == {"WORKING"}
    assert len(seen["streamed"]) == 5  # the task, three steps of progress, the end
    assert seen["streamed"][-1] == "COMPLETED"
    assert (seen["cancelled"], seen["got"]) == ("CANCELED", "CANCELED")
    assert seen["failed"] == "FAILED"


@pytest.mark.anyio
@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON", "GRPC"])
async def test_the_python_sdk_has_the_conversation_over_each_binding(
    server: Process, tmp_path: Path, binding: str
) -> None:
    had_the_conversation(see(sys.executable, str(DRIVERS / "a2a_sdk.py"), server.url, binding, cwd=tmp_path))


@pytest.mark.anyio
@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_the_javascript_sdk_has_the_conversation_over_both_its_bindings(server: Process, binding: str) -> None:
    folder = npm_folder("@a2a-js/sdk")
    script = shutil.copy(DRIVERS / "a2a_js.mjs", folder)
    had_the_conversation(see(str(node().executable), str(script), server.url, binding, cwd=folder))


@pytest.mark.anyio
async def test_a_raw_client_of_0_3_has_the_conversation(server: Process) -> None:
    seen: Seen = {}
    async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE) as http:

        async def call(agent: str, method: str, params: Any) -> Any:
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            return (await http.post(f"/a2a/{agent}", json=body)).json()["result"]

        def said(number: int, *, text: str = "", task: str = "", **data: Any) -> Any:
            part = {"kind": "data", "data": data} if data else {"kind": "text", "text": text}
            more = {"taskId": task} if task else {}
            message = {"kind": "message", "messageId": f"raw-{number}", "role": "user", "parts": [part], **more}
            return {"message": message}

        def state(task: Any) -> str:
            return str(task["status"]["state"]).replace("-", "_").upper()

        task = await call("greet", "message/send", said(1, name="Ada"))
        seen["greet"] = [state(task), task["artifacts"][0]["parts"][0]["data"]["text"]]
        task = await call("refund", "message/send", said(2, order_id="A-1", amount=500))
        seen["asked"] = state(task)
        task = await call("refund", "message/send", said(3, text="approve", task=task["id"]))
        seen["answered"] = [state(task), task["artifacts"][0]["parts"][0]["text"]]
        body = {"jsonrpc": "2.0", "id": 1, "method": "message/stream", "params": said(4, to=3)}
        seen["streamed"] = []
        async with http.stream("POST", "/a2a/count", json=body) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    told = json.loads(line.removeprefix("data: "))["result"]
                    seen["streamed"] += [state(told)] if "status" in told else []
        task = await call("refund", "message/send", said(5, order_id="A-2", amount=500))
        seen["cancelled"] = state(await call("refund", "tasks/cancel", {"id": task["id"]}))
        seen["got"] = state(await call("refund", "tasks/get", {"id": task["id"]}))
        seen["failed"] = state(await call("fail", "message/send", said(6, text="now")))
    had_the_conversation(seen)


@pytest.mark.anyio
async def test_adk_talks_to_an_agent_and_answers_its_question(talkers: Process, tmp_path: Path) -> None:
    """It has no states: its user sees texts, and the next message answers."""
    seen = see(str(python("google-adk")), str(DRIVERS / "a2a_adk.py"), talkers.url, cwd=tmp_path)
    assert seen == {"echo": ["you said hello"], "asks": ["", "Hello, Ada!"]}
