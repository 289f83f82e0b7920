"""Errors that an agent may raise, or meet in its Context."""

from __future__ import annotations

from typing import Literal

from dragoman.memory.codec import dumps
from dragoman.memory.errors import DragomanError
from dragoman.memory.model import Json

__all__ = [
    "CannotAsk",
    "ChildFailed",
    "ConfigurationError",
    "Declined",
    "InterruptExpired",
    "Misuse",
    "Rejected",
    "RequestError",
    "StepFailed",
    "StepTimeout",
]


class Rejected(DragomanError):
    """The agent refuses this request. Raised by an agent, it ends the run as rejected."""


class RequestError(DragomanError):
    """The request itself cannot be served, which is no result of the tool: an MCP client is answered with a JSON-RPC
    error of this ``code`` and ``data`` (JSON), and a task of it has failed."""

    def __init__(self, message: str, *, code: int = -32603, data: Json = None) -> None:
        super().__init__(message)
        dumps(data)  # what is no JSON is told where it was made
        self.code = code
        self.data = data


class StepFailed(DragomanError):
    """A step failed in an earlier activation. ``type`` is the class of the error it raised then."""

    def __init__(self, message: str | None = None, *, type: str = "") -> None:
        super().__init__(message)
        self.type = type


class StepTimeout(DragomanError):
    """A step took longer than its time-out."""


class InterruptExpired(DragomanError):
    """Nobody answered in time."""


class Declined(DragomanError):
    """The question was turned down. ``action`` is ``decline`` where the caller said no, and ``cancel`` where it was put
    away without an answer."""

    def __init__(self, message: str | None = None, *, action: Literal["decline", "cancel"] = "decline") -> None:
        super().__init__(message or ("The question was declined." if action == "decline" else "It was put away."))
        self.action = action


class CannotAsk(DragomanError):
    """The caller's client cannot be asked this. ``capability`` is the MCP client capability that it did not declare."""

    def __init__(self, message: str | None = None, *, capability: str = "") -> None:
        super().__init__(message)
        self.capability = capability


class ChildFailed(DragomanError):
    """A child run failed or was cancelled."""


class Misuse(DragomanError):
    """The Context was used in a way it cannot honour."""


class ConfigurationError(DragomanError):
    """The configuration is wrong; the message names the file, the key and the reason."""
