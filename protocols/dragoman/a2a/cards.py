"""Agent cards: how a peer finds an agent and learns what it can do (A2A 1.0, sections 4.4 and 8).

Pure. A card says 1.0 in its own fields and repeats what 0.3 clients read in theirs; 1.0 clients ignore those. Neither
kept nor served here: ``card_cache`` makes each once and signs it, ``card_routes`` serves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dragoman.a2a.asked import GENERATION
from dragoman.a2a.settings import A2aSettings
from dragoman.agents import Agent, Skill
from dragoman.memory.model import Json

__all__ = ["CARD_PATH", "SCHEMAS", "AgentCard", "agent_card", "extended_card", "interfaces", "output_modes"]

CARD_PATH: Final = "/.well-known/agent-card.json"

SCHEMAS: Final = "urn:dragoman:a2a:schemas:v1"
"""The extension by which the extended card tells an agent's schemas."""

_INPUT_MODES: Final = ["text/plain", "application/json"]  # prose is led to the fields that it lacks, so both always do


@dataclass(frozen=True, slots=True)
class AgentCard:
    """A card: ``modern`` are the fields of 1.0, ``legacy`` those that 0.3 clients read (A2A 0.3, section 5.5)."""

    modern: Mapping[str, Json]
    legacy: Mapping[str, Json]

    @property
    def whole(self) -> dict[str, Json]:
        """As it is sent, but for its signatures."""
        merged = {**self.modern, **self.legacy}
        if "securitySchemes" in merged:
            merged["securitySchemes"] = {name: _scheme(told) for name, told in merged["securitySchemes"].items()}
        return merged


def agent_card(agent: Agent, base_url: str, settings: A2aSettings) -> AgentCard:
    """The card that anyone may read."""
    url = f"{base_url}{settings.prefix}/{agent.name}"
    extended = bool(settings.security_schemes)
    modern: dict[str, Json] = {
        "name": agent.title,
        "description": agent.description or agent.title,
        "version": agent.version or "1.0.0",
        "supportedInterfaces": interfaces(agent, url, base_url, settings),
        "capabilities": {
            "streaming": True,
            "pushNotifications": True,
            "extendedAgentCard": extended,
            "extensions": _extensions(settings),
        },
        "defaultInputModes": _INPUT_MODES,
        "defaultOutputModes": output_modes(agent),
        "skills": [_skill(skill, agent) for skill in agent.skills] or [_whole_skill(agent)],
    }
    if settings.provider:
        modern["provider"] = {"organization": settings.provider, "url": settings.provider_url or base_url}
    for name, given in (("documentationUrl", settings.documentation_url), ("iconUrl", settings.icon_url)):
        if given:
            modern[name] = given.replace("{agent}", agent.name)
    legacy: dict[str, Json] = {
        "protocolVersion": "0.3.0",
        "url": url,
        "preferredTransport": "JSONRPC",
        "additionalInterfaces": [{"url": url, "transport": binding} for binding in ("JSONRPC", "HTTP+JSON")],
    }
    if settings.security_schemes:
        modern["securitySchemes"] = {name: dict(scheme) for name, scheme in settings.security_schemes.items()}
        modern["securityRequirements"] = [{"schemes": {name: {"list": []}}} for name in settings.security_schemes]
        legacy["security"] = [{name: []} for name in settings.security_schemes]
        legacy["supportsAuthenticatedExtendedCard"] = True
    return AgentCard(modern, legacy)


def extended_card(agent: Agent, base_url: str, settings: A2aSettings) -> AgentCard:
    """The card for callers that the server knows (section 3.1.11): it has the JSON Schemas of what the agent takes and
    gives, which the card for everyone keeps to itself."""
    card = agent_card(agent, base_url, settings)
    schemas: dict[str, Json] = {
        "uri": SCHEMAS,
        "description": "The JSON Schemas of the data part that the agent takes and of the one that it gives.",
        "params": {"input": dict(agent.input_schema), "output": dict(agent.output_schema)},
    }
    capabilities: dict[str, Json] = dict(card.modern["capabilities"])
    capabilities["extensions"] = [*capabilities["extensions"], schemas]
    return AgentCard({**card.modern, "capabilities": capabilities}, card.legacy)


def output_modes(agent: Agent) -> list[str]:
    """The media types of an agent's result; structured ones are told as text too, for who reads only that."""
    return ["text/plain"] if agent.signature.plain is str else ["application/json", "text/plain"]


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
    """The AgentExtensions (section 4.4.4). A default is left out, as ProtoJSON does: SDKs sign the card without it."""
    generation: dict[str, Json] = {"uri": GENERATION, "description": "Tells a task's generation, as A2A 1.1 will."}
    given = [{**told, "uri": uri} for uri, told in settings.extensions.items()]
    return [generation, *({k: v for k, v in told.items() if v is not False} for told in given)]


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


def _whole_skill(agent: Agent) -> dict[str, Json]:
    """A card has one skill at least: SDKs disagree on how an empty list is signed."""
    return _skill(Skill(agent.name, agent.title, agent.description), agent)


def _scheme(scheme: Mapping[str, Any]) -> dict[str, Json]:
    """A SecurityScheme (section 4.5.1), and beside it the same in OpenAPI's words, which 0.3 uses.

    The SDK reads the latter where both are there, so they say the same: the card's signature holds either way.
    """
    if (http := scheme.get("httpAuthSecurityScheme")) is not None:
        return {**scheme, **http, "type": "http"}
    if (key := scheme.get("apiKeySecurityScheme")) is not None:
        return {**scheme, **{k: v for k, v in key.items() if k != "location"}, "type": "apiKey", "in": key["location"]}
    return dict(scheme)
