"""What each face and the stdio pipe are told, from the settings: one place, so that both ways to serve agree."""

from __future__ import annotations

from dragoman.a2a.settings import API_KEY_SCHEMES, A2aSettings
from dragoman.agent_protocol.settings import AgentProtocolSettings
from dragoman.mcp.sealed import load_key
from dragoman.mcp.settings import McpSettings
from dragoman.settings.tables import Settings

__all__ = ["a2a_settings", "agent_protocol_settings", "mcp_settings"]


def mcp_settings(settings: Settings) -> McpSettings:
    """The MCP face's. Its sealing key is a file beside the ledger, made on first use, so that a restart opens what was
    sealed before."""
    storage = settings.made_storage()
    return McpSettings(
        state_key=load_key(storage.with_name(f"{storage.name}.key")),
        max_message=settings.server.body_limit,
        allowed_hosts=("*",),  # the gate in front of all faces has looked
        allowed_origins=("*",),
    )


def a2a_settings(settings: Settings) -> A2aSettings:
    """The A2A face's."""
    url = settings.server.public_url
    if settings.auth.mode == "keys":
        return A2aSettings(public_url=url, security_schemes=API_KEY_SCHEMES)
    return A2aSettings(public_url=url)


def agent_protocol_settings(settings: Settings) -> AgentProtocolSettings:
    """The Agent Protocol face's: its own defaults."""
    return AgentProtocolSettings()
