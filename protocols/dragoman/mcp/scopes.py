"""What a caller must hold to use something: refused in the way that a client can ask for more by.

Over HTTP that is 403 with a challenge that names all scopes of the operation (RFC 6750 section 3.1, MCP
"Authorization", "Scope Challenge Handling"); ``routes.py`` writes it. Over stdio it is the error alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from dragoman.mcp.errors import INVALID_REQUEST, ProtocolError
from dragoman.memory.model import Principal

__all__ = ["ScopeMissing", "held_of", "require"]


class ScopeMissing(ProtocolError):
    """The caller lacks a scope. ``scopes`` are all that the operation needs."""

    def __init__(self, what: str, scopes: Iterable[str]) -> None:
        self.scopes = tuple(sorted(scopes))
        told = ", ".join(self.scopes)
        super().__init__(INVALID_REQUEST, f"{what} needs the scopes: {told}.", {"requiredScopes": list(self.scopes)})


def require(principal: Principal, scopes: frozenset[str], what: str) -> None:
    """Raise ``ScopeMissing`` unless the caller holds all of them; ``what`` says what needs them."""
    if scopes and not all(principal.may(scope) for scope in scopes):
        raise ScopeMissing(what, scopes)


def held_of(principal: Principal, scopes: frozenset[str]) -> frozenset[str]:
    """Which of these the caller holds."""
    return frozenset(scope for scope in scopes if principal.may(scope)) if scopes else scopes
