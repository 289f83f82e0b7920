"""A run's stream as server-sent events: framing, ids, replay, heartbeats, and what becomes of a run whose client
leaves.

Frames come from ``stream.py``, the connection is ``dragoman.asgi``'s. A frame's id is its event's ``seq``, ``seq-n``
for the second and later frames of one event: unique and ordered, so that ``Last-Event-ID`` says exactly what a client
has seen. The stream closes with ``end`` when the run has ended or waits, or with ``error`` when it failed; a stream
that closes without either was cut, and the client comes back to ``Location``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from starlette.types import Receive, Scope, Send

from dragoman.agent_protocol.reading import RunReader
from dragoman.agent_protocol.settings import AgentProtocolSettings
from dragoman.agent_protocol.speech import Frame
from dragoman.agent_protocol.stream import FOLDED, STATEFUL, RunFold, error_data
from dragoman.agent_protocol.surface import Surface
from dragoman.asgi import EventStream, Outcome
from dragoman.engine import Engine
from dragoman.engine.context import opening_message
from dragoman.memory.codec import dumps
from dragoman.memory.errors import DragomanError, InputInvalid, RunNotFound
from dragoman.memory.model import Principal, Run

__all__ = ["START", "Position", "RunStream", "framed", "position", "run_reader", "streamed"]

_log = logging.getLogger("dragoman.agent_protocol")
_ID: Final = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,9}))?")
_WHOLE_EVENT: Final = 10**9


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """The last frame that a client has: the event's ``seq``, and which of its frames."""

    seq: int
    frame: int = _WHOLE_EVENT


START: Final = Position(0)


def position(last_event_id: str | None) -> Position | None:
    """Where ``Last-Event-ID`` says a client is; None without one; ``-1`` and ``0`` are before the first event."""
    if not last_event_id:
        return None
    if last_event_id == "-1":
        return START
    found = _ID.fullmatch(last_event_id)
    if found is None:
        problem = "is not an id of this stream, 0 or -1"
        raise InputInvalid(f"Last-Event-ID {problem}.", ({"field": "Last-Event-ID", "problem": problem},))
    return Position(int(found[1]), int(found[2] or 0)) if found[1] != "0" else START


def framed(frame: Frame, identity: str = "") -> bytes:
    """A frame on the wire, its lines ended by CRLF."""
    data = b"event: %b\r\ndata: %b\r\n" % (frame.event.encode(), dumps(frame.data))
    return data + (b"id: %b\r\n\r\n" % identity.encode() if identity else b"\r\n")


async def streamed(
    frames: AsyncGenerator[bytes],
    settings: AgentProtocolSettings,
    receive: Receive,
    send: Send,
    headers: Mapping[str, str] = {},
) -> Outcome:
    """Send an event stream as the settings have it, with these headers; how it ended."""
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    stream = EventStream(frames, settings.heartbeat, settings.send_timeout, headers=raw, silence=b": ping\r\n\r\n")
    return await stream.serve(receive, send)


def run_reader(
    engine: Engine, principal: Principal, run: Run, surface: Surface, modes: Collection[str], subgraphs: bool
) -> RunReader[Frame]:
    """Reads a run into frames of these modes."""

    def make(of: Run, within: Sequence[str]) -> RunFold:
        opening = opening_message(of)
        return RunFold(surface, of.id, of.agent, modes, opening, thread_id=of.thread_id, input=of.input, within=within)

    stateful = not STATEFUL.isdisjoint(modes)
    return RunReader(engine, principal, run, make, stateful=stateful, subgraphs=subgraphs)


class RunStream:
    """The answer that streams a run from a position on; with none only what comes after now.

    ``begin`` is an event before the run's first one, where that is known. ``subgraphs``: with the runs that it calls.
    ``cancel_on_leave``: the run is cancelled
    when its client leaves before the end. ``headers`` name the run, and where a client that was cut off comes back
    to.
    """

    def __init__(
        self,
        engine: Engine,
        settings: AgentProtocolSettings,
        principal: Principal,
        run: Run,
        *,
        surface: Surface,
        modes: Collection[str],
        after: Position | None,
        begin: int | None = None,
        cancel_on_leave: bool,
        headers: Sequence[tuple[str, str]],
        subgraphs: bool = False,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._principal = principal
        self._run = run
        self._modes = modes
        self._after = after
        self._begin = begin
        self._cancel_on_leave = cancel_on_leave
        self._headers = dict(headers)
        self._subgraphs = subgraphs
        self._reader = run_reader(engine, principal, run, surface, modes, subgraphs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outcome = await streamed(self.frames(), self._settings, receive, send, self._headers)
        if outcome is Outcome.LEFT:
            self._left()
        if outcome is Outcome.STUCK:
            _log.info("run %s: a client did not read its stream and was cut off", self._run.id)

    async def frames(self) -> AsyncGenerator[bytes]:
        """The stream's bytes, a frame at a time."""
        after = self._after
        if after is None:
            after = Position((await self._engine.thread(self._principal, self._run.thread_id)).last_seq)
            yield framed(Frame("metadata", {"run_id": self._run.id, "attempt": self._run.attempt}))
        closed = False
        begin = await self._beginning(after)
        try:
            async with aclosing(
                self._engine.subscribe(self._principal, self._run.thread_id, begin, self._run.id)
            ) as events:
                async for event in events:
                    for n, frame in enumerate(await self._reader.feed(event)):
                        if Position(event.seq, n) > after:
                            closed = frame.event == "error"
                            yield framed(frame, f"{event.seq}-{n}" if n else str(event.seq))
        except DragomanError as error:  # a slow reader, a thread deleted meanwhile: cut off, without an end
            _log.info("run %s: its stream was cut: %s", self._run.id, error)
            return
        if not closed:
            yield await self._closing()

    async def _beginning(self, after: Position) -> int:
        """The event after which to read: the client's, or the run's first where frames depend on what came before."""
        if self._begin is not None:
            return self._begin
        if after.seq and not self._subgraphs and not FOLDED.intersection(self._modes):
            return after.seq if after.frame == _WHOLE_EVENT else after.seq - 1
        first = await self._engine.events(self._principal, self._run.thread_id, 0, 1, self._run.id)
        return first[0].seq - 1 if first else after.seq

    async def _closing(self) -> bytes:
        """The last frame: ``end``, or ``error`` for a client that joins a run which failed before it came."""
        try:
            failure = (await self._engine.get(self._principal, self._run.id)).failure
        except RunNotFound:  # rolled back by a newer run
            failure = None
        if failure is None:
            return framed(Frame("end", None))
        told = {"type": failure.type, "kind": failure.kind.value, "message": failure.message}
        return framed(Frame("error", error_data(told)))

    def _left(self) -> None:
        # A server that stops loses its clients too; its runs are handed to the next one.
        if self._cancel_on_leave and self._engine.accepting:
            self._engine.cancel_later(self._principal, self._run.id, "its client left")
