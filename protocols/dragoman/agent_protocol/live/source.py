"""A thread's events, numbered: what a stream or a socket listens to.

``seq`` is the number of the log's event and, below it, which of the events that it makes: a number that never changes,
so that ``since`` and ``event_id`` mean the same to every connection, after every restart. Nothing is buffered but what
the hub holds for a listener; who falls behind it is told so, by a ``gap`` that names what was left out, and goes on
with what is new. What was left out is in the log: it can be asked for with ``since``.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final, NamedTuple

from dragoman.agent_protocol.live.filters import Filter
from dragoman.agent_protocol.live.told import RunTold, Told, edited
from dragoman.agent_protocol.narrow import is_object
from dragoman.agent_protocol.reading import RunReader, bootstrapped
from dragoman.engine import Engine
from dragoman.engine.context import opening_message
from dragoman.engine.hub import SlowSubscriber
from dragoman.engine.subscribe import ENDINGS
from dragoman.memory.codec import dumps
from dragoman.memory.errors import InputInvalid, RunNotFound, ThreadNotFound
from dragoman.memory.model import NO_RUN, Event, Json, Principal, Run

__all__ = ["LAST", "Numbered", "Source", "gap", "log_seq_of", "seq_of", "seq_of_id", "settles", "wire"]

_BITS: Final = 20
_ID: Final = re.compile(r"([0-9]{1,10})-([0-9]{1,6})")
_SETTLED: Final = frozenset({"completed", "failed", "interrupted"})
LAST: Final = (1 << _BITS) - 1
"""Below the number of a log's event: past all that it makes."""


class Numbered(NamedTuple):
    """An event and its number."""

    seq: int
    told: Told


def seq_of(log_seq: int, n: int = 0) -> int:
    """The number of the ``n``-th event that a log's event makes."""
    return log_seq << _BITS | n


def log_seq_of(seq: int) -> int:
    """The log's event that makes the event of this number."""
    return seq >> _BITS


def seq_of_id(event_id: Json) -> int:
    """The number of an event by its id. Raises ``InputInvalid``."""
    found = _ID.fullmatch(event_id) if isinstance(event_id, str) else None
    if found is None:
        problem = "is no id of an event"
        raise InputInvalid(f"last_event_id {problem}.", ({"field": "last_event_id", "problem": problem},))
    return seq_of(int(found[1]), int(found[2]))


def wire(event: Numbered, heard: Filter) -> bytes | None:
    """The event as JSON, or None for who does not hear it."""
    method, namespace, data, at = event.told
    name = data.get("name") if is_object(data) else None
    if not heard.hears(method, namespace, name):
        return None
    shown: Json = data() if callable(data) else data
    return _event(method, namespace, shown, at, event.seq)


def settles(event: Numbered) -> bool:
    """Whether it says that a run of the thread itself has ended or waits."""
    told: Any = event.told
    return told.method == "lifecycle" and not told.namespace and told.data["event"] in _SETTLED


def gap(after: int, upto: int) -> bytes:
    """Says that the events after one number and up to another were left out for a listener that was too slow."""
    return _event("gap", (), {"after": after, "upto": upto}, int(time.time() * 1000), upto)


def _event(method: str, namespace: Sequence[str], data: Json, at: int, seq: int) -> bytes:
    return dumps(
        {
            "type": "event",
            "event_id": f"{seq >> _BITS}-{seq & LAST}",
            "seq": seq,
            "method": method,
            "params": {"namespace": list(namespace), "timestamp": at, "data": data},
        }
    )


class Source:
    """The events of one thread, read by one connection."""

    def __init__(self, engine: Engine, principal: Principal, thread_id: str) -> None:
        self._engine = engine
        self._principal = principal
        self._thread_id = thread_id
        self._readers: dict[str, RunReader[Told] | None] = {}

    async def events(self, after: int, upto: int | None = None) -> AsyncGenerator[Numbered | bytes, None]:
        """Events with a greater ``seq``: those in the log, then the live ones; with ``upto`` only the log's up to that
        event of it. A thread that is not there yet is waited for. Bytes are a ``gap``."""
        last = max((after >> _BITS) - 1, 0)
        while True:
            try:
                async with aclosing(self._log(last, upto)) as log:
                    async for event in log:
                        last = event.seq
                        for numbered in await self.feed(event):
                            if numbered.seq > after:
                                yield numbered
                return
            except SlowSubscriber:
                now = (await self._engine.thread(self._principal, self._thread_id)).last_seq
                yield gap(seq_of(last, LAST), seq_of(now, LAST))
                last, after = now, seq_of(now, LAST)
                self._readers.clear()

    async def _log(self, last: int, upto: int | None) -> AsyncGenerator[Event, None]:
        if upto is None:
            await self._until_there()
            async with aclosing(self._engine.subscribe(self._principal, self._thread_id, last)) as events:
                async for event in events:
                    yield event
            return
        while last < upto:
            page = await self._engine.events(self._principal, self._thread_id, last, min(500, upto - last))
            for event in page:
                yield event
            if not page:
                return
            last = page[-1].seq

    async def _until_there(self) -> None:
        there = _There()
        end = self._engine.hub.listen(self._principal.tenant, self._thread_id, there)
        try:
            while True:
                there.told.clear()
                try:
                    await self._engine.thread(self._principal, self._thread_id)
                    return
                except ThreadNotFound:
                    await there.told.wait()
        finally:
            end()

    async def feed(self, event: Event) -> list[Numbered]:
        """What an event of the log makes."""
        if event.run_id == NO_RUN:
            return [Numbered(seq_of(event.seq, n), made) for n, made in enumerate(await self._edited(event))]
        if event.run_id not in self._readers:
            self._readers[event.run_id] = await self._reader(event)
        reader = self._readers[event.run_id]
        told = await reader.feed(event) if reader is not None else ()
        if event.type in ENDINGS:
            del self._readers[event.run_id]
        return [Numbered(seq_of(event.seq, n), made) for n, made in enumerate(told)]

    async def _edited(self, event: Event) -> Sequence[Told]:
        number = int(event.data.get("checkpoint", 0))
        found = await self._engine.checkpoints(self._principal, self._thread_id, 1, number + 1) if number else ()
        # It may be pruned by now.
        return edited(event, found[0].values) if found and found[0].number == number else ()

    async def _reader(self, event: Event) -> RunReader[Told] | None:
        try:
            run = await self._engine.get(self._principal, event.run_id)
        except RunNotFound:
            return None
        reader = RunReader(self._engine, self._principal, run, _fold, stateful=True, subgraphs=True)
        return await bootstrapped(self._engine, self._principal, reader, event)


def _fold(run: Run, within: Sequence[str]) -> RunTold:
    return RunTold(run, opening_message(run), within)


class _There:
    """A listener that waits for anything to happen on a thread."""

    def __init__(self) -> None:
        self.told = asyncio.Event()

    def put(self, events: Sequence[Any]) -> None:
        self.told.set()

    def nudge(self) -> None:
        self.told.set()
