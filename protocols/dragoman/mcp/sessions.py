"""Sessions of the older era, kept by the client: the id is the session, sealed.

Any replica takes it, and so does a server started anew with the same key; nothing has to be stored or swept. An id
that the client gave up (DELETE) is refused by this process while it lives; since a session holds nothing but a
version and a capability, one that another replica still takes is worth nothing to anyone but its owner.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Final

from dragoman.mcp import eras
from dragoman.mcp.call import Session
from dragoman.mcp.sealed import BadSeal, Sealer
from dragoman.memory.model import Principal

__all__ = ["Sessions"]

_PURPOSE: Final = "session"
_REMEMBERED: Final = 4096


class Sessions:
    """Opens, recognises and ends sessions."""

    def __init__(self, sealer: Sealer, ttl: float) -> None:
        self._sealer = sealer
        self._ttl = ttl
        self._ended: OrderedDict[str, None] = OrderedDict()

    def seal(self, principal: Principal, session: Session) -> str:
        """The id of a new session."""
        payload = {"v": session.version, "c": dict(session.capabilities), "id": secrets.token_hex(8)}
        return self._sealer.seal(_PURPOSE, principal, payload, self._ttl)

    def find(self, principal: Principal, token: str) -> Session | None:
        """The session of an id; None for one that is not this caller's, has lapsed or has ended."""
        try:
            payload = self._sealer.open(_PURPOSE, principal, token)
        except BadSeal:
            return None
        if payload["id"] in self._ended or payload["v"] not in eras.OLDER:
            return None
        return Session(payload["v"], payload["c"], payload["id"])

    def end(self, session: Session) -> None:
        """The client is done with it."""
        self._ended[session.id] = None
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
