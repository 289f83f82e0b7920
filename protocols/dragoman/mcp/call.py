"""What a request carries through the face: who sent it, in which version, and the way back to them.

Transports make a ``Peer`` and a ``Channel``; the kernel makes a ``Call`` of them and a request. No behaviour but
reading what the client declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from dragoman.mcp import eras
from dragoman.mcp.jsonrpc import Id, Request
from dragoman.mcp.objects import is_object
from dragoman.memory.model import Json, Principal

__all__ = [
    "CAPABILITY",
    "SILENT",
    "TASKS",
    "Call",
    "Channel",
    "Peer",
    "Resumable",
    "Session",
    "Silent",
    "detach",
    "may_ask",
]

TASKS: Final = "io.modelcontextprotocol/tasks"
CAPABILITY: Final[Mapping[str, str]] = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}
"""Request of ours → the client's capability that it needs."""


@dataclass(frozen=True, slots=True)
class Session:
    """What ``initialize`` settled with an older client: the version, and what the client can be asked. ``id`` is unique
    to it. ``level`` is the least level of logs that it set, ``watched`` the URIs that it subscribed to."""

    version: str
    capabilities: Mapping[str, Json] = field(default_factory=dict[str, Json])
    id: str = ""
    level: str | None = None
    watched: frozenset[str] = frozenset()

    @property
    def elicits(self) -> bool:
        """Whether the client takes questions as forms."""
        return may_ask("elicitation/create", self.capabilities, self.version)


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


@runtime_checkable
class Resumable(Protocol):
    """A channel whose client comes back for the rest of what was sent, and for the response."""

    async def detach(self, retry: float) -> None:
        """Close the stream; the client is to come back after ``retry`` seconds."""
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

    ``capabilities`` are the request's own in the modern era, its session's in the older one. ``run_id`` is set once a
    run was accepted for it, and ``seen`` is the last of its thread's events that the client was told of; ``stop`` is
    there while something is at work that ends with the request; ``withdrawn`` once the
    client took it back. ``session`` is set by ``initialize``; ``session_change`` is what a request changes in its
    session, for the transport to keep.
    """

    principal: Principal
    request: Request
    version: str
    modern: bool
    meta: Mapping[str, Json]
    capabilities: Mapping[str, Json]
    channel: Channel
    session: Session | None = None
    session_change: Callable[[Session], Session] | None = None
    run_id: str | None = None
    seen: int = 0
    stop: Callable[[], None] | None = None
    withdrawn: bool = False
    forbids_task: bool = False
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
    def detaches(self) -> bool:
        """Whether it may be answered with a task."""
        return self.tasks and not self.forbids_task

    @property
    def elicits(self) -> bool:
        """Whether the client takes questions as forms."""
        return self.may_ask("elicitation/create")

    @property
    def askable(self) -> bool:
        """Whether the client can be asked anything at all."""
        return any(self.may_ask(method) for method in CAPABILITY)

    def may_ask(self, method: str) -> bool:
        """Whether the client declared that it takes this request of ours."""
        return may_ask(method, self.capabilities, self.version)

    @property
    def progress_token(self) -> str | int | None:
        """The token under which the client wants progress, if it does."""
        token = self.meta.get("progressToken")
        return token if isinstance(token, str | int) and not isinstance(token, bool) else None


async def detach(call: Call, retry: float) -> None:
    """Close a call's stream, where its client can come back for the answer."""
    if isinstance(call.channel, Resumable):
        await call.channel.detach(retry)


def may_ask(method: str, capabilities: Mapping[str, Json], version: str) -> bool:
    """Whether a client with these capabilities takes a request; an empty ``elicitation`` means forms (elicitation,
    "Capabilities")."""
    declared: Any = capabilities.get(CAPABILITY[method])
    if method != "elicitation/create":
        return is_object(declared)
    return eras.has("elicitation", version) and is_object(declared) and (not declared or "form" in declared)
