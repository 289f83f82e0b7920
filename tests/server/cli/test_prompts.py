"""Prompts in files through the command: served on a pipe, and a mistake in one told before anything is served."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conftest import Run

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def _prompt(folder: Path, text: str) -> None:
    (folder / "prompts").mkdir()
    (folder / "prompts" / "hello.md").write_text(text)


def _lines(*asked: tuple[str, dict[str, Any]]) -> str:
    messages = [
        {"jsonrpc": "2.0", "id": n, "method": method, "params": params} for n, (method, params) in enumerate(asked)
    ]
    return "".join(f"{json.dumps(message)}\n" for message in messages)


def test_a_prompt_beside_the_settings_is_served_on_a_pipe(folder: Path, run: Run) -> None:
    _prompt(folder, "---\ndescription: Greets\narguments: [{name: who}]\n---\nHi {{who}}.\n")
    asked = _lines(
        ("initialize", HELLO),
        ("prompts/list", {}),
        ("prompts/get", {"name": "hello", "arguments": {"who": "Ada"}}),
    )
    done = run("stdio", stdin=asked)
    assert done.returncode == 0, done.stderr
    answers = {answer["id"]: answer["result"] for answer in map(json.loads, done.stdout.splitlines())}
    assert [prompt["name"] for prompt in answers[1]["prompts"]] == ["hello"]
    assert answers[2]["messages"][0]["content"] == {"type": "text", "text": "Hi Ada."}


def test_a_client_is_told_of_a_prompt_that_comes_while_it_is_connected(
    folder: Path, environment: dict[str, str]
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dragoman.cli", "stdio"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(_lines(("initialize", HELLO)))
        process.stdin.flush()
        capabilities = json.loads(process.stdout.readline())["result"]["capabilities"]
        process.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        process.stdin.write(_lines(("prompts/list", {})))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["result"]["prompts"] == []
        _prompt(folder, "---\ndescription: Greets\n---\nHi.\n")
        told = {json.loads(process.stdout.readline())["method"]}
        process.stdin.write(_lines(("prompts/list", {})))
        process.stdin.flush()
        listed = json.loads(process.stdout.readline())["result"]["prompts"]
    finally:
        process.kill()
        process.communicate()
    assert capabilities["prompts"] == {"listChanged": True}
    assert told == {"notifications/prompts/list_changed"}
    assert [prompt["name"] for prompt in listed] == ["hello"]


def test_a_mistake_in_a_prompt_is_one_line_and_nothing_is_served(folder: Path, run: Run) -> None:
    _prompt(folder, "---\ndescription: Greets\ncolour: red\n---\nHi.\n")
    for command in (("serve", "--port", "0"), ("stdio",)):
        done = run(*command)
        assert done.returncode == 2
        assert done.stdout == ""
        line = done.stderr.splitlines()[-1]
        assert "prompts/hello.md: colour: extra inputs are not permitted" in line
