"""Cards made once: for each agent and each address that it is asked for by, signed where they may be.

Not HTTP: ``card_routes`` serves them. What a card says is in ``cards``.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from dragoman.a2a.cards import AgentCard, agent_card, extended_card
from dragoman.a2a.settings import A2aSettings
from dragoman.a2a.signing import JWKS_PATH, CardSigner
from dragoman.agents import Agent
from dragoman.memory.codec import dumps
from dragoman.memory.model import Json

__all__ = ["Card", "CardCache"]

_MOST_CARDS: Final = 256  # a client chooses the Host header
_OWN: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Card:
    """A card as it is sent, its entity tag (RFC 9110, section 8.8.3), when it was made (seconds since the epoch) and
    the key that it was signed with."""

    body: bytes
    etag: str
    made_at: int
    key: str


class CardCache:
    """The cards of a server's agents. A new key makes them anew; nothing else that a running server does changes
    them."""

    def __init__(self, agents: Mapping[str, Agent], settings: A2aSettings) -> None:
        self._agents = agents
        self._settings = settings
        self._signer = CardSigner(settings.signing_key) if settings.signing_key is not None else None
        self._made: dict[tuple[str, str], Card] = {}

    def card(self, agent: str, base_url: str) -> Card | None:
        """The card of an agent of a server at ``base_url``; None when there is no such agent."""
        base = self._settings.public_url.rstrip("/") or base_url
        key = self._signer.version if self._signer is not None else ""
        made = self._made.get((agent, base))
        if made is None or made.key != key:
            if agent not in self._agents:
                return None
            body = dumps(self._signed(agent_card(self._agents[agent], base, self._settings), base))
            made = Card(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', int(time.time()), key)
            if len(self._made) >= _MOST_CARDS:
                self._made.clear()
            self._made[agent, base] = made
        return made

    def extended(self, agent: str, base_url: str) -> dict[str, Json]:
        """The extended card of an agent that there is."""
        base = self._settings.public_url.rstrip("/") or base_url
        return self._signed(extended_card(self._agents[agent], base, self._settings), base)

    def _signed(self, card: AgentCard, base: str) -> dict[str, Json]:
        whole = card.whole
        if self._signer is not None and self._ours(base):
            whole["signatures"] = self._signer.sign(card.modern, whole, f"{base}{JWKS_PATH}")
        return whole

    def _ours(self, base: str) -> bool:
        """Whether the address is known to be the server's. One that a client only said in the Host header is not: who
        got our signature under an address of its own could pass for us."""
        return bool(self._settings.public_url) or (urlsplit(base).hostname or "") in _OWN
