"""Which of the two surfaces a request speaks: Agent Protocol 0.1.6, or what ``langgraph-sdk`` calls.

Most paths belong to one. On those that both have, the body tells (``agent_id`` or ``assistant_id``); where it cannot,
the client's name does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from dragoman.memory.model import Json

__all__ = ["Surface", "named_by_body", "named_by_client"]


class Surface(StrEnum):
    """A wire contract: paths, statuses, error shape and defaults."""

    AGENT_PROTOCOL = "agent_protocol"
    LANGGRAPH = "langgraph"


# The JavaScript SDK says nothing of itself: it is known by what it runs in, a browser, Node, Deno or Bun. No client of
# Agent Protocol alone runs there.
_CLIENTS = (b"langgraph-sdk", b"Mozilla/", b"node", b"undici", b"Deno/", b"Bun/")


def named_by_client(headers: Iterable[tuple[bytes, bytes]], otherwise: Surface) -> Surface:
    """The surface of the client that ``User-Agent`` names (``langgraph-sdk-py/0.4.14``), or of what it runs in."""
    for name, value in headers:
        if name == b"user-agent":
            return Surface.LANGGRAPH if value.startswith(_CLIENTS) else otherwise
    return otherwise


def named_by_body(body: Mapping[str, Json], otherwise: Surface) -> Surface:
    """The surface of a body that opens a run; one that names no agent at all is Agent Protocol's, where that is
    allowed."""
    if "agent_id" in body:
        return Surface.AGENT_PROTOCOL
    if "assistant_id" in body:
        return Surface.LANGGRAPH
    return otherwise
