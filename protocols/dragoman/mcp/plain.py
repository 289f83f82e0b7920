"""Functions that are done within their request: plain tools, prompts, resources. No run, and nothing is left behind.

The function works in a task of its own, so that it can be stopped where its request is: when the client takes the
request back, when it closes the stream, when time is up, and in the modern era when it asks the client something. Then
it starts again from its first line in the retry (``asking.py``). What has been answered travels in the sealed
``requestState``, which is bound to the caller, to the request and to a time, and is taken once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from dragoman.engine import Engine
from dragoman.mcp import mrtr, questions
from dragoman.mcp.asking import Requests, Rounds
from dragoman.mcp.call import Call
from dragoman.mcp.elicitation import Desk
from dragoman.mcp.errors import INTERNAL, INVALID_PARAMS, ProtocolError
from dragoman.mcp.plain_context import PlainContext
from dragoman.mcp.sealed import Sealer
from dragoman.mcp.settings import McpSettings
from dragoman.memory.model import Json

__all__ = ["InputRequired", "Plain", "TookTooLong"]

T = TypeVar("T")
Work = Callable[[PlainContext], Awaitable[T]]
_USED: Final = "mcp.requestState"
_PATIENCE: Final = 1.0  # seconds that a function has to take its cancellation before its client is answered


class TookTooLong(Exception):
    """A function was at work for longer than it may. ``seconds`` is how long that is."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"It took longer than {seconds:g} s.")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class InputRequired:
    """The function asks: ``result`` is what its client is answered."""

    result: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Returned(Generic[T]):
    """The function has returned."""

    value: T


class Plain:
    """Does functions for calls."""

    def __init__(self, engine: Engine, settings: McpSettings, sealer: Sealer, desk: Desk) -> None:
        self._engine = engine
        self._settings = settings
        self._sealer = sealer
        self._desk = desk
        self._leaving: set[asyncio.Task[Any]] = set()

    async def do(self, call: Call, work: Work[T], timeout: float | None = None) -> Returned[T] | InputRequired:
        """Do a function's work for a call, within ``timeout`` seconds or those of a run.

        Raises what the function raises, ``TookTooLong``, and ``ProtocolError`` for a retry that makes no sense.
        """
        limit = self._engine.settings.run_timeout if timeout is None else timeout
        if not call.modern:
            context = PlainContext(call, Requests(call, self._desk, self._patience))
            return Returned(await self._within(call, work(context), limit, None))
        state = mrtr.open_state(call, self._sealer) or {"known": {}, "until": {}}
        if "known" not in state:
            raise ProtocolError(INVALID_PARAMS, "The requestState is not one of this request; send it anew.")
        await self._use(call, state.get("id"))
        asks = asyncio.get_running_loop().create_future()
        rounds = Rounds(call, state["known"], state["until"], mrtr.responses(call), lambda: _set(asks))
        try:
            value = await self._within(call, work(PlainContext(call, rounds)), limit, asks)
        except _Asks:
            return InputRequired(self._asked(call, rounds))
        if rounds.refused is not None:
            raise rounds.refused
        return Returned(value)

    @property
    def _patience(self) -> float:
        return max(self._settings.call_wait, self._settings.elicit_wait)

    async def _use(self, call: Call, id: str | None) -> None:
        """Take a state for the first time, or not at all."""
        if id is None:
            return
        ledger, tenant = self._engine.ledger, call.principal.tenant
        if not await ledger.remember(tenant, _USED, id, 1, self._settings.state_ttl, only_new=True):
            raise ProtocolError(INVALID_PARAMS, "The requestState was used before; send the request anew.")

    def _asked(self, call: Call, rounds: Rounds) -> dict[str, Json]:
        if rounds.refused is not None:
            raise rounds.refused
        payload = {"id": secrets.token_hex(12), "known": rounds.known, "until": rounds.until}
        return {
            "resultType": "input_required",
            "inputRequests": {
                key: questions.request_for(call, question, rounds.problems.get(key, ""))
                for key, question in rounds.open.items()
            },
            "requestState": mrtr.seal_state(call, self._sealer, payload, self._settings.state_ttl),
        }

    # -- the task -----------------------------------------------------------------------------------------------------
    async def _within(self, call: Call, work: Awaitable[T], limit: float, asks: asyncio.Future[None] | None) -> T:
        """Await the work, in a task of its own. Raises ``_Asks`` once ``asks`` is there and the work has stopped."""
        task = asyncio.ensure_future(_named(work))
        task.add_done_callback(lambda _: _close(work))
        call.stop = lambda: _cancel(task)
        until: set[asyncio.Future[Any]] = {task} if asks is None else {task, asks}
        try:
            soon = min(limit, self._settings.inline_wait)
            done, _ = await asyncio.wait(until, timeout=soon, return_when=asyncio.FIRST_COMPLETED)
            if not done and limit > soon:
                await call.channel.open()
                await asyncio.wait(until, timeout=limit - soon, return_when=asyncio.FIRST_COMPLETED)
            if task.cancelled():
                raise ProtocolError(INTERNAL, "The request was cancelled.")
            if task.done():
                return task.result()
            task.cancel()
            await asyncio.wait({task}, timeout=_PATIENCE)
            if asks is not None and asks.done():
                raise _Asks
            raise TookTooLong(limit)
        finally:
            call.stop = None
            if not task.done():
                task.cancel()
                self._leaving.add(task)
            task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[Any]) -> None:
        self._leaving.discard(task)
        if not task.cancelled():
            task.exception()  # it was told where it was awaited, or nobody is there to be told


class _Asks(Exception):
    """The function waits for its client."""


async def _named(work: Awaitable[T]) -> T:
    return await work


def _close(work: Awaitable[Any]) -> None:
    """Work that was taken back before it began is awaited by nobody."""
    if asyncio.iscoroutine(work):
        work.close()


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
