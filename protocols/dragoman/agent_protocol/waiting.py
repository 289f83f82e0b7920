"""Waiting for a run over HTTP: in one piece when it settles soon, else headers at once and the result when it is
there.

Early headers tell the client which run it waits for, and where to come back to; newlines before the JSON keep the
connection alive. A client that leaves cancels the run where it asked for that, and never otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from starlette.types import Receive, Scope, Send

from dragoman.agent_protocol.endpoint import Answer, Header, json_reply
from dragoman.agent_protocol.errors import error_answer
from dragoman.agent_protocol.settings import AgentProtocolSettings
from dragoman.agent_protocol.surface import Surface
from dragoman.engine import Engine
from dragoman.memory.codec import dumps
from dragoman.memory.errors import DragomanError
from dragoman.memory.model import Json, Principal, Run

__all__ = ["Result", "RunWait", "answer_when_settled"]

Result = Callable[[Run], Awaitable[Json]]
"""What a run looks like to the one who waited for it."""

_LOOK = 1.0  # seconds between two looks at whether the server still takes runs


async def answer_when_settled(run: Run, result: Result, headers: Sequence[Header], patient: RunWait) -> Answer:
    """The answer to a wait for a run that was waited for already: at once, or by ``patient``."""
    return json_reply(await result(run), 200, headers) if run.settled else patient


class RunWait:
    """The answer to a wait that takes longer."""

    def __init__(
        self,
        engine: Engine,
        settings: AgentProtocolSettings,
        principal: Principal,
        run: Run,
        *,
        surface: Surface,
        result: Result,
        headers: Sequence[Header],
        cancel_on_leave: bool,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._principal = principal
        self._run = run
        self._surface = surface
        self._result = result
        self._headers = headers
        self._cancel_on_leave = cancel_on_leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), *self._headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(_gone(receive))
        settled = asyncio.ensure_future(
            self._engine.wait(self._principal, self._run.id, timeout=self._settings.wait_limit)
        )
        try:
            if await self._until(settled, gone, send):
                await self._finish(settled, send)
        except asyncio.CancelledError:
            # The server stops. What was sent is whitespace: the connection must break, so that the client sees that it
            # has no answer and comes back; a layer above that ended the body properly would make it an empty one.
            return
        finally:
            for task in (gone, settled):
                task.cancel()
            await asyncio.gather(gone, settled, return_exceptions=True)

    async def _until(self, settled: asyncio.Future[Run], gone: asyncio.Future[None], send: Send) -> bool:
        """Wait; whether there is something to finish with."""
        look = min(_LOOK, self._settings.heartbeat)
        quiet = 0.0
        while not settled.done():
            await asyncio.wait((settled, gone), timeout=look, return_when=asyncio.FIRST_COMPLETED)
            if settled.done():
                break
            if gone.done():
                if self._cancel_on_leave and self._engine.accepting:
                    self._engine.cancel_later(self._principal, self._run.id, "its client left")
                return False
            if not self._engine.accepting and self._run.id not in self._engine.held():
                return False  # it goes on elsewhere, or later
            quiet += look
            if quiet >= self._settings.heartbeat:
                quiet = 0.0
                await send({"type": "http.response.body", "body": b"\n", "more_body": True})
        return True

    async def _finish(self, settled: asyncio.Future[Run], send: Send) -> None:
        try:
            run = settled.result()
            if not run.settled and self._surface is Surface.LANGGRAPH:
                return  # a bare state would pass for the result; cut off, the client comes back to Location
            body = dumps(await self._result(run))
        except DragomanError as error:  # the run was deleted meanwhile
            body = dumps(error_answer(error, self._surface)[1])
        await send({"type": "http.response.body", "body": body})


async def _gone(receive: Receive) -> None:
    """Until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
