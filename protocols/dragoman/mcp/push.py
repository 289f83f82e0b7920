"""What a session of the older era is told outside of its requests: lists that changed, and resources that it
subscribed to.

It goes out on the session's GET streams, each message on one of them, or on the pipe. Nothing is kept for a client that
has no stream open. Follows 2025-11-25 "Subscriptions" (resources), "List Changed Notification", and "Listening for
Messages from the Server".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from dragoman.agents.catalog import Catalog
from dragoman.engine import Engine
from dragoman.mcp import notices, params
from dragoman.mcp.call import Call, Channel, Session
from dragoman.mcp.errors import INVALID_PARAMS, INVALID_REQUEST, ProtocolError
from dragoman.mcp.resources import not_found
from dragoman.mcp.settings import McpSettings
from dragoman.mcp.watch import Change, Watch
from dragoman.memory.model import Json, Principal

__all__ = ["Push", "Subscribing"]

_LISTS: Final = ("tools", "prompts", "resources")


class Push:
    """What one session is told. Several streams may take from it."""

    def __init__(self, engine: Engine, catalog: Catalog, settings: McpSettings, principal: Principal) -> None:
        self._watch = Watch(engine, catalog, settings, principal)
        self._watch.lists(_LISTS)

    async def follow(self, session: Session) -> None:
        """Watch what the session is subscribed to now."""
        for uri in self._watch.resources - session.watched:
            self._watch.forget(uri)
        for uri in sorted(session.watched - self._watch.resources):
            await self._watch.resource(uri)

    async def send_to(self, channel: Channel) -> None:
        """Send what changes until the session ends. What could not be sent is left to another stream."""
        while (change := await self._watch.next()) is not None:
            try:
                await channel.send(_message(change))
            except BaseException:
                self._watch.put_back(change)
                raise

    def close(self) -> None:
        """Watch nothing more; who sends has sent all."""
        self._watch.close()


def _message(change: Change) -> Mapping[str, Json]:
    kind, name = change
    return notices.list_changed(name) if kind == "list" else notices.resource_updated(name)


class Subscribing:
    """The verbs of subscriptions to resources."""

    def __init__(self, engine: Engine, catalog: Catalog, settings: McpSettings) -> None:
        self._engine = engine
        self._catalog = catalog
        self._settings = settings

    async def subscribe(self, call: Call) -> Mapping[str, Json]:
        """``resources/subscribe``, for the session."""
        uri, session = params.text(call, "uri"), _session(call)
        if uri not in session.watched:
            most = self._settings.listen_items
            if len(session.watched) >= most:
                raise ProtocolError(INVALID_PARAMS, f"A session is subscribed to {most} resources at most.")
            if not await self._is_there(call, uri):
                raise not_found(call, uri)
            call.session_change = lambda now: replace(now, watched=now.watched | {uri})
        return {}

    async def unsubscribe(self, call: Call) -> Mapping[str, Json]:
        """``resources/unsubscribe``; what was not subscribed to is let be."""
        uri = params.text(call, "uri")
        if uri in _session(call).watched:
            call.session_change = lambda now: replace(now, watched=now.watched - {uri})
        return {}

    async def _is_there(self, call: Call, uri: str) -> bool:
        watch = Watch(self._engine, self._catalog, self._settings, call.principal)
        try:
            return await watch.resource(uri)
        finally:
            watch.close()


def _session(call: Call) -> Session:
    if call.session is None:
        raise ProtocolError(INVALID_REQUEST, f"{call.request.method} needs a session; begin with initialize.")
    return call.session
