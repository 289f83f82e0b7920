"""``dragoman server-json``: the ``server.json`` that tells the MCP registry of a server: a remote, a bundle or both.

Follows the registry's schema of 2025-12-11 and its rules for publishing (server-json/official-registry-requirements).
Publishes nothing: ``mcp-publisher publish`` does.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dragoman.cli.about import Given, about
from dragoman.cli.bundle import loaded
from dragoman.cli.errors import CommandError
from dragoman.settings import Settings, is_loopback

__all__ = ["server_json"]

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
SHORT = 100
_NAME = re.compile(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the server is: ``url`` is a running one's public address, ``bundle`` a file that ``dragoman bundle`` made,
    ``bundle_url`` where others download that."""

    url: str | None = None
    bundle: Path | None = None
    bundle_url: str | None = None


def server_json(target: str | None, name: str, places: Places, given: Given, out: Path | None) -> None:
    """Write it to ``out``, or print it. Raises ``ConfigurationError`` and ``CommandError``."""
    if not _NAME.fullmatch(name) or len(name) > 200:
        raise CommandError(f"--name {name}: the registry's names are a namespace, / and a name: io.github.ada/desk.", 2)
    settings, found = loaded(target)
    package = _package(places)
    if package is not None and given.version is None:
        given = replace(given, version=package["version"])
    folder = settings.file.resolve().parent if settings.file else settings.base.resolve()
    told = about(folder, name.partition("/")[2], found, given)
    remote = _remote(settings, places.url)
    if package is None and remote is None:
        raise CommandError("Say where the server is: --url for a running one, --bundle and --bundle-url for a file.", 2)
    fields: dict[str, Any] = {
        "$schema": SCHEMA,
        "name": name,
        "title": told.title[:SHORT],
        "description": _short(told.description, given.description),
        "version": told.version,
        "websiteUrl": told.homepage,
        "repository": _repository(told.repository),
        "packages": [package] if package else None,
        "remotes": [remote] if remote else None,
    }
    text = json.dumps({key: value for key, value in fields.items() if value}, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    out.write_text(text, encoding="utf-8")
    print(out)


def _remote(settings: Settings, url: str | None) -> dict[str, Any] | None:
    """The server's MCP endpoint; with ``[auth] mode = "keys"``, also the header to ask users for."""
    address = url or settings.server.public_url
    if not address:
        return None
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise CommandError(f"--url {address}: an http or https address without query, as https://agents.example.", 2)
    if is_loopback(parts.hostname):
        raise CommandError(f"{address} is this machine's own; the registry lists what others can reach.", 2)
    remote: dict[str, Any] = {
        "type": "streamable-http",
        "url": f"{address.rstrip('/').removesuffix('/mcp')}/mcp",
    }
    if settings.auth.mode == "keys":
        key = {"description": "An API key of this server.", "isRequired": True, "isSecret": True}
        header = {"name": "Authorization", "description": "The API key.", "isRequired": True, "isSecret": True}
        remote["headers"] = [{**header, "value": "Bearer {api_key}", "variables": {"api_key": key}}]
    return remote


def _package(places: Places) -> dict[str, Any] | None:
    if places.bundle is None and places.bundle_url is None:
        return None
    if places.bundle is None or places.bundle_url is None:
        raise CommandError("--bundle and --bundle-url go together: the file, and where it is downloaded.", 2)
    if not re.fullmatch(r"https://[^/\s]+/\S+", places.bundle_url) or "mcp" not in places.bundle_url:
        raise CommandError(f"--bundle-url {places.bundle_url}: an https address of the .mcpb file.", 2)
    try:
        data = places.bundle.read_bytes()
        with zipfile.ZipFile(places.bundle) as archive:
            version = json.loads(archive.read("manifest.json"))["version"]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise CommandError(f"{places.bundle} is not a bundle that `dragoman bundle` made: {error}.", 2) from None
    return {
        "registryType": "mcpb",
        "identifier": places.bundle_url,
        "version": version,
        "fileSha256": hashlib.sha256(data).hexdigest(),
        "transport": {"type": "stdio"},
    }


def _repository(url: str | None) -> dict[str, str] | None:
    """Only hosts that the registry knows; others have no name there."""
    host = urlsplit(url or "").hostname
    source = {"github.com": "github", "gitlab.com": "gitlab"}.get(host or "")
    return {"url": url, "source": source} if url and source else None


def _short(text: str, given: str | None) -> str:
    """At most 100 characters. One that was typed is not cut, but refused."""
    if len(text) <= SHORT:
        return text
    if given is not None:
        raise CommandError(f"--description has {len(text)} characters; the registry takes {SHORT}.", 2)
    return f"{text[: SHORT - 1].rpartition(' ')[0] or text[: SHORT - 1]}…"
