"""What a server says of itself before anything is asked of it: ``server/discover``, ``initialize``, ``ping``.

Settles the version and what the client can do; what is offered, the kernel's other verbs serve. Follows 2026-07-28
"Discovery" and 2025-11-25 "Lifecycle".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman.mcp import apps, eras, params
from dragoman.mcp.call import CAPABILITY, TASKS, Call, Session, may_ask
from dragoman.mcp.settings import McpSettings
from dragoman.memory.model import Json

__all__ = ["Greeting"]

_OFFERED: Final[Mapping[str, Json]] = {
    "tools": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "prompts": {"listChanged": True},
    "completions": {},
    "logging": {},
}


class Greeting:
    """The verbs. ``server_info`` is the server's name, title and version."""

    def __init__(self, settings: McpSettings, server_info: Mapping[str, str]) -> None:
        self._settings = settings
        self._server_info = dict(server_info)
        self._cards: Mapping[str, Json] = {apps.UI: {}} if settings.companions else {}

    async def discover(self, call: Call) -> Mapping[str, Json]:
        """``server/discover``."""
        return {
            "supportedVersions": list(eras.SUPPORTED),
            "capabilities": {**_OFFERED, "extensions": {TASKS: {}, **self._cards}},
            "ttlMs": self._settings.list_ttl_ms,
            "cacheScope": "private",
            **self._instructions(),
        }

    async def initialize(self, call: Call) -> Mapping[str, Json]:
        """``initialize``: the version asked for if it is an older one, else the newest older one."""
        asked = params.text(call, "protocolVersion")
        version = asked if asked in eras.OLDER else eras.LATEST_OLDER
        declared = params.an_object(call, "capabilities")
        # Sessions are kept: of what a client declares, no more than is acted upon.
        known: dict[str, Json] = {name: {} for method, name in CAPABILITY.items() if may_ask(method, declared, version)}
        cards = bool(self._cards) and apps.declared(declared)
        if cards:
            known["extensions"] = {apps.UI: {"mimeTypes": [apps.MIME_TYPE]}}
        call.session = Session(version, known)
        return {
            "protocolVersion": version,
            "capabilities": {**_OFFERED, **({"extensions": self._cards} if cards else {})},
            "serverInfo": self._server_info,
            **self._instructions(),
        }

    async def ping(self, call: Call) -> Mapping[str, Json]:
        """``ping``."""
        return {}

    def _instructions(self) -> dict[str, Json]:
        return {"instructions": self._settings.instructions} if self._settings.instructions else {}
