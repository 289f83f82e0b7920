"""What a request carries through the face: who sent it, in which version, and the way back to them.

Transports make a ``Peer`` and a ``Channel``; the kernel makes a ``Call`` of them and a request. No behaviour but
reading what the client declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from dragoman.mcp import eras
from dragoman.mcp.jsonrpc import Id, Request
from dragoman.mcp.objects import is_object
from dragoman.memory.model import Json, Principal

__all__ = ["SILENT", "TASKS", "Call", "Channel", "Peer", "Session", "Silent"]

TASKS: Final = "io.modelcontextprotocol/tasks"


@dataclass(frozen=True, slots=True)
class Session:
    """What ``initialize`` settled with an older client. ``id`` is unique to it."""

    version: str
    elicits: bool
    id: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end.

    ``session`` is None where there was no ``initialize``; ``version`` is then what a request without ``_meta`` is
    taken to speak. ``withdraws`` names the space in which the client's request ids are unique, where it can cancel by
    id.
    """

    principal: Principal
    session: Session | None = None
    version: str = eras.LATEST_OLDER
    withdraws: str | None = None


class Channel(Protocol):
    """The way back for messages that precede a response."""

    @property
    def streams(self) -> bool:
        """Whether messages can be sent before the response."""
        ...

    async def open(self) -> None:
        """The response will take a while: keep the connection alive."""
        ...

    async def send(self, message: Mapping[str, Json]) -> None:
        """Send a notification or a request."""
        ...


class Silent:
    """A channel for clients that take nothing but the response."""

    @property
    def streams(self) -> bool:
        return False

    async def open(self) -> None:
        return

    async def send(self, message: Mapping[str, Json]) -> None:
        return


SILENT: Final = Silent()


@dataclass(slots=True)
class Call:
    """One request at work.

    ``run_id`` is set once a run was accepted for it; ``withdrawn`` once the client took it back. ``session`` is set
    by ``initialize``.
    """

    principal: Principal
    request: Request
    version: str
    modern: bool
    meta: Mapping[str, Json]
    capabilities: Mapping[str, Json]
    channel: Channel
    session: Session | None = None
    run_id: str | None = None
    withdrawn: bool = False
    params: Mapping[str, Json] = field(init=False)

    def __post_init__(self) -> None:
        self.params = self.request.params

    @property
    def id(self) -> Id:
        """The request's id."""
        return self.request.id

    @property
    def tasks(self) -> bool:
        """Whether the client declared the tasks extension on this request."""
        extensions: Any = self.capabilities.get("extensions")
        return self.modern and is_object(extensions) and TASKS in extensions

    @property
    def elicits(self) -> bool:
        """Whether the client takes questions as forms."""
        if not self.modern:
            return self.session is not None and self.session.elicits
        return form_elicitation(self.capabilities)

    @property
    def progress_token(self) -> str | int | None:
        """The token under which the client wants progress, if it does."""
        token = self.meta.get("progressToken")
        return token if isinstance(token, str | int) and not isinstance(token, bool) else None


def form_elicitation(capabilities: Mapping[str, Json]) -> bool:
    """Whether capabilities hold form elicitation; an empty object means it (elicitation, "Capabilities")."""
    declared: Any = capabilities.get("elicitation")
    return is_object(declared) and (not declared or "form" in declared)
