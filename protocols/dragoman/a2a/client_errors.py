"""From what went wrong with a peer to the errors that the engine knows: what may pass, and what will not.

Imports the SDK and httpx: only for modules that are loaded when a peer is called.
"""

from __future__ import annotations

import json
from typing import Any, Final

import httpx

from a2a.utils.errors import A2AError, InternalError
from dragoman.agents.remote import RemoteFailed, RemoteUnreachable, RemoteUnusable
from dragoman.auth.egress import EgressRefused, Unresolved

__all__ = ["as_remote", "of_status"]

_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_PASSING_GRPC: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"})
_BARRED_GRPC: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"})
_SHOWN: Final = 300  # characters of what a peer says


def as_remote(peer: str, error: Exception) -> RemoteFailed:
    """The error for what a request to a peer raised."""
    cause = error.__cause__ if isinstance(error, A2AError) and error.__cause__ is not None else error
    if isinstance(error, RemoteFailed):
        return error
    if isinstance(cause, EgressRefused):
        return RemoteUnusable(f"{peer}: the address {cause.message}.")
    if isinstance(cause, Unresolved):
        return RemoteUnreachable(f"{peer} cannot be reached: {cause.message}.")
    if isinstance(cause, httpx.HTTPStatusError):
        return of_status(peer, cause.response.status_code)
    if isinstance(cause, (httpx.RequestError, OSError, TimeoutError)):
        return RemoteUnreachable(f"{peer} cannot be reached: {type(cause).__name__}.")
    if (code := _grpc_code(cause)) is not None:
        return _of_grpc(peer, code, error)
    data: Any = getattr(error, "data", None)
    if isinstance(error, InternalError) and isinstance(data, dict) and "retryAfter" in data:
        return RemoteUnreachable(f"{peer} takes no more for now: {_shown(error)}")
    if isinstance(error, (json.JSONDecodeError, ValueError, TypeError, KeyError)):
        return RemoteFailed(f"{peer} answered something that is not A2A: {type(error).__name__}.")
    return RemoteFailed(f"{peer} refused: {_shown(error)}")


def of_status(peer: str, status: int) -> RemoteFailed:
    """The error for an HTTP status."""
    if status in _PASSING:
        return RemoteUnreachable(f"{peer} answered HTTP {status}.")
    if status in (401, 403):
        return RemoteUnusable(
            f"{peer} answered HTTP {status}: give its credential under [peers] credential, or another one."
        )
    if 300 <= status < 400:
        return RemoteUnusable(f"{peer} answered HTTP {status}: redirects are not followed; name the final address.")
    return RemoteUnusable(f"{peer} answered HTTP {status}.")


def _grpc_code(cause: BaseException) -> str | None:
    code: Any = getattr(cause, "code", None)
    name: Any = getattr(code(), "name", None) if callable(code) else None
    return name if isinstance(name, str) else None


def _of_grpc(peer: str, code: str, error: Exception) -> RemoteFailed:
    if code in _PASSING_GRPC:
        return RemoteUnreachable(f"{peer} cannot be reached: gRPC {code}.")
    if code in _BARRED_GRPC:
        return RemoteUnusable(f"{peer} refused: gRPC {code}.")
    return RemoteFailed(f"{peer} refused: {_shown(error)}")


def _shown(error: Exception) -> str:
    return " ".join(str(error).split())[:_SHOWN]
