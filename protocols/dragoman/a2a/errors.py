"""From domain errors to A2A errors, as tables (A2A 1.0, sections 3.3.2, 5.4 and 9.5).

The domain knows no codes; this is the one place that gives them, for every binding. A message goes out as the error
has it; what is not a domain error goes out as an internal error that tells nothing: its trace is for the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dragoman.engine import SlowSubscriber
from dragoman.memory.errors import (
    AgentNotFound,
    Conflict,
    DragomanError,
    InputInvalid,
    LedgerBusy,
    NotFound,
    NotPermitted,
    QueueFull,
)
from dragoman.memory.model import Json
from dragoman.memory.sealing import Unreadable

__all__ = [
    "AGENT_NOT_FOUND",
    "CONTENT_TYPE_NOT_SUPPORTED",
    "EXTENSION_REQUIRED",
    "GENERATION_MISMATCH",
    "INTERNAL",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_ALLOWED",
    "METHOD_NOT_FOUND",
    "PARSE_ERROR",
    "PUSH_NOT_SUPPORTED",
    "TASK_NOT_CANCELABLE",
    "TASK_NOT_FOUND",
    "UNAUTHENTICATED",
    "UNSUPPORTED_OPERATION",
    "VERSION_NOT_SUPPORTED",
    "Fault",
    "Kind",
    "fault_of",
    "invalid",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """An error of the protocol: its JSON-RPC code, its reason (google.rpc.ErrorInfo), its gRPC and its HTTP status."""

    code: int
    reason: str
    grpc: str
    http: int


PARSE_ERROR: Final = Kind(-32700, "INVALID_JSON", "INVALID_ARGUMENT", 400)
INVALID_REQUEST: Final = Kind(-32600, "INVALID_REQUEST", "INVALID_ARGUMENT", 400)
METHOD_NOT_FOUND: Final = Kind(-32601, "METHOD_NOT_FOUND", "NOT_FOUND", 404)
INVALID_PARAMS: Final = Kind(-32602, "INVALID_PARAMS", "INVALID_ARGUMENT", 400)
INTERNAL: Final = Kind(-32603, "INTERNAL_ERROR", "INTERNAL", 500)
TASK_NOT_FOUND: Final = Kind(-32001, "TASK_NOT_FOUND", "NOT_FOUND", 404)
TASK_NOT_CANCELABLE: Final = Kind(-32002, "TASK_NOT_CANCELABLE", "FAILED_PRECONDITION", 400)
PUSH_NOT_SUPPORTED: Final = Kind(-32003, "PUSH_NOTIFICATION_NOT_SUPPORTED", "FAILED_PRECONDITION", 400)
UNSUPPORTED_OPERATION: Final = Kind(-32004, "UNSUPPORTED_OPERATION", "FAILED_PRECONDITION", 400)
CONTENT_TYPE_NOT_SUPPORTED: Final = Kind(-32005, "CONTENT_TYPE_NOT_SUPPORTED", "INVALID_ARGUMENT", 400)
EXTENSION_REQUIRED: Final = Kind(-32008, "EXTENSION_SUPPORT_REQUIRED", "FAILED_PRECONDITION", 400)
VERSION_NOT_SUPPORTED: Final = Kind(-32009, "VERSION_NOT_SUPPORTED", "FAILED_PRECONDITION", 400)
GENERATION_MISMATCH: Final = Kind(-32010, "TASK_GENERATION_MISMATCH", "ABORTED", 409)  # of the draft of 1.1

# The protocol has no codes of its own for these: a JSON-RPC code that clients know, and a reason that says more.
METHOD_NOT_ALLOWED: Final = Kind(-32601, "METHOD_NOT_ALLOWED", "UNIMPLEMENTED", 405)
AGENT_NOT_FOUND: Final = Kind(-32600, "AGENT_NOT_FOUND", "NOT_FOUND", 404)
UNAUTHENTICATED: Final = Kind(-32600, "UNAUTHENTICATED", "UNAUTHENTICATED", 401)
QUEUE_FULL: Final = Kind(-32603, "QUEUE_FULL", "RESOURCE_EXHAUSTED", 429)
UNAVAILABLE: Final = Kind(-32603, "UNAVAILABLE", "UNAVAILABLE", 503)
NOT_PERMITTED: Final = Kind(-32600, "PERMISSION_DENIED", "PERMISSION_DENIED", 403)
SLOW_SUBSCRIBER: Final = Kind(-32603, "SLOW_SUBSCRIBER", "RESOURCE_EXHAUSTED", 429)

_KINDS: Final[tuple[tuple[type[DragomanError], Kind], ...]] = (
    (AgentNotFound, AGENT_NOT_FOUND),
    (NotFound, TASK_NOT_FOUND),
    (InputInvalid, INVALID_PARAMS),
    (Conflict, UNSUPPORTED_OPERATION),
    (NotPermitted, NOT_PERMITTED),
    (QueueFull, QUEUE_FULL),
    (LedgerBusy, UNAVAILABLE),
    (Unreadable, INTERNAL),
    (SlowSubscriber, SLOW_SUBSCRIBER),
)
"""The first class that an error is of decides."""

_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_RETRY: Final = "type.googleapis.com/google.rpc.RetryInfo"
_DOMAIN: Final = "a2a-protocol.org"


class Fault(Exception):
    """An error to answer with, in no binding's words yet.

    ``violations`` are ``{"field": "message.parts", "description": "..."}``; ``retry_after`` is in seconds.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Mapping[str, str]] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = list(violations)
        self.retry_after = retry_after
        if retry_after is not None:
            self.metadata["retryAfter"] = f"{retry_after:g}"

    def details(self) -> list[dict[str, Json]]:
        """The error's details as ProtoJSON ``Any`` objects, google.rpc.ErrorInfo first."""
        found: list[dict[str, Json]] = [
            {"@type": _INFO, "reason": self.kind.reason, "domain": _DOMAIN, "metadata": self.metadata}
        ]
        if self.violations:
            found.append({"@type": _BAD_REQUEST, "fieldViolations": self.violations})
        if self.retry_after is not None:
            found.append({"@type": _RETRY, "retryDelay": f"{self.retry_after:.3f}s"})
        return found

    def to_jsonrpc(self) -> dict[str, Json]:
        """The error object of a JSON-RPC response (section 9.5)."""
        return {"code": self.kind.code, "message": self.message, "data": self.details()}


def invalid(field: str, problem: str) -> Fault:
    """Parameters that are wrong in one place."""
    return Fault(INVALID_PARAMS, f"{field}: {problem}", violations=[{"field": field, "description": problem}])


def fault_of(error: Exception) -> Fault | None:
    """A domain error as it is told to a peer; None for what is no domain error."""
    if isinstance(error, Fault):
        return error
    if not isinstance(error, DragomanError):
        return None
    for of, kind in _KINDS:
        if isinstance(error, of):
            return _told(kind, error)
    return None


def _told(kind: Kind, error: DragomanError) -> Fault:
    if isinstance(error, InputInvalid):
        problems = [{"field": str(p["field"]), "description": str(p["problem"])} for p in error.problems]
        return Fault(kind, error.message, violations=problems)
    if isinstance(error, QueueFull):
        return Fault(kind, error.message, retry_after=error.retry_after)
    if isinstance(error, LedgerBusy):
        return Fault(kind, error.message, retry_after=1.0)
    if isinstance(error, SlowSubscriber):
        return Fault(kind, error.message, {"lastEventId": str(error.last_seq)})
    return Fault(kind, error.message)
