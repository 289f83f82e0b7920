"""Where the server stands on the outside: below a path of a proxy's, or mounted in another application.

Faces know their own paths alone. Here the outside's paths become theirs, and places that they tell become whole
addresses. Not the judge of names (``hosts``), nor of what proxies say (``forwarded``).
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from dragoman.auth.asgi import ASGIApp, Message, Receive, Scope, Send, header, route_path

__all__ = ["Outside", "name_in"]

_PORTS = {"http": 80, "https": 443}
_PLACES = (b"location", b"content-location")


class Outside:
    """Serves below the path of ``public_url``, whether a proxy takes the path away or not, and below the path that the
    application is mounted at (ASGI's ``root_path``).

    ``roots`` are the first segments of the server's own paths: behind the path they show that it was not taken away.
    """

    def __init__(self, app: ASGIApp, public_url: str = "", roots: Iterable[str] = ()) -> None:
        self.app = app
        self._url = public_url
        self._path = unquote(urlsplit(public_url).path)
        self._names = _names(public_url)
        self._roots = frozenset(roots)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (self._path or scope.get("root_path")) and scope["type"] != "lifespan":
            scope = self._within(scope)
            send = _placing(send, self._base(scope))
        await self.app(scope, receive, send)

    def _within(self, scope: Scope) -> Scope:
        inner, root, path = route_path(scope), scope.get("root_path", ""), self._path
        if inner in ("", "/") and root.endswith("/mcp"):  # mounted at /mcp, where clients expect MCP itself
            return {**scope, "path": f"{root}/mcp"}
        behind = inner[len(path) + 1 :] if path and inner.startswith(f"{path}/") else None
        if behind is None or behind.partition("/")[0] not in self._roots:
            return scope
        return {**scope, "path": root + inner, "root_path": root + path}

    def _base(self, scope: Scope) -> str:
        """The address that the client asked, as far as it is known. It takes a place on another one for a trap."""
        host = (header(scope["headers"], b"host") or b"").decode("latin-1").lower()
        if host in self._names:
            return self._url
        return f"{scope['scheme']}://{host}{scope['root_path']}" if host and not self._path else ""


def name_in(url: str) -> str:
    """The host of a URL as the header Host has it, without a port."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


def _names(url: str) -> frozenset[str]:
    """What the header Host may say for this URL: proxies leave its port out, or add it."""
    parts, name = urlsplit(url), name_in(url)
    return frozenset((name, f"{name}:{parts.port or _PORTS[parts.scheme]}")) if name else frozenset()


def _placing(send: Send, base: str) -> Send:
    """Sends places that were told as paths as addresses below ``base``."""
    if not base:
        return send
    start = base.encode()

    async def placing(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = [(k, start + v if k in _PLACES and v[:1] == b"/" else v) for k, v in message.get("headers", ())]
            message = {**message, "headers": told}
        await send(message)

    return placing
