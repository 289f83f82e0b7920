"""The npm inspector's command line, both lines of it, against ``dragoman serve`` and ``dragoman stdio``.

It asks for no progress and takes no person in either, so a question is answered by the handle, each call in a process
of its own.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import DEADLINE, Server
from .environments import Node, npm

pytestmark = [pytest.mark.interop, pytest.mark.timeout(700)]

OLD = "@modelcontextprotocol/inspector@0."
NEW = "@modelcontextprotocol/inspector@2."


class Inspector:
    """One version of it, for one server."""

    def __init__(self, pin: str, server: Server, runtime: Node, home: Path, *options: str) -> None:
        target = [server["url"], "--transport", "http"] if "url" in server else server["command"]
        self._command = [*npm(pin, "mcp-inspector"), "--cli", *target, *options]
        self._environment = {**runtime.environment, "HOME": str(home)}

    def ask(self, method: str, *options: str, code: int = 0) -> Any:
        """The result of one method, from one process."""
        done = subprocess.run(
            [*self._command, "--method", method, *options],
            env=self._environment,
            cwd=self._environment["HOME"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout)

    def call(self, tool: str, code: int = 0, **arguments: Any) -> Any:
        """The result of a tool."""
        given = [part for key, value in arguments.items() for part in ("--tool-arg", f"{key}={value}")]
        return self.ask("tools/call", "--tool-name", tool, *given, code=code)


@pytest.mark.parametrize(
    ("pin", "options", "failed"),
    [
        (OLD, (), 0),
        (NEW, ("--protocol-era", "legacy"), 5),
        (NEW, ("--protocol-era", "auto"), 5),
        (NEW, ("--protocol-era", "modern"), 5),
    ],
)
def test_the_inspector_lists_calls_and_goes_on_by_the_handle(
    server: Server, runtime: Node, tmp_path: Path, pin: str, options: tuple[str, ...], failed: int
) -> None:
    inspector = Inspector(pin, server, runtime, tmp_path, *options)
    tools = {tool["name"]: tool for tool in inspector.ask("tools/list")["tools"]}
    greeted = inspector.call("greet", name="Ada")
    refused = inspector.call("fail", code=failed)
    handle = inspector.call("refund", order_id="A-1", amount=500)
    run_id = handle["structuredContent"]["run_id"]
    answered = inspector.call("run_answer", run_id=run_id, answer="approve")
    assert {"greet", "refund", "run_answer"} <= set(tools)
    assert tools["greet"]["inputSchema"]["required"] == ["name"]
    assert greeted["structuredContent"] == {"text": "Hello, Ada!", "name": "Ada"}
    assert greeted["content"][0]["text"] == '{"text":"Hello, Ada!","name":"Ada"}'
    assert refused["isError"]
    assert refused["content"][0]["text"] == "the bank is closed"
    assert handle["structuredContent"]["status"] == "waiting"
    assert answered["structuredContent"]["output"] == "refunded 500"
