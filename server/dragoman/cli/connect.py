"""``dragoman connect``: the snippet for an MCP host's configuration. Reads and writes nothing, so that it is instant.

The snippet goes to stdout, where it belongs to stderr: the output can be redirected into the file. How each host writes
it is in ``hosts``.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from dragoman.cli.errors import CommandError
from dragoman.cli.hosts import HOSTS, Entry

__all__ = ["connect"]

DEFAULT_URL = "http://127.0.0.1:8000"


def connect(client: str, url: str | None, stdio: Path | None, name: str, *, with_key: bool) -> None:
    """Print the snippet for one of ``HOSTS``. Raises ``CommandError`` for options that exclude each other."""
    if url is not None and stdio is not None:
        raise CommandError("--url and --stdio are two ways to connect; give one.", 2)
    if stdio is not None and with_key:
        raise CommandError("--with-key is for a server at a URL; one that the client starts itself asks for none.", 2)
    host = HOSTS[client]
    if stdio is not None:
        entry = host.local(_own_command(), ["stdio", _place(stdio)])
    else:
        entry = host.remote(f"{(url or DEFAULT_URL).rstrip('/').removesuffix('/mcp')}/mcp", with_key)
    print(host.written(name, entry))
    print(f"# Goes into {host.file}.", file=sys.stderr)
    if with_key:
        print(f"# {host.key_note}", file=sys.stderr)
    if client == "claude-code":
        print(f"# Or run: {_claude_command(name, entry)}", file=sys.stderr)


def _place(target: Path) -> str:
    place = target.expanduser().absolute()
    if not place.exists() and not Path(re.sub(r":\w+$", "", str(place))).is_file():  # agents.py:hello
        raise CommandError(f"There is no {place}.", 2)
    return str(place)


def _own_command() -> str:
    """Absolute: a client started from a desktop does not have this environment on its path."""
    beside = Path(sys.executable).with_name("dragoman")
    called = Path(sys.argv[0])
    return str(called.absolute() if called.name == "dragoman" and called.is_file() else beside)


def _claude_command(name: str, entry: Entry) -> str:
    if "command" in entry:
        return shlex.join(["claude", "mcp", "add", name, "--", entry["command"], *entry["args"]])
    header = ' --header "Authorization: Bearer $DRAGOMAN_KEY"' if "headers" in entry else ""
    return shlex.join(["claude", "mcp", "add", "--transport", "http", name, entry["url"]]) + header
