"""How each MCP host writes a server into its configuration. Pure: from an address or a command to an entry.

Every host has its own names for the same few things; the table at the end is all that ``connect`` knows of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["HOSTS", "Entry", "Host"]

Entry: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Host:
    """``remote`` makes the entry for an address, with or without a key; ``local`` the one for a command and its
    arguments; ``written`` the file's text from the server's name and its entry. ``key_note`` is where the key for
    ``--with-key`` comes from."""

    file: str
    remote: Callable[[str, bool], Entry]
    local: Callable[[str, Sequence[str]], Entry]
    written: Callable[[str, Entry], str]
    key_note: str = "The key is read from the environment variable DRAGOMAN_KEY of the host's process."


def _desktop(url: str, with_key: bool) -> Entry:
    """Claude Desktop's file starts commands only; mcp-remote (npm) carries them to a URL."""
    if not with_key:
        return {"command": "npx", "args": ["-y", "mcp-remote", url]}
    # Without a space in the argument: some platforms split it there.
    arguments = ["-y", "mcp-remote", url, "--header", "X-API-Key:${DRAGOMAN_KEY}"]
    return {"command": "npx", "args": arguments, "env": {"DRAGOMAN_KEY": "dg_..."}}


def _http(key: str, *, address: str = "url", kind: Mapping[str, str] | None = None) -> Callable[[str, bool], Entry]:
    """``key`` is how the host's file refers to the key."""

    def entry(url: str, with_key: bool) -> Entry:
        headers = {"headers": {"Authorization": f"Bearer {key}"}} if with_key else {}
        return {**(kind or {}), address: url, **headers}

    return entry


def _command(command: str, arguments: Sequence[str]) -> Entry:
    return {"command": command, "args": list(arguments)}


def _servers(name: str, entry: Entry) -> str:
    return json.dumps({"mcpServers": {name: entry}}, indent=2)


def _vscode(name: str, entry: Entry) -> str:
    file: dict[str, Any] = {"servers": {name: entry}}
    if "headers" in entry:
        asked = {"type": "promptString", "id": "dragoman-key", "description": "Dragoman API key", "password": True}
        file["inputs"] = [asked]
    return json.dumps(file, indent=2)


def _goose_remote(url: str, with_key: bool) -> Entry:
    key = {"env_keys": ["DRAGOMAN_KEY"], "headers": {"Authorization": "Bearer ${DRAGOMAN_KEY}"}} if with_key else {}
    return {"type": "streamable_http", "uri": url, **key}


def _goose(name: str, entry: Entry) -> str:
    # The key under which goose looks for an extension of this name; it reads none that lacks a description.
    key = re.sub(r"[^a-z0-9_-]", "_", re.sub(r"\s", "", name).lower())
    told = {"enabled": True, "name": name, "description": "Agents served by Dragoman", "timeout": 300}
    return "\n".join(_yaml({"extensions": {key: {**told, **entry}}}))


def _yaml(value: Mapping[str, Any], indent: str = "") -> list[str]:
    """As YAML: mappings as blocks; the rest as JSON, which is YAML too."""
    lines: list[str] = []
    for key, inner in value.items():
        told = key if re.fullmatch(r"[A-Za-z_][\w-]*", key) else json.dumps(key, ensure_ascii=False)
        if isinstance(inner, Mapping):
            lines += [f"{indent}{told}:", *_yaml(inner, f"{indent}  ")]  # pyright: ignore[reportUnknownArgumentType]
        else:
            lines.append(f"{indent}{told}: {json.dumps(inner, ensure_ascii=False)}")
    return lines


HOSTS: Mapping[str, Host] = {
    "claude": Host(
        "claude_desktop_config.json (Claude Desktop: Settings, Developer, Edit Config)",
        _desktop,
        _command,
        _servers,
        "Put the key in place of dg_...",
    ),
    "claude-code": Host(
        ".mcp.json in the project", _http("${DRAGOMAN_KEY}", kind={"type": "http"}), _command, _servers
    ),
    "cursor": Host(
        ".cursor/mcp.json in the project, or ~/.cursor/mcp.json", _http("${env:DRAGOMAN_KEY}"), _command, _servers
    ),
    "vscode": Host(
        ".vscode/mcp.json in the project",
        _http("${input:dragoman-key}", kind={"type": "http"}),
        lambda command, arguments: {"type": "stdio", **_command(command, arguments)},
        _vscode,
        "VS Code asks for the key when it starts the server, and keeps it.",
    ),
    "goose": Host(
        "~/.config/goose/config.yaml, into the extensions that are there",
        _goose_remote,
        lambda command, arguments: {"type": "stdio", "cmd": command, "args": list(arguments)},
        _goose,
        "The key is the secret DRAGOMAN_KEY of goose's keyring, or the environment variable.",
    ),
    "windsurf": Host(
        "~/.codeium/windsurf/mcp_config.json", _http("${env:DRAGOMAN_KEY}", address="serverUrl"), _command, _servers
    ),
}
