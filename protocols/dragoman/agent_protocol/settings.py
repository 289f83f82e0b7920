"""How the Agent Protocol face behaves: values alone, read from no file and no environment; the app composes them."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.agent_protocol.surface import Surface

__all__ = ["AgentProtocolSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProtocolSettings:
    """Settings of the face. Times are seconds.

    ``default_agent`` runs where a body names none; None is the first agent served.
    ``unnamed_surface`` answers where neither path, body nor client tells which surface is meant.
    ``patience`` is how long a wait holds its headers back: a run that settles within it is answered in one piece.
    ``wait_limit`` bounds a wait; past it an Agent Protocol client gets the run as it is, an SDK client reconnects.
    ``heartbeat`` is how often an open answer says that it lives; ``send_timeout`` cuts off a client that does not read.
    """

    default_agent: str | None = None
    unnamed_surface: Surface = Surface.AGENT_PROTOCOL
    patience: float = 0.25
    wait_limit: float = 3600.0
    heartbeat: float = 5.0
    send_timeout: float = 30.0
