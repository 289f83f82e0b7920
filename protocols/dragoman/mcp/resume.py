"""Requests of the older era whose clients can come back for the response: POSTs that begin them, GETs that go on.

An event's id is sealed for its session and says which request it is of, and which run. So a call of an agent is gone on
with from the ledger also by another replica, and after a restart; what had no run is answered with an error then.
Follows 2025-11-25 "Sending Messages to the Server", "Resumability and Redelivery".
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from starlette.types import Receive, Send

from dragoman.engine import Engine
from dragoman.mcp import eras, sse
from dragoman.mcp.call import Call, Peer, Session
from dragoman.mcp.errors import INTERNAL, ProtocolError
from dragoman.mcp.handed_over import offer, read
from dragoman.mcp.jsonrpc import Id, Request, error_bytes
from dragoman.mcp.kernel import Answer, Kernel
from dragoman.mcp.replay import Replay
from dragoman.mcp.sealed import BadSeal
from dragoman.mcp.settings import McpSettings
from dragoman.memory.model import Json, Principal

__all__ = ["Resuming"]

_PURPOSE: Final = "event"
_LONG: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
_KEPT_S: Final = 60.0
"""Seconds for which a response is kept once it is there."""
_MOST_KEPT: Final = 1024
_MOST_KEPT_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a client is in a response: what the id of an event says.

    ``name`` is the response's; ``number`` the event's in it; ``seen`` is the last event of the run's thread that was
    told of by then.
    """

    token: str
    name: str
    request_id: Id
    run_id: str | None
    progress_token: Id | None
    number: int
    seen: int


class Resuming:
    """The responses that are kept."""

    def __init__(self, engine: Engine, kernel: Kernel, settings: McpSettings) -> None:
        self._engine = engine
        self._kernel = kernel
        self._settings = settings
        self._replays: dict[str, Replay] = {}
        self._offered: dict[str, Callable[[], None]] = {}
        self._finished: OrderedDict[str, int] = OrderedDict()
        self._bytes = 0

    @staticmethod
    def takes(peer: Peer, request: Request, streams: bool) -> bool:
        """Whether this is a request whose client can come back for its response."""
        session = peer.session
        return session is not None and streams and request.method in _LONG and eras.has("resume", session.version)

    async def post(self, peer: Peer, session: Session, request: Request, receive: Receive, send: Send) -> Answer | None:
        """Begin a request; its answer, if that comes at once, or None once its stream has been written."""
        name = secrets.token_hex(8)
        token = partial(self._token, peer.principal, session, name)
        replay = self._replays[name] = Replay(name, token, eras.has("priming", session.version))
        deaf = offer(self._engine, peer.principal.tenant, replay)
        self._offered[name] = deaf
        self._begin(replay, self._kernel.request(peer, request, replay, replay.begin))
        await replay.begun.wait()
        if not replay.opened and replay.answer is not None:
            return replay.answer
        await self._stream(replay, None, receive, send)
        return None

    async def get(self, peer: Peer, session: Session, last_event_id: str, receive: Receive, send: Send) -> None:
        """Go on with a response after an event. Raises ``BadSeal`` for an id that is not of this session."""
        place = self._place(peer.principal, session, last_event_id)
        replay = self._replays.get(place.name)
        if replay is None and place.run_id is None:
            elsewhere = await read(self._engine, peer.principal.tenant, place.name, place.number)
            if elsewhere is not None:
                await sse.stream(receive, send, elsewhere, self._settings.keepalive)
                return
        await self._stream(replay or self._anew(peer, session, place), place.number, receive, send)

    def __len__(self) -> int:
        """How many responses are kept, or made."""
        return len(self._replays)

    # -- a response ---------------------------------------------------------------------------------------------------
    async def _stream(self, replay: Replay, after: int | None, receive: Receive, send: Send) -> None:
        close_after = self._settings.stream_close_after
        write = partial(replay.write_to, after=after, close_after=close_after)
        await sse.stream(receive, send, write, self._settings.keepalive)

    def _anew(self, peer: Peer, session: Session, place: _Place) -> Replay:
        """A response that is not kept here: made from its run, or an error that says so."""
        replay = Replay(place.name, place.token, eras.has("priming", session.version), place.number)
        self._replays[place.name] = replay
        replay.opened = True
        if place.run_id is None:
            why = ProtocolError(INTERNAL, "The response is not kept any more; send the request again.")
            self._finish(replay, Answer(error_bytes(why, place.request_id)))
        else:
            meta: dict[str, Json] = {} if place.progress_token is None else {"progressToken": place.progress_token}
            request = Request(place.request_id, "tools/call", {"_meta": meta})
            work = self._kernel.go_on(peer, request, replay, replay.begin, place.run_id, place.seen)
            self._begin(replay, work)
        return replay

    def _begin(self, replay: Replay, work: Awaitable[Answer | None]) -> None:
        """Do it whether its client is there or not; it ends with the engine."""

        async def do() -> None:
            answer: Answer | None = None
            try:
                answer = await work
            finally:
                self._finish(replay, answer)

        self._engine.in_background(do())

    def _finish(self, replay: Replay, answer: Answer | None) -> None:
        replay.finish(answer)
        if not replay.opened:
            self._drop(replay.name)
            return
        self._finished[replay.name] = replay.size
        self._bytes += replay.size
        while len(self._finished) > _MOST_KEPT or self._bytes > _MOST_KEPT_BYTES:
            self._forget(next(iter(self._finished)))
        asyncio.get_running_loop().call_later(_KEPT_S, self._forget, replay.name)

    def _forget(self, name: str) -> None:
        self._bytes -= self._finished.pop(name, 0)
        self._drop(name)

    def _drop(self, name: str) -> None:
        self._replays.pop(name, None)
        if (deaf := self._offered.pop(name, None)) is not None:
            deaf()

    # -- ids of events ------------------------------------------------------------------------------------------------
    def _token(self, principal: Principal, session: Session, name: str, call: Call) -> str:
        told: dict[str, Json] = {"session": session.id, "name": name, "request": call.id}
        if call.run_id is not None:
            told |= {"run": call.run_id, "progress": call.progress_token}
        return self._kernel.sealer.seal(_PURPOSE, principal, told, self._settings.state_ttl)

    def _place(self, principal: Principal, session: Session, event_id: str) -> _Place:
        token, _, rest = event_id.partition(".")
        number, _, seen = rest.partition(".")
        if not (number.isdecimal() and seen.isdecimal() and len(rest) < 40):
            raise BadSeal("It is not the id of an event of ours.")
        told: Any = self._kernel.sealer.open(_PURPOSE, principal, token)
        if told["session"] != session.id:
            raise BadSeal("It is the id of an event of another session.")
        run_id, progress_token = told.get("run"), told.get("progress")
        return _Place(token, told["name"], told["request"], run_id, progress_token, int(number), int(seen))
