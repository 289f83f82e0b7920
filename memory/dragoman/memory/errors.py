"""Domain errors of runs, threads and the store.

Raised by the ledger and the engine; each face has one table that maps these classes to its own codes. The docstring of
a class is its default message. Nothing here knows a protocol, and no message carries a secret or another tenant's data.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AgentNotFound",
    "Conflict",
    "DragomanError",
    "InputInvalid",
    "LeaseLost",
    "LedgerBusy",
    "LedgerLocked",
    "NotFound",
    "NotPermitted",
    "QueueFull",
    "RunEnded",
    "RunNotFound",
    "StepMismatch",
    "ThreadBusy",
    "ThreadNotFound",
    "as_unkeepable",
]


class DragomanError(Exception):
    """Something went wrong in Dragoman."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        """The message for people: names the field, the value's shape and the way out."""
        return str(self.args[0])


class NotFound(DragomanError):
    """No such thing for this caller."""


class AgentNotFound(NotFound):
    """No agent has that name."""


class RunNotFound(NotFound):
    """No such run."""


class ThreadNotFound(NotFound):
    """No such thread."""


class InputInvalid(DragomanError):
    """A value does not fit its schema.

    ``problems`` is a tuple of ``{"field": "order_id", "problem": "Field required"}``; the field is a dotted path and
    empty for the value as a whole.
    """

    def __init__(self, message: str | None = None, problems: tuple[dict[str, Any], ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class Conflict(DragomanError):
    """The thing exists already, or is not in the state that this needs."""


class RunEnded(Conflict):
    """The run has ended; nothing more can be done with it."""


class ThreadBusy(Conflict):
    """The thread has an active run and the policy is to reject a second."""


class NotPermitted(DragomanError):
    """The caller lacks a scope that this operation needs."""


class QueueFull(DragomanError):
    """The queue is full. ``retry_after`` is the wait to expect, in seconds."""

    def __init__(self, message: str | None = None, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LeaseLost(DragomanError):
    """The lease is no longer held: another attempt of this run has begun, or the run has ended."""


class LedgerLocked(DragomanError):
    """Another process has this ledger open."""


class LedgerBusy(DragomanError):
    """The ledger cannot take the write now (disk full, closed, or out of reach)."""


class StepMismatch(DragomanError):
    """A step of the journal was made with other arguments than this execution gives it."""


def as_unkeepable(error: BaseException) -> BaseException:
    """What Python says of a value that no ledger can keep, as ``InputInvalid``; any other error as it is."""
    if isinstance(error, OverflowError):
        return InputInvalid("A value is larger than the ledger can hold.")
    if isinstance(error, UnicodeEncodeError):
        return InputInvalid("A text is not valid Unicode: it holds half of a surrogate pair.")
    return error
