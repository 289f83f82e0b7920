"""Agent cards: how a peer finds an agent and learns what it can do (A2A 1.0, sections 4.4 and 8).

Pure but for a small cache. A card says 1.0 in its own fields and repeats what 0.3 clients read in theirs; 1.0 clients
ignore those. Not served here: ``routes`` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dragoman.a2a.asked import GENERATION
from dragoman.a2a.settings import A2aSettings
from dragoman.agents import Agent, Skill
from dragoman.memory.codec import dumps
from dragoman.memory.model import Json

__all__ = ["CARD_PATH", "Card", "CardCache", "agent_card"]

CARD_PATH: Final = "/.well-known/agent-card.json"

_MODES: Final = ["text/plain", "application/json"]
_MOST_CARDS: Final = 256  # a client chooses the Host header


@dataclass(frozen=True, slots=True)
class Card:
    """A card as it is sent, and its entity tag (RFC 9110, section 8.8.3)."""

    body: bytes
    etag: str


class CardCache:
    """The cards of this server's agents, made once for each address that they are asked for by."""

    def __init__(self, agents: Mapping[str, Agent], settings: A2aSettings) -> None:
        self._agents = agents
        self._settings = settings
        self._made: dict[tuple[str, str], Card] = {}

    def card(self, agent: str, base_url: str) -> Card | None:
        """The card of an agent of a server at ``base_url``; None when there is no such agent."""
        base = self._settings.public_url.rstrip("/") or base_url
        made = self._made.get((agent, base))
        if made is None:
            if agent not in self._agents:
                return None
            body = dumps(agent_card(self._agents[agent], base, self._settings))
            made = Card(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
            if len(self._made) >= _MOST_CARDS:
                self._made.clear()
            self._made[agent, base] = made
        return made


def agent_card(agent: Agent, base_url: str, settings: A2aSettings) -> dict[str, Json]:
    """An AgentCard, with the fields of 0.3 merged in."""
    url = f"{base_url}{settings.prefix}/{agent.name}"
    card: dict[str, Json] = {
        "name": agent.title,
        "description": agent.description or agent.title,
        "version": agent.version,
        "supportedInterfaces": interfaces(agent, url, base_url, settings),
        "capabilities": {
            "streaming": True,
            "pushNotifications": False,
            "extendedAgentCard": False,
            "extensions": _extensions(settings),
        },
        "defaultInputModes": _MODES,
        "defaultOutputModes": _MODES,
        "skills": [_skill(skill, agent) for skill in agent.skills],
        # A2A 0.3, section 5.5
        "protocolVersion": "0.3.0",
        "url": url,
        "preferredTransport": "JSONRPC",
        "additionalInterfaces": [{"url": url, "transport": binding} for binding in ("JSONRPC", "HTTP+JSON")],
    }
    if settings.provider:
        card["provider"] = {"organization": settings.provider, "url": settings.provider_url or base_url}
    if settings.security_schemes:
        card["securitySchemes"] = {name: _scheme(scheme) for name, scheme in settings.security_schemes.items()}
        card["securityRequirements"] = [{"schemes": {name: {"list": []}}} for name in settings.security_schemes]
        card["security"] = [{name: []} for name in settings.security_schemes]
    return card


def interfaces(agent: Agent, url: str, base_url: str, settings: A2aSettings) -> list[dict[str, Json]]:
    """The AgentInterfaces (section 4.4.6), the preferred one first. gRPC has no paths: there the tenant names the
    agent."""
    told: list[dict[str, Json]] = [
        {"url": url, "protocolBinding": binding, "protocolVersion": version}
        for version in ("1.0", "0.3")
        for binding in ("JSONRPC", "HTTP+JSON")
    ]
    if (address := settings.grpc_address(base_url)) is not None:
        grpc = {"url": address, "protocolBinding": "GRPC", "protocolVersion": "1.0", "tenant": agent.name}
        told.insert(2, grpc)
    return told


def _extensions(settings: A2aSettings) -> list[dict[str, Json]]:
    """The AgentExtensions (section 4.4.4)."""
    generation = {"uri": GENERATION, "description": "Tells a task's generation, as A2A 1.1 will.", "required": False}
    return [generation, *({"required": False, **told, "uri": uri} for uri, told in settings.extensions.items())]


def _skill(skill: Skill, agent: Agent) -> dict[str, Json]:
    told: dict[str, Json] = {
        "id": skill.id,
        "name": skill.name,
        "description": skill.description or skill.name,
        "tags": list(skill.tags) or [agent.name],
    }
    if skill.examples:
        told["examples"] = list(skill.examples)
    return told


def _scheme(scheme: Mapping[str, Any]) -> dict[str, Json]:
    """A SecurityScheme (section 4.5.1), and beside it the same in OpenAPI's words, which 0.3 uses."""
    told: dict[str, Json] = dict(scheme)
    if (http := scheme.get("httpAuthSecurityScheme")) is not None:
        told |= {"type": "http", "scheme": http["scheme"].lower()}
    elif (key := scheme.get("apiKeySecurityScheme")) is not None:
        told |= {"type": "apiKey", "in": key["location"], "name": key["name"]}
    return told
