"""Other servers' agents: what calling one gives, and the port by which the engine reaches them.

Values and a contract; nothing is sent from here. ``dragoman.a2a.client`` speaks to peers, ``dragoman.engine.remote``
makes a call a step, and the app hands the one to the other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

from dragoman.agents.content import Blob
from dragoman.memory.errors import DragomanError
from dragoman.memory.model import InterruptKind, Json

__all__ = [
    "Peers",
    "Question",
    "RemoteArtifact",
    "RemoteFailed",
    "RemoteFile",
    "RemoteMessage",
    "RemoteRejected",
    "RemoteResult",
    "RemoteTask",
    "RemoteUnreachable",
    "RemoteUnusable",
    "TaskState",
    "Told",
    "short_name",
]

TaskState = Literal["working", "asking", "succeeded", "failed", "rejected", "cancelled"]


# -- what an agent is given -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file: its bytes, or the address where they are."""

    name: str
    mime_type: str
    data: Blob | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteArtifact:
    """Something that the peer made. ``data`` is its structured content, where it has some."""

    id: str
    name: str
    text: str = ""
    data: Json = None
    files: tuple[RemoteFile, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """What a peer's agent gave: its prose, its structured data (None where there is none), and all that it made.

    ``task_id`` is empty where it answered at once without a task; with ``context_id`` a later call goes on in the same
    conversation.
    """

    text: str
    data: Json = None
    artifacts: tuple[RemoteArtifact, ...] = ()
    task_id: str = ""
    context_id: str = ""


class RemoteFailed(DragomanError):
    """The peer's agent did not succeed: it failed, was cancelled there, or its task is gone."""


class RemoteRejected(RemoteFailed):
    """The peer's agent refused the request."""


class RemoteUnusable(RemoteFailed):
    """The peer cannot be called at all: its address, its card or the card's signature is not as it must be."""


class RemoteUnreachable(RemoteFailed):
    """The peer could not be reached in time."""


# -- the port ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class RemoteMessage:
    """A message to a peer. ``id`` is the same however often it is sent; ``text`` and ``data`` are None where there is
    none; ``task_id`` is there for an answer."""

    id: str
    text: str | None = None
    data: Json = None
    context_id: str = ""
    task_id: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a peer asks: as an interrupt of our own."""

    key: str
    kind: InterruptKind
    message: str
    schema: Mapping[str, Json]
    payload: Json = None


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """A peer's task as far as it is known here.

    ``said`` is the prose of its status. ``asks`` names what it asks now, so that a question is told from the next one;
    ``questions`` are its parts, ``keyed`` when they have keys of the peer's own, by which it takes answers.
    ``artifacts`` are told with all that is told anew, with a question and at the end, and not with every piece.
    """

    id: str
    context_id: str
    state: TaskState
    said: str = ""
    asks: str = ""
    questions: tuple[Question, ...] = ()
    keyed: bool = False
    artifacts: tuple[RemoteArtifact, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more happens."""
        return self.state not in ("working", "asking")

    @property
    def text(self) -> str:
        """The prose that it has made so far, of the artifacts that hold prose alone."""
        return "".join(a.text for a in self.artifacts if a.data is None)


@dataclass(frozen=True, slots=True)
class Told:
    """Something that a peer told, and its task after that. ``text`` is prose that was added to what it had made; with
    ``again`` it told all anew. ``progress`` is the data of a progress event, ``event`` the name and data of one of the
    agent's own, ``files`` are whole."""

    task: RemoteTask
    text: str = ""
    again: bool = False
    progress: Mapping[str, Json] | None = None
    event: tuple[str, Json] | None = None
    files: tuple[RemoteFile, ...] = ()


def short_name(peer: str) -> str:
    """A peer's name, or what its address ends with, for the name of a step."""
    parts = urlsplit(peer)
    path = parts.path.partition("/.well-known/")[0].rstrip("/")
    return path.rpartition("/")[2] or parts.hostname or peer


class Peers(Protocol):
    """Reaches peers. Each verb raises ``RemoteUnreachable`` for what may pass, and another ``RemoteFailed`` for what
    will not. ``peer`` is the address that the agent gave. Use ``contextlib.aclosing`` with the generators."""

    def send(self, peer: str, message: RemoteMessage) -> AsyncGenerator[Told, None]:
        """Send a message, and what the peer tells until it has ended, asks, or tells no more."""
        ...

    def follow(self, peer: str, task_id: str) -> AsyncGenerator[Told, None]:
        """A task as it is now, then what the peer tells of it."""
        ...

    async def cancel(self, peer: str, task_id: str) -> None:
        """Cancel a task; one that has ended is let be."""
        ...
