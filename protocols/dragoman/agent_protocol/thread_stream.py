"""A thread's stream as ``langgraph-sdk`` joins it: its runs one after another, for as long as the client stays.

    run_modes     what each run streams in the modes it was opened with, and ``{"status": "run_done"}`` when it settles
    lifecycle     only that runs begin and settle
    state_update  the thread's state at each checkpoint, also those that are made by hand

Ids are those of a run's stream, so ``Last-Event-ID`` goes on from any of its frames. Not the thread streaming protocol:
that is ``live.py``'s.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing

from starlette.types import Receive, Scope, Send

from dragoman.agent_protocol import project_sdk
from dragoman.agent_protocol.options import RunOptions
from dragoman.agent_protocol.reading import RunReader, bootstrapped
from dragoman.agent_protocol.settings import AgentProtocolSettings
from dragoman.agent_protocol.speech import Frame
from dragoman.agent_protocol.sse import Position, framed, run_reader, streamed
from dragoman.agent_protocol.surface import Surface
from dragoman.asgi import Outcome
from dragoman.engine import Engine
from dragoman.engine.subscribe import ENDINGS
from dragoman.memory.errors import DragomanError, RunNotFound
from dragoman.memory.model import Event, Principal

__all__ = ["ThreadFrames", "ThreadStream"]

_log = logging.getLogger("dragoman.agent_protocol")
_SETTLED = ENDINGS | {"run.waiting"}


class ThreadFrames:
    """From the events of a thread to frames."""

    def __init__(self, engine: Engine, principal: Principal, thread_id: str, modes: Collection[str]) -> None:
        self._engine = engine
        self._principal = principal
        self._thread_id = thread_id
        self._modes = modes
        self._readers: dict[str, RunReader[Frame] | None] = {}

    async def feed(self, event: Event) -> list[Frame]:
        """The frames of an event."""
        frames: list[Frame] = []
        if "run_modes" in self._modes:
            reader = await self._reader(event)
            frames = [*await reader.feed(event)] if reader is not None else []
        elif event.type == "run.started" and "lifecycle" in self._modes:
            frames = [Frame("metadata", {"run_id": event.run_id, "attempt": event.data.get("attempt", 1)})]
        if event.type == "values" and "state_update" in self._modes:
            frames += await self._state(int(event.data.get("checkpoint", 0)))
        if event.type in _SETTLED and not {"run_modes", "lifecycle"}.isdisjoint(self._modes):
            frames.append(Frame("metadata", {"status": "run_done", "run_id": event.run_id}))
        if event.type in ENDINGS:
            self._readers.pop(event.run_id, None)
        return frames

    async def _reader(self, event: Event) -> RunReader[Frame] | None:
        """The run's reader, which has seen all before this event; None for a run that was deleted."""
        if event.run_id not in self._readers:
            self._readers[event.run_id] = await self._begun(event)
        return self._readers[event.run_id]

    async def _begun(self, event: Event) -> RunReader[Frame] | None:
        try:
            run = await self._engine.get(self._principal, event.run_id)
        except RunNotFound:
            return None
        kept = RunOptions.of(run.metadata)
        modes, subgraphs = kept.stream_mode, kept.stream_subgraphs
        reader = run_reader(self._engine, self._principal, run, Surface.LANGGRAPH, modes, subgraphs)
        return await bootstrapped(self._engine, self._principal, reader, event)

    async def _state(self, number: int) -> list[Frame]:
        found = await self._engine.checkpoints(self._principal, self._thread_id, 1, number + 1)
        if not found or found[0].number != number:
            return []
        state = project_sdk.thread_state(self._thread_id, found[0])
        return [Frame("state_update", {"state": state, "thread_id": self._thread_id})]


class ThreadStream:
    """The answer that streams a thread after a position; without one only what comes after now."""

    def __init__(
        self,
        engine: Engine,
        settings: AgentProtocolSettings,
        principal: Principal,
        thread_id: str,
        modes: Collection[str],
        after: Position,
        location: str,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._principal = principal
        self._thread_id = thread_id
        self._after = after
        self._location = location
        self._frames = ThreadFrames(engine, principal, thread_id, modes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"Location": self._location}
        if await streamed(self.frames(), self._settings, receive, send, headers) is Outcome.STUCK:
            _log.info("thread %s: a client did not read its stream and was cut off", self._thread_id)

    async def frames(self) -> AsyncGenerator[bytes]:
        """The stream's bytes, a frame at a time."""
        begin = max(self._after.seq - 1, 0)  # of the last event that the client has, it may lack some frames
        try:
            async with aclosing(self._engine.subscribe(self._principal, self._thread_id, begin)) as events:
                async for event in events:
                    for n, frame in enumerate(await self._frames.feed(event)):
                        if Position(event.seq, n) > self._after:
                            yield framed(frame, f"{event.seq}-{n}" if n else str(event.seq))
        except DragomanError as error:  # a slow reader, a thread deleted meanwhile: cut off
            _log.info("thread %s: its stream was cut: %s", self._thread_id, error)
