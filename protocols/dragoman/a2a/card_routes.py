"""Discovery over HTTP: the cards, with conditional requests, and the keys to check them with (A2A 1.0, sections 8.2 and
8.6; RFC 9110, section 13). Anyone may read both."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from dragoman.a2a.card_cache import Card, CardCache
from dragoman.a2a.cards import CARD_PATH
from dragoman.a2a.http import JSON, base_url, no_agent, send_whole
from dragoman.a2a.jsonrpc import error_bytes
from dragoman.a2a.settings import A2aSettings
from dragoman.a2a.signing import JWKS_PATH, CardSigner
from dragoman.agents import Agent
from dragoman.memory.codec import dumps

__all__ = ["card_routes"]


def card_routes(agents: Mapping[str, Agent], settings: A2aSettings, default: str | None) -> list[BaseRoute]:
    """The card of each agent under its path and at its very address, that of the default agent at the host root, and
    the key set."""
    cards = _CardEndpoint(agents, settings, default)
    agent = f"{settings.prefix}/{{agent}}"
    paths = (f"{agent}{CARD_PATH}", CARD_PATH, agent)
    routes: list[BaseRoute] = [Route(path, cards, methods=["GET"]) for path in paths]
    if settings.signing_key is not None:
        keys = _KeySetEndpoint(CardSigner(settings.signing_key), settings.card_ttl)
        routes.append(Route(JWKS_PATH, keys, methods=["GET"]))
    return routes


class _CardEndpoint:
    def __init__(self, agents: Mapping[str, Agent], settings: A2aSettings, default: str | None) -> None:
        self._agents = agents
        self._cards = CardCache(agents, settings)
        self._default = default
        self._max_age = f"public, max-age={settings.card_ttl}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        agent = scope["path_params"].get("agent", self._default) or ""
        card = self._cards.card(agent, base_url(scope))
        if card is None:
            await send_whole(send, 404, [JSON], error_bytes(None, no_agent(agent, self._agents)))
            return
        headers = [
            (b"etag", card.etag.encode()),
            (b"last-modified", formatdate(card.made_at, usegmt=True).encode()),
            (b"cache-control", self._max_age),
            (b"vary", b"Host"),
        ]
        if _holds(scope, card):
            await send_whole(send, 304, headers, b"")
        else:
            await send_whole(send, 200, [JSON, *headers], card.body)


class _KeySetEndpoint:
    def __init__(self, signer: CardSigner, ttl: int) -> None:
        self._signer = signer
        self._max_age = f"public, max-age={ttl}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/jwk-set+json"), (b"cache-control", self._max_age)]
        await send_whole(send, 200, headers, dumps(self._signer.key_set()))


def _holds(scope: Scope, card: Card) -> bool:
    """Whether the client has this version already. The date counts where there is no tag (RFC 9110, section 13.2.2)."""
    told = [value.decode("latin-1") for name, value in scope["headers"] if name == b"if-none-match"]
    if told:
        tags = [tag.strip().removeprefix("W/") for line in told for tag in line.split(",")]
        return "*" in tags or card.etag in tags
    since = next((value for name, value in scope["headers"] if name == b"if-modified-since"), b"")
    try:
        return bool(since) and parsedate_to_datetime(since.decode("latin-1")).timestamp() >= card.made_at
    except ValueError:
        return False
