"""``dragoman connect``: the snippet for an MCP client's configuration. Reads and writes nothing, so that it is instant.

The snippet goes to stdout, where it belongs to stderr: the output can be redirected into the file.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dragoman.cli.errors import CommandError

__all__ = ["connect"]

DEFAULT_URL = "http://127.0.0.1:8000"

_FILES = {
    "claude": "claude_desktop_config.json (Claude Desktop: Settings, Developer, Edit Config)",
    "claude-code": ".mcp.json in the project",
    "cursor": ".cursor/mcp.json in the project, or ~/.cursor/mcp.json",
    "vscode": ".vscode/mcp.json in the project",
}


def connect(client: str, url: str | None, stdio: Path | None, name: str, *, with_key: bool) -> None:
    """Print the snippet for ``claude``, ``claude-code``, ``cursor`` or ``vscode``."""
    if url is not None and stdio is not None:
        raise CommandError("--url and --stdio are two ways to connect; give one.", 2)
    if stdio is not None:
        entry = _local(client, stdio)
    else:
        address = f"{(url or DEFAULT_URL).rstrip('/').removesuffix('/mcp')}/mcp"
        entry = _REMOTE[client](address, with_key)
    root = "servers" if client == "vscode" else "mcpServers"
    print(json.dumps({root: {name: entry}}, indent=2))
    print(f"# Goes into {_FILES[client]}.", file=sys.stderr)
    if client == "claude-code":
        print(f"# Or run: {_claude_command(name, entry)}", file=sys.stderr)


def _local(client: str, target: Path) -> dict[str, Any]:
    place = target.expanduser().absolute()
    if not place.exists() and not Path(re.sub(r":\w+$", "", str(place))).is_file():  # agents.py:hello
        raise CommandError(f"There is no {place}.", 2)
    entry = {"command": _own_command(), "args": ["stdio", str(place)]}
    return {"type": "stdio", **entry} if client == "vscode" else entry


def _own_command() -> str:
    """Absolute: a client started from a desktop does not have this environment on its path."""
    beside = Path(sys.executable).with_name("dragoman")
    called = Path(sys.argv[0])
    return str(called.absolute() if called.name == "dragoman" and called.is_file() else beside)


def _desktop(url: str, with_key: bool) -> dict[str, Any]:
    """Claude Desktop's file starts commands only; mcp-remote (npm) carries them to a URL."""
    if not with_key:
        return {"command": "npx", "args": ["-y", "mcp-remote", url]}
    # Without a space in the argument: some platforms split it there.
    arguments = ["-y", "mcp-remote", url, "--header", "X-API-Key:${DRAGOMAN_KEY}"]
    return {"command": "npx", "args": arguments, "env": {"DRAGOMAN_KEY": "dg_..."}}


def _http(reference: str, *, typed: bool) -> Callable[[str, bool], dict[str, Any]]:
    def entry(url: str, with_key: bool) -> dict[str, Any]:
        kind = {"type": "http"} if typed else {}
        headers = {"headers": {"Authorization": f"Bearer {reference}"}} if with_key else {}
        return {**kind, "url": url, **headers}

    return entry


_REMOTE: dict[str, Callable[[str, bool], dict[str, Any]]] = {
    "claude": _desktop,
    "claude-code": _http("${DRAGOMAN_KEY}", typed=True),
    "cursor": _http("${env:DRAGOMAN_KEY}", typed=False),
    "vscode": _http("${env:DRAGOMAN_KEY}", typed=True),
}


def _claude_command(name: str, entry: dict[str, Any]) -> str:
    if "command" in entry:
        return shlex.join(["claude", "mcp", "add", name, "--", entry["command"], *entry["args"]])
    header = ' --header "Authorization: Bearer $DRAGOMAN_KEY"' if "headers" in entry else ""
    return shlex.join(["claude", "mcp", "add", "--transport", "http", name, entry["url"]]) + header
