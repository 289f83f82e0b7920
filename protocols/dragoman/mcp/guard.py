"""Who may reach the endpoint from a browser: the Host and Origin checks against DNS rebinding.

Authentication is not here; it comes before. Follows 2026-07-28 "Streamable HTTP", "Security & Endpoint".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from dragoman.mcp.settings import McpSettings

__all__ = ["Guard"]

_REMEMBERED: Final = 256


class Guard:
    """Judges headers; what was let in before is let in at the price of a lookup."""

    def __init__(self, settings: McpSettings) -> None:
        self._hosts = frozenset(h.lower() for h in settings.allowed_hosts)
        self._origins = frozenset(o.lower().rstrip("/") for o in settings.allowed_origins)
        self._known: set[tuple[bytes | None, bytes | None]] = set()

    def refusal(self, headers: Mapping[bytes, bytes]) -> tuple[int, str] | None:
        """The HTTP status and reason to refuse with, or None."""
        seen = (headers.get(b"host"), headers.get(b"origin"))
        if seen in self._known:
            return None
        host, origin = ((v or b"").decode("latin-1").lower() for v in seen)
        if not self._host_allowed(host):
            return 421, f"The host {host[:100]!r} is not one that this server answers for; allow it in its settings."
        if origin and not self._origin_allowed(origin):
            return 403, f"The origin {origin[:100]!r} is not allowed; allow it in the server's settings."
        if len(self._known) < _REMEMBERED:
            self._known.add(seen)
        return None

    def _host_allowed(self, host: str) -> bool:
        return "*" in self._hosts or _without_port(host) in self._hosts

    def _origin_allowed(self, origin: str) -> bool:
        if "*" in self._origins or origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return False
        return _without_port(parts.netloc) in self._hosts


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
