"""Commands that need no server: what they print, and that they start at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

# Not pydantic: Typer itself reads a command's options with it.
SLOW = {"starlette", "uvicorn", "httpx", "mcp", "a2a", "structlog", "sqlite3", "asyncio", "orjson"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["serve", "--help"], ["connect", "claude"], ["connect", "vscode", "--with-key"]]
)
def test_help_and_connect_import_nothing_that_takes_time(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dragoman.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert done.returncode == 0
    assert "dragoman.cli.commands" in imported
    assert not {name for name in imported if name.split(".")[0] in SLOW}
    assert not {
        name for name in imported if name.startswith("dragoman.") and name.split(".")[1] not in ("cli", "memory")
    }


def test_no_command_shows_them_all(run: Run) -> None:
    done = run()
    for name in ("serve", "stdio", "run", "runs", "approve", "init", "connect", "demo", "keys"):
        assert name in done.stdout


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version").stdout.startswith("dragoman 0.")


SNIPPETS: list[tuple[list[str], list[str], dict[str, Any]]] = [
    (["claude-code"], ["mcpServers", "dragoman"], {"type": "http", "url": "http://127.0.0.1:8000/mcp"}),
    (["cursor", "--url", "https://a.example/"], ["mcpServers", "dragoman"], {"url": "https://a.example/mcp"}),
    (
        ["vscode", "--url", "https://a.example/mcp"],
        ["servers", "dragoman"],
        {"type": "http", "url": "https://a.example/mcp"},
    ),
    (
        ["claude", "--name", "desk"],
        ["mcpServers", "desk"],
        {"command": "npx", "args": ["-y", "mcp-remote", "http://127.0.0.1:8000/mcp"]},
    ),
    (
        ["vscode", "--with-key"],
        ["servers", "dragoman"],
        {
            "type": "http",
            "url": "http://127.0.0.1:8000/mcp",
            "headers": {"Authorization": "Bearer ${input:dragoman-key}"},
        },
    ),
]


@pytest.mark.parametrize(("arguments", "path", "entry"), SNIPPETS)
def test_connect_prints_what_goes_into_the_clients_file(
    run: Run, arguments: list[str], path: list[str], entry: dict[str, Any]
) -> None:
    done = run("connect", *arguments)
    found = json.loads(done.stdout)
    assert found[path[0]][path[1]] == entry
    assert done.stderr.startswith("# Goes into ")


@pytest.mark.parametrize(
    ("client", "root"), [("claude", "mcpServers"), ("cursor", "mcpServers"), ("vscode", "servers")]
)
def test_connect_by_stdio_names_a_command_and_a_file_that_are_there(
    run: Run, folder: Path, client: str, root: str
) -> None:
    entry = json.loads(run("connect", client, "--stdio", "dragoman.toml").stdout)[root]["dragoman"]
    assert Path(entry["command"]).is_file()
    assert entry["args"] == ["stdio", str(folder / "dragoman.toml")]
    assert run("connect", client, "--stdio", "agents.py:greeter").returncode == 0


MISTAKES = [
    (["connect", "emacs"], 2, "Invalid value for 'client': 'emacs' is not one of 'claude', 'claude-code'"),
    (["connect", "claude", "--stdio", "gone.toml"], 2, "There is no "),
    (["connect", "claude", "--stdio", "dragoman.toml", "--url", "http://x"], 2, "--url and --stdio are two ways"),
    (["sevre"], 2, "No such command 'sevre'. Did you mean 'serve'?"),
    (["serve", "--prot", "1"], 2, "No such option: --prot"),
    (["serve", "--port", "x"], 2, "Invalid value for '--port'"),
    (["serve", "--port", "70000"], 2, "--port: input should be less than or equal to 65535, not 70000."),
    (["serve", "gone.toml"], 2, "gone.toml: cannot be read: No such file or directory."),
    (["serve", "gone.py"], 2, "gone.py: no file "),
    (["serve", "agents.py:gone"], 2, "agents.py:gone: agents.py:gone: no 'gone' there; its agents are: greeter, "),
    (["serve", "--host", "0.0.0.0"], 2, "0.0.0.0 can be reached from other machines, and nobody is asked for a key."),
    (["serve", "--host", "256.1.1.1", "--auth", "keys"], 2, "--host 256.1.1.1: "),
    (["stdio", "gone.py"], 2, "gone.py: no file "),
    (["runs"], 1, "No server is running here, and there is no ledger at "),
    (["approve", "x"], 1, "No server is running here, and there is no ledger at "),
    (["approve", "x", "--answer", "y", "--reject"], 2, "--answer stands alone"),
    (["run", "nobody", "x"], 1, "There is no agent 'nobody' here; there are: greeter, buyer"),
    (
        ["run", "greeter", '{"nam": 1}'],
        1,
        "Invalid input for greeter: name: Field required; nam: Extra inputs are not permitted.",
    ),
    (["runs", "--url", "http://127.0.0.1:1"], 1, "No server answers at http://127.0.0.1:1."),
    (["keys", "revoke", "nope"], 1, "There is no valid key 'nope'"),
]


@pytest.mark.parametrize(("arguments", "code", "told"), MISTAKES)
def test_a_mistake_is_one_line_on_stderr_and_an_exit_code(run: Run, arguments: list[str], code: int, told: str) -> None:
    done = run(*arguments)
    assert done.stderr.startswith(f"dragoman: {told}")
    assert done.stderr.count("\n") == 1
    assert (done.returncode, done.stdout) == (code, "")


def test_a_wrong_configuration_names_file_key_and_reason(run: Run, folder: Path) -> None:
    (folder / "dragoman.toml").write_text('agents = ["agents.py"]\n[server]\nprot = 8001\n')
    for arguments in (["serve"], ["stdio"], ["run", "greeter", "x"], ["runs"], ["keys", "list"]):
        done = run(*arguments)
        assert (done.returncode, done.stderr) == (
            2,
            "dragoman: dragoman.toml: [server] prot: unknown key; did you mean port?\n",
        )


def test_the_debug_variable_shows_the_traceback(run: Run) -> None:
    done = run("serve", "gone.toml", DRAGOMAN_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr


def test_init_overwrites_nothing(run: Run, folder: Path, tmp_path: Path) -> None:
    done = run("init")
    assert done.returncode == 1
    assert "agents.py is there already" in done.stderr
    assert run("init", tmp_path / "new" / "desk").returncode == 0
    assert {path.name for path in (tmp_path / "new" / "desk").iterdir()} == {
        "agents.py",
        "dragoman.toml",
        "README.md",
        ".gitignore",
    }
