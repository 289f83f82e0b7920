"""Which names a request may call this server by, and which web pages may send one.

A web page of anyone can make a browser ask ``http://its-own-name/``, pointed at 127.0.0.1 (DNS rebinding), or post to
127.0.0.1 itself. Neither knows a key; a server without keys tells them apart by Host and Origin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from dragoman.auth.asgi import ASGIApp, Headers, Receive, Scope, Send, header, refuse

__all__ = ["HostGate"]

_LOOPBACK = re.compile(r"localhost|\[::1\]|127(\.\d{1,3}){3}")


class HostGate:
    """Answers 400 to a Host and 403 to an Origin that is neither this machine's nor allowed.

    A request with several Hosts, or none, is 400 too (RFC 9112 section 3.2): a proxy may have gone by another of them.
    ``hosts`` are names, with or without a port; ``origins`` are whole (``https://app.example``); ``*`` is any.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)
        self.origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        # What was found good before, so that the hot path is one look-up; only good ones, so that nobody can fill it.
        self._good: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            hosts, origin = _all(scope["headers"], b"host"), header(scope["headers"], b"origin")
            if len(hosts) != 1 and (hosts or not self._nameless(scope)):
                await refuse(scope, send, 400, "bad_host", _TELL_ONE)
                return
            if hosts and hosts[0] not in self._good and not self._host(hosts[0]):
                await refuse(scope, send, 400, "bad_host", _TELL_HOST)
                return
            if origin is not None and not self._origin(origin):
                await refuse(scope, send, 403, "bad_origin", _TELL_ORIGIN)
                return
        await self.app(scope, receive, send)

    def _nameless(self, scope: Scope) -> bool:
        """Whether it may come without a Host: health checks do, in HTTP/1.0, and say nothing of which name they use."""
        return scope.get("http_version") == "1.0" and "*" in self.hosts

    def _host(self, raw: bytes) -> bool:
        whole = raw.decode("latin-1").lower()
        name = re.sub(r":\d{1,5}$", "", whole)
        good = _LOOPBACK.fullmatch(name) is not None or not self.hosts.isdisjoint((whole, name, "*"))
        if good and len(self._good) < 256:
            self._good.add(raw)
        return good

    def _origin(self, raw: bytes) -> bool:
        origin = raw.decode("latin-1").lower()
        if not self.origins.isdisjoint((origin, "*")):
            return True
        try:
            parts = urlsplit(origin)
            name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and name is not None and _LOOPBACK.fullmatch(name) is not None


def _all(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


_TELL_ONE = "A request names its Host once (RFC 9112 section 3.2)."
_TELL_HOST = (
    "This server answers to this machine's own names only. Add yours to allowed_hosts under [server] in dragoman.toml, "
    "or serve with --auth keys."
)
_TELL_ORIGIN = (
    "Web pages of this origin may not call this server. Add it to allowed_origins under [server] in dragoman.toml."
)
