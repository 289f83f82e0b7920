"""``dragoman connect``: what each host's configuration gets, and that it costs nothing to ask."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Run

URL = "https://agents.example"


def _told(run: Run, *arguments: str | Path) -> Any:
    done = run("connect", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("host", "root", "entry"),
    [
        ("claude", "mcpServers", {"command": "npx", "args": ["-y", "mcp-remote", f"{URL}/mcp"]}),
        ("claude-code", "mcpServers", {"type": "http", "url": f"{URL}/mcp"}),
        ("cursor", "mcpServers", {"url": f"{URL}/mcp"}),
        ("vscode", "servers", {"type": "http", "url": f"{URL}/mcp"}),
        ("windsurf", "mcpServers", {"serverUrl": f"{URL}/mcp"}),
    ],
)
def test_a_host_gets_the_address_under_its_own_names(run: Run, host: str, root: str, entry: dict[str, Any]) -> None:
    assert _told(run, host, "--url", URL) == {root: {"dragoman": entry}}
    assert _told(run, host, "--url", f"{URL}/mcp/", "--name", "desk") == {root: {"desk": entry}}


@pytest.mark.parametrize(
    ("host", "value"),
    [
        ("claude-code", "Bearer ${DRAGOMAN_KEY}"),
        ("cursor", "Bearer ${env:DRAGOMAN_KEY}"),
        ("vscode", "Bearer ${input:dragoman-key}"),
        ("windsurf", "Bearer ${env:DRAGOMAN_KEY}"),
    ],
)
def test_a_key_is_referred_to_and_never_written(run: Run, host: str, value: str) -> None:
    told = _told(run, host, "--with-key")
    (servers,) = (table for key, table in told.items() if key != "inputs")
    assert servers["dragoman"]["headers"] == {"Authorization": value}


def test_what_a_reference_names_is_told_of_where_the_host_wants_it(run: Run) -> None:
    (asked,) = _told(run, "vscode", "--with-key")["inputs"]
    assert (asked["id"], asked["type"], asked["password"]) == ("dragoman-key", "promptString", True)
    desktop = _told(run, "claude", "--with-key")["mcpServers"]["dragoman"]
    assert desktop["args"][-1] == "X-API-Key:${DRAGOMAN_KEY}"
    assert desktop["env"] == {"DRAGOMAN_KEY": "dg_..."}


GOOSE_REMOTE = """\
extensions:
  mydesk_:
    enabled: true
    name: "My Desk é"
    description: "Agents served by Dragoman"
    timeout: 300
    type: "streamable_http"
    uri: "https://agents.example/mcp"
    env_keys: ["DRAGOMAN_KEY"]
    headers:
      Authorization: "Bearer ${DRAGOMAN_KEY}"
"""


def test_goose_gets_an_extension_under_the_key_that_it_makes_of_the_name(run: Run, folder: Path) -> None:
    remote = run("connect", "goose", "--url", URL, "--name", "My Desk é", "--with-key", PYTHONUTF8="1")
    assert remote.stdout == GOOSE_REMOTE
    local = run("connect", "goose", "--stdio", folder).stdout.splitlines()
    assert '    type: "stdio"' in local
    assert f'    args: ["stdio", "{folder}"]' in local
    command = next(line for line in local if line.startswith("    cmd: "))
    assert Path(json.loads(command.removeprefix("    cmd: "))).is_absolute()


@pytest.mark.parametrize("host", ["claude", "claude-code", "cursor", "vscode", "windsurf"])
def test_a_host_that_starts_the_server_gets_a_command_that_starts_it(run: Run, folder: Path, host: str) -> None:
    (servers,) = _told(run, host, "--stdio", folder / "dragoman.toml").values()
    entry = servers["dragoman"]
    assert entry.get("type") == ("stdio" if host == "vscode" else None)
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    first = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    done = run(*entry["args"], stdin=f"{first}\n")
    assert json.loads(done.stdout)["result"]["serverInfo"]["name"]
    assert Path(entry["command"]).name == "dragoman"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("cursor", "--url", URL, "--stdio", "agents.py"), "--url and --stdio"),
        (("cursor", "--stdio", "agents.py", "--with-key"), "--with-key"),
        (("cursor", "--stdio", "nothing.py"), "There is no"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run: Run, arguments: tuple[str, ...], told: str) -> None:
    done = run("connect", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_the_snippet_alone_is_on_stdout_and_its_place_on_stderr(run: Run) -> None:
    done = run("connect", "windsurf")
    assert json.loads(done.stdout)
    assert "~/.codeium/windsurf/mcp_config.json" in done.stderr


def test_it_imports_nothing_of_the_server() -> None:
    program = (
        "import sys; from dragoman.cli import main\n"
        "try: main(['connect', 'goose'])\n"
        "except SystemExit: pass\n"
        "heavy = ('starlette', 'mcp', 'httpx', 'dragoman.settings', 'dragoman.engine', 'dragoman.agents')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stderr.splitlines()[-1] == "[]"
