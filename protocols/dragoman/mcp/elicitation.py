"""Questions in the older era: requests of ours to the client, and the client's replies.

The id of a run's question names the run and the question, so that a reply is taken by any replica and after a restart,
and also when the call that asked has long been answered with a handle. What is kept in memory is only what makes a
call wait; a question of a plain function ends with its call. Follows 2025-06-18 and 2025-11-25 "Elicitation",
"Sampling" and "Roots".
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dragoman.agents.errors import InterruptExpired
from dragoman.engine import Engine
from dragoman.mcp import answers, questions
from dragoman.mcp.call import Call, Peer
from dragoman.mcp.jsonrpc import Id, Reply
from dragoman.memory.errors import NotFound
from dragoman.memory.model import Interrupt, Json, RunView

__all__ = ["Desk"]

_PREFIX: Final = "ask"
_OF_A_CALL: Final = re.compile(r"call:[0-9a-f]{24}")


@dataclass(slots=True)
class _Asked:
    call: Call
    interrupt: Interrupt
    limit: asyncio.Timeout
    deaf: Callable[[], None]


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

        def relayed(told: Any) -> None:
            if not waiting.done() and [told["subject"], told["session"]] == _sender(call):
                waiting.set_result(Reply(id, told["result"], told["error"]))

        deaf = self._engine.relay.wait(call.principal.tenant, id, relayed)
        try:
            await call.channel.send({"jsonrpc": "2.0", "id": id, **request})
            return await waiting
        finally:
            deaf()
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
            self._forget(id)

    async def reply(self, peer: Peer, reply: Reply) -> None:
        """Take the client's reply. One that answers nothing that is asked (any more) is ignored.

        Raises ``ProtocolError`` for a result that is no ElicitResult.
        """
        if reply.id in self._requests:
            call, waiting = self._requests[reply.id]
            if not waiting.done() and _sender(call) == _sender(peer):
                waiting.set_result(reply)
            return
        if _OF_A_CALL.fullmatch(str(reply.id)):  # the call may wait in another replica
            subject, session = _sender(peer)
            sent = {"subject": subject, "session": session, "result": reply.result, "error": reply.error}
            await self._engine.relay.leave(peer.principal.tenant, str(reply.id), sent)
            return
        asked = self._asked.get(reply.id)
        if asked is not None and asked.call.principal == peer.principal:
            self._forget(reply.id)
        else:
            asked = None
        if reply.result is None:
            await self._dismissed(peer, reply.id, asked)
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
            await self._dismissed(peer, reply.id, asked)
        elif told.problems and asked is not None:
            await self._send(asked.call, interrupt, asked.limit, told.problems[interrupt.key])
        elif told.problems:
            await self._engine.relay.leave(
                peer.principal.tenant, str(reply.id), {"problem": told.problems[interrupt.key]}
            )

    async def _send(self, call: Call, interrupt: Interrupt, limit: asyncio.Timeout, problem: str) -> None:
        id = f"{_PREFIX}:{interrupt.run_id}:{interrupt.id}:{secrets.token_hex(4)}"

        def relayed(told: Any) -> None:
            """The reply came to another replica, which has given the answer unless there is something to do here."""
            asked = self._forget(id)
            if asked is not None and told["problem"]:
                self._engine.in_background(self._send(call, interrupt, limit, told["problem"]))
            else:
                self._put_off(asked)

        deaf = self._engine.relay.wait(call.principal.tenant, id, relayed)
        self._asked[id] = _Asked(call, interrupt, limit, deaf)
        await call.channel.send({"jsonrpc": "2.0", "id": id, **questions.request_for(call, interrupt, problem)})

    def _forget(self, id: Id) -> _Asked | None:
        asked = self._asked.pop(id, None)
        if asked is not None:
            asked.deaf()
        return asked

    async def _dismissed(self, peer: Peer, id: Id, asked: _Asked | None) -> None:
        """The person put the question off: here, or where the call waits."""
        self._put_off(asked)
        if asked is None and all(_names(id)):
            await self._engine.relay.leave(peer.principal.tenant, str(id), {"problem": ""})

    @staticmethod
    def _put_off(asked: _Asked | None) -> None:
        if asked is not None:
            asked.limit.reschedule(asyncio.get_running_loop().time())


def _sender(who: Call | Peer) -> list[str | None]:
    """Who a call's request goes to, or a reply comes from: the same for a reply that is the request's."""
    return [who.principal.subject, None if who.session is None else who.session.id]


def _names(id: Id) -> tuple[str, str]:
    """The run and the interrupt that an id of ours names; empty names for another's."""
    parts = str(id).split(":")
    return (parts[1], parts[2]) if len(parts) == 4 and parts[0] == _PREFIX else ("", "")
