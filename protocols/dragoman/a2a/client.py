"""Reaches the agents of other servers over A2A: the port ``dragoman.agents.remote.Peers``, as the app hands it to the
engine.

    ctx.remote -> engine.remote -> here -> client_calls (the SDK's transports) -> client_fold -> back up

Loads nothing before the first call: the SDK takes half a second, which no server that calls nobody should pay.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from dragoman.a2a.client_settings import PeerSettings
from dragoman.agents.remote import RemoteMessage, Told
from dragoman.auth.egress import Egress

if TYPE_CHECKING:
    from dragoman.a2a.client_calls import PeerCalls

__all__ = ["A2aPeers"]


class A2aPeers:
    """Other servers' agents. ``peers`` are those that the operator says something of; any other address that the
    egress policy lets through may be called too."""

    def __init__(self, peers: Sequence[PeerSettings], egress: Egress) -> None:
        self._peers = peers
        self._egress = egress
        self._loaded: PeerCalls | None = None

    async def send(self, peer: str, message: RemoteMessage) -> AsyncGenerator[Told, None]:
        """See ``Peers``."""
        async with aclosing((await self._calls()).send(peer, message)) as told_by:
            async for told in told_by:
                yield told

    async def follow(self, peer: str, task_id: str) -> AsyncGenerator[Told, None]:
        """See ``Peers``."""
        async with aclosing((await self._calls()).follow(peer, task_id)) as told_by:
            async for told in told_by:
                yield told

    async def cancel(self, peer: str, task_id: str) -> None:
        """See ``Peers``."""
        await (await self._calls()).cancel(peer, task_id)

    async def _calls(self) -> PeerCalls:
        if self._loaded is not None:
            return self._loaded
        module = await asyncio.to_thread(importlib.import_module, "dragoman.a2a.client_calls")
        loaded: PeerCalls = self._loaded or module.PeerCalls(self._peers, self._egress)
        self._loaded = loaded
        return loaded
