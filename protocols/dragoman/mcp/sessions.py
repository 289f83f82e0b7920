"""Sessions of the older era, kept in the ledger: they outlive the process, and any replica over the ledger takes them.

A session that was deleted, or was idle for its time to live, is unknown everywhere. What was read a moment ago is taken
from memory, and using a session prolongs it once in a while, so that a request costs no query and no write of its own.
Follows 2025-11-25 "Session Management". A session on stdio is the pipe's, and is not here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from dragoman.engine import Engine
from dragoman.engine.relay import Ended
from dragoman.mcp import eras
from dragoman.mcp.call import Session
from dragoman.memory.errors import DragomanError
from dragoman.memory.model import Json, Principal

__all__ = ["Sessions"]

_KIND: Final = "mcp.session"
_FRESH: Final = 1.0
"""Seconds for which a session is taken from memory: another replica may have ended or changed it."""
_PROLONGED: Final = 60.0
"""Seconds between two writes that prolong a session in use, at least."""
_REMEMBERED: Final = 4096
_LONGEST: Final = 64
_log = logging.getLogger("dragoman.mcp")


def _changed(id: str) -> str:
    """The name under which replicas tell each other that a session was changed or has ended."""
    return f"session:{id}"


@dataclass(slots=True)
class _Held:
    session: Session
    subject: str
    read_at: float
    prolonged_at: float


class Sessions:
    """Opens, finds, changes and ends sessions. ``ttl`` is how long one may be idle, in seconds."""

    def __init__(self, engine: Engine, ttl: float) -> None:
        self._engine = engine
        self._ttl = ttl
        self._often = min(_PROLONGED, ttl / 4)
        self._held: dict[tuple[str, str], _Held] = {}
        self._writing = asyncio.Lock()

    async def open(self, principal: Principal, session: Session) -> Session:
        """Keep a new session; it is returned with its id."""
        opened = replace(session, id=secrets.token_urlsafe(24))
        await self._write(principal, opened)
        return opened

    async def find(self, principal: Principal, id: str) -> Session | None:
        """The caller's session of this id; None for one that is another's, has expired or has ended."""
        held, now = self._held.get((principal.tenant, id)), time.monotonic()
        if held is None or now - held.read_at > _FRESH:
            held = await self._read(principal.tenant, id, held)
        if held is None or held.subject != principal.subject:
            return None
        if now - held.prolonged_at >= self._often:
            held.prolonged_at = now
            self._engine.in_background(self._prolong(principal.tenant, id))
        return held.session

    async def change(self, principal: Principal, id: str, change: Callable[[Session], Session]) -> Session | None:
        """Change a session; it is returned as it is then. None where it has ended."""
        async with self._writing:
            held = await self._read(principal.tenant, id, self._held.get((principal.tenant, id)))
            if held is None or held.subject != principal.subject:
                return None
            before, after = held.session, change(held.session)
            if after != before:
                await self._write(principal, after)
                self._engine.relay.tell(principal.tenant, _changed(id))
            return after

    async def end(self, principal: Principal, id: str) -> None:
        """The client is done with it."""
        async with self._writing:
            await self._engine.ledger.forget(principal.tenant, _KIND, id)
            self._held.pop((principal.tenant, id), None)
            self._engine.relay.tell(principal.tenant, _changed(id))

    def follow(self, principal: Principal, id: str, take: Callable[[Session | None], Awaitable[None]]) -> Ended:
        """Have ``take`` called with a session that another replica has changed, None once it has ended there; the
        function that ends that is returned."""

        async def look() -> None:
            self._held.pop((principal.tenant, id), None)
            try:
                await take(await self.find(principal, id))
            except DragomanError as error:
                _log.warning("a session that was changed elsewhere could not be read: %s", error.message)

        return self._engine.relay.hear(principal.tenant, _changed(id), lambda: self._engine.in_background(look()))

    # -- inside -------------------------------------------------------------------------------------------------------
    async def _read(self, tenant: str, id: str, known: _Held | None) -> _Held | None:
        told: Any = await self._engine.ledger.recall(tenant, _KIND, id) if 0 < len(id) <= _LONGEST else None
        if told is None or told["version"] not in eras.OLDER:
            self._held.pop((tenant, id), None)
            return None
        session = Session(told["version"], told["capabilities"], id, told["level"], frozenset(told["watched"]))
        prolonged_at = float("-inf") if known is None else known.prolonged_at
        return self._hold(tenant, session, told["subject"], prolonged_at)

    async def _write(self, principal: Principal, session: Session) -> None:
        told: dict[str, Json] = {
            "version": session.version,
            "capabilities": session.capabilities,
            "level": session.level,
            "watched": sorted(session.watched),
            "subject": principal.subject,
        }
        await self._engine.ledger.remember(principal.tenant, _KIND, session.id, told, self._ttl)
        self._hold(principal.tenant, session, principal.subject, time.monotonic())

    def _hold(self, tenant: str, session: Session, subject: str, prolonged_at: float) -> _Held:
        if len(self._held) >= _REMEMBERED and (tenant, session.id) not in self._held:
            del self._held[next(iter(self._held))]
        held = self._held[tenant, session.id] = _Held(session, subject, time.monotonic(), prolonged_at)
        return held

    async def _prolong(self, tenant: str, id: str) -> None:
        try:
            await self._engine.ledger.prolong(tenant, _KIND, id, self._ttl)
        except DragomanError as error:
            _log.warning("a session could not be prolonged: %s", error.message)
