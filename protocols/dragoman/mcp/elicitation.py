"""Questions in the older era: requests of ours to the client, and the client's replies.

The id of a run's question names the run and the question, so that a reply is taken by any replica and after a restart,
and also when the call that asked has long been answered with a handle. What is kept in memory is only what makes a
call wait; a question of a plain function ends with its call. Follows 2025-06-18 and 2025-11-25 "Elicitation",
"Sampling" and "Roots".
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dragoman.agents.errors import InterruptExpired
from dragoman.engine import Engine
from dragoman.mcp import answers, questions
from dragoman.mcp.call import Call, Peer
from dragoman.mcp.jsonrpc import Id, Reply
from dragoman.memory.errors import NotFound
from dragoman.memory.model import Interrupt, Json, RunView

__all__ = ["Desk"]

_PREFIX: Final = "ask"


@dataclass(slots=True)
class _Asked:
    call: Call
    interrupt: Interrupt
    limit: asyncio.Timeout


class Desk:
    """The questions that lie before people right now."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asked: dict[Id, _Asked] = {}
        self._requests: dict[Id, tuple[Call, asyncio.Future[Reply]]] = {}
        self._closed = False

    async def ask(self, call: Call, view: RunView, limit: asyncio.Timeout) -> bool:
        """Send the run's open questions that this call has not sent yet; whether any lies before the client.

        ``limit`` is what the call waits under: it is brought forward when the person puts the question off.
        """
        if self._closed:
            return False
        sent = {a.interrupt.id for a in self._asked.values() if a.call is call}
        asked = questions.askable(call, view.open_interrupts)
        for interrupt in asked:
            if interrupt.id not in sent:
                await self._send(call, interrupt, limit, "")
        return bool(asked)

    async def request(self, call: Call, request: Mapping[str, Json]) -> Reply:
        """Send a request of a call that is no run, and wait for the client's reply. Raises ``InterruptExpired`` where
        none can come."""
        if self._closed or not call.channel.streams:
            raise InterruptExpired("The client of this call takes no requests while it waits.")
        id = f"call:{secrets.token_hex(12)}"
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._requests[id] = call, waiting
        try:
            await call.channel.send({"jsonrpc": "2.0", "id": id, **request})
            return await waiting
        finally:
            del self._requests[id]

    def close(self) -> None:
        """No reply can come any more: put off what is asked, and ask no more."""
        self._closed = True
        for _, waiting in self._requests.values():
            if not waiting.done():
                waiting.set_exception(InterruptExpired("The client has gone."))
        for asked in list(self._asked.values()):
            self._put_off(asked)

    def forget(self, call: Call) -> None:
        """The call waits no more. Replies are still taken."""
        for id in [id for id, asked in self._asked.items() if asked.call is call]:
            del self._asked[id]

    async def reply(self, peer: Peer, reply: Reply) -> None:
        """Take the client's reply. One that answers nothing that is asked (any more) is ignored.

        Raises ``ProtocolError`` for a result that is no ElicitResult.
        """
        if reply.id in self._requests:
            call, waiting = self._requests[reply.id]
            if not waiting.done() and _asks(call, peer):
                waiting.set_result(reply)
            return
        asked = self._asked.get(reply.id)
        if asked is not None and asked.call.principal == peer.principal:
            del self._asked[reply.id]
        else:
            asked = None
        if reply.result is None:
            self._put_off(asked)
            return
        run_id, interrupt_id = _names(reply.id)
        try:
            view = await self._engine.view(peer.principal, run_id)
        except NotFound:
            return
        interrupt = next((i for i in view.open_interrupts if i.id == interrupt_id), None)
        if interrupt is None:
            return
        version = peer.session.version if peer.session is not None else peer.version
        told = await answers.give(self._engine, peer.principal, view, {interrupt.key: reply.result}, version)
        if told.dismissed:
            self._put_off(asked)
        elif told.problems and asked is not None:
            await self._send(asked.call, interrupt, asked.limit, told.problems[interrupt.key])

    async def _send(self, call: Call, interrupt: Interrupt, limit: asyncio.Timeout, problem: str) -> None:
        id = f"{_PREFIX}:{interrupt.run_id}:{interrupt.id}:{secrets.token_hex(4)}"
        self._asked[id] = _Asked(call, interrupt, limit)
        await call.channel.send({"jsonrpc": "2.0", "id": id, **questions.request_for(call, interrupt, problem)})

    @staticmethod
    def _put_off(asked: _Asked | None) -> None:
        if asked is not None:
            asked.limit.reschedule(asyncio.get_running_loop().time())


def _asks(call: Call, peer: Peer) -> bool:
    """Whether a reply's sender is who the call's request went to."""
    sessions = [None if session is None else session.id for session in (call.session, peer.session)]
    return call.principal == peer.principal and sessions[0] == sessions[1]


def _names(id: Id) -> tuple[str, str]:
    """The run and the interrupt that an id of ours names; empty names for another's."""
    parts = str(id).split(":")
    return (parts[1], parts[2]) if len(parts) == 4 and parts[0] == _PREFIX else ("", "")
