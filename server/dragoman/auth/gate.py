"""The gate: puts the caller into ``scope["dragoman.principal"]``, or answers 401 (RFC 6750 section 3); 503 where keys
cannot be looked up.

Knows keys and public paths, nothing of what a caller may do. Bearer tokens of identity providers are not read here.
"""

from __future__ import annotations

import re

from dragoman.auth.asgi import ASGIApp, Headers, Receive, Scope, Send, header, refuse, route_path
from dragoman.auth.keys import KeyRing
from dragoman.memory.errors import LedgerBusy
from dragoman.memory.model import Principal

__all__ = ["LOCAL", "KeyGate", "LocalGate", "is_public", "key_in"]

LOCAL = Principal("default", "local")
PRINCIPAL = "dragoman.principal"
PUBLIC = frozenset({"/ok", "/healthz", "/readyz", "/info", "/docs", "/openapi.json", "/openapi-langgraph.json"})
# Below an agent its card alone: what follows an agent's name may be the tenant of a call.
_CARDS = re.compile(r"/\.well-known/[^/]+(/[^/]+)*|/a2a/[^/]+/\.well-known/agent-card\.json")

_FILES = "/a2a/~files/"

_NO_KEY = "This server asks for an API key: send it as `Authorization: Bearer dg_...` or `X-API-Key: dg_...`."
_WRONG_KEY = "This API key is unknown or revoked."


def is_public(path: str) -> bool:
    """Whether anyone may ask for it: health, what the server tells of itself, the cards by which agents are found, and
    files by their sealed links."""
    if path in PUBLIC or path.startswith(_FILES):
        return True
    return "/.well-known/" in path and _CARDS.fullmatch(path) is not None


class LocalGate:
    """Lets everyone in as the one local caller. For a server that this machine alone can reach."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[PRINCIPAL] = LOCAL
        await self.app(scope, receive, send)


class KeyGate:
    """Lets in who shows a key, and anyone to the public paths."""

    def __init__(self, app: ASGIApp, ring: KeyRing) -> None:
        self.app = app
        self.ring = ring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or is_public(route_path(scope)):
            await self.app(scope, receive, send)
            return
        key = key_in(scope["headers"])
        try:
            principal = None if key is None else await self.ring.principal(key)
        except LedgerBusy as error:
            await refuse(scope, send, 503, "ledger_busy", error.message, [(b"retry-after", b"1")])
            return
        if principal is None:
            await self._challenge(scope, send, shown=key is not None)
            return
        scope[PRINCIPAL] = principal
        await self.app(scope, receive, send)

    async def _challenge(self, scope: Scope, send: Send, *, shown: bool) -> None:
        """RFC 6750 section 3.1: no error code when no credentials were sent."""
        error = b', error="invalid_token", error_description="unknown or revoked API key"' if shown else b""
        challenge = (b"www-authenticate", b'Bearer realm="dragoman"' + error)
        await refuse(scope, send, 401, "unauthorized", _WRONG_KEY if shown else _NO_KEY, [challenge])


def key_in(headers: Headers) -> bytes | None:
    """The key as it was sent; empty when credentials were sent that hold none. Names of headers are in lower case."""
    sent = header(headers, b"authorization")
    if sent is not None:
        kind, _, token = sent.partition(b" ")
        return token.strip() if kind.lower() == b"bearer" else b""
    return header(headers, b"x-api-key")
