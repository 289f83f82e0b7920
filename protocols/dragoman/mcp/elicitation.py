"""Elicitation in the older era: a question of a run as a request of ours to the client, and the client's reply.

The id of such a request names the run and the question, so that a reply is taken by any replica and after a restart,
and also when the call that asked has long been answered with a handle. What is kept in memory is only what makes a
call wait. Follows 2025-06-18 and 2025-11-25 "Elicitation".
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Final

from dragoman.engine import Engine
from dragoman.mcp import answers, forms
from dragoman.mcp.call import Call, Peer
from dragoman.mcp.jsonrpc import Id, Reply
from dragoman.memory.errors import NotFound
from dragoman.memory.model import Interrupt, RunView

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
        self._closed = False

    async def ask(self, call: Call, view: RunView, limit: asyncio.Timeout) -> bool:
        """Send the run's open questions that this call has not sent yet; whether any lies before the client.

        ``limit`` is what the call waits under: it is brought forward when the person puts the question off.
        """
        if self._closed:
            return False
        sent = {a.interrupt.id for a in self._asked.values() if a.call is call}
        asked = [i for i in view.open_interrupts if forms.askable(i)]
        for interrupt in asked:
            if interrupt.id not in sent:
                await self._send(call, interrupt, limit, "")
        return bool(asked)

    def close(self) -> None:
        """No reply can come any more: put off what is asked, and ask no more."""
        self._closed = True
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
        asked = self._asked.pop(reply.id, None)
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
        params = forms.elicit_params(interrupt, call.version, problem)
        await call.channel.send({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params})

    @staticmethod
    def _put_off(asked: _Asked | None) -> None:
        if asked is not None:
            asked.limit.reschedule(asyncio.get_running_loop().time())


def _names(id: Id) -> tuple[str, str]:
    """The run and the interrupt that an id of ours names; empty names for another's."""
    parts = str(id).split(":")
    return (parts[1], parts[2]) if len(parts) == 4 and parts[0] == _PREFIX else ("", "")
