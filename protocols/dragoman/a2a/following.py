"""A task's stream as one subscriber is told of it: what happened so far, then what happens, without a gap.

Between ``stream`` (the fold over events) and ``service`` (the operations): it reads a run's events from the engine and
feeds them. Each update has an id, by which a client that lost its connection goes on where it was, here or on another
server, before and after a restart.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from dragoman.a2a.asked import Place
from dragoman.a2a.project import Link
from dragoman.a2a.stream import TaskStream
from dragoman.engine import Engine
from dragoman.memory.model import Event, Json, Principal, Run

__all__ = ["Follower", "Updates"]

Updates = AsyncGenerator[tuple[str, dict[str, Json]], None]
"""StreamResponse objects (section 3.2.3), each with its id: the number of the event that it completes, or ``n.k`` for
the k-th of several updates that event n + 1 brings."""

Numbered = tuple[str, dict[str, Json]]

_PAGE: Final = 500
_OPENING: Final = frozenset({"run.queued", "run.started"})


class Follower:
    """Follows the tasks of one caller. ``generations`` puts the task's generation into what is told."""

    def __init__(self, engine: Engine, principal: Principal, link: Link, generations: bool = False) -> None:
        self._engine = engine
        self._principal = principal
        self._link = link
        self._generations = generations

    async def follow(self, run: Run, history_length: int | None, *, sent: bool, after: Place | None) -> Updates:
        """The Task, then its updates.

        For who ``sent`` a message the Task is as the message found it, and the updates end with a question, which only
        another message can answer (section 11.7); for a subscriber it is as it is now, and they end with the task
        (section 3.1.6). ``after`` is the place of who comes back: the Task is as it was there, and the updates are
        those that follow.
        """
        told = await self._begun(run)
        events = await self._so_far(run)
        missed: list[Numbered] = []
        if after is not None:
            missed = await self._up_to(told, events, after)
        else:
            for event in events[: _as_sent(events)] if sent else events:
                await self._take(told, event)
        yield str(told.seq if after is None else after), told.snapshot(history_length)
        for id, update in missed:
            yield id, update
        if _over(told, sent):
            return
        live = self._engine.subscribe(self._principal, run.thread_id, told.seq, run.id, until_ended=True)
        async with aclosing(live):
            async for event in live:
                updates = await self._take(told, event)
                for numbered in _numbered(event, updates):
                    yield numbered
                if updates and _over(told, sent):
                    return

    async def generation(self, run: Run) -> int:
        """The task's generation as its events tell it."""
        told = await self._begun(run)
        for event in await self._so_far(run):
            await self._take(told, event)
        return told.generation

    async def later(self, run: Run, generation: int) -> None:
        """Wait until the task has a later generation than this, or has ended. For as long as it takes."""
        told = await self._begun(run)
        for event in await self._so_far(run):
            await self._take(told, event)
        if told.generation > generation or told.ended:
            return
        live = self._engine.subscribe(self._principal, run.thread_id, told.seq, run.id, until_ended=True)
        async with aclosing(live):
            async for event in live:
                await self._take(told, event)
                if told.generation > generation:
                    return

    async def _begun(self, run: Run) -> TaskStream:
        told = TaskStream(run, self._link, generations=self._generations)
        told.supply(await self._engine.view(self._principal, run))
        return told

    async def _up_to(self, told: TaskStream, events: Sequence[Event], after: Place) -> list[Numbered]:
        """Take what the subscriber has seen; what it missed of an event that it has seen a part of."""
        for event in events:
            if event.seq <= after.seq:
                await self._take(told, event)
            elif after.part:
                return list(_numbered(event, await self._take(told, event)))[after.part :]
            else:
                break
        return []

    async def _take(self, told: TaskStream, event: Event) -> list[dict[str, Json]]:
        if told.needs(event):
            told.supply(await self._engine.view(self._principal, event.run_id))
        return told.take(event)

    async def _so_far(self, run: Run) -> Sequence[Event]:
        events: list[Event] = []
        while True:
            after = events[-1].seq if events else 0
            page = await self._engine.events(self._principal, run.thread_id, after, _PAGE, run.id)
            events += page
            if len(page) < _PAGE:
                return events


def _numbered(event: Event, updates: list[dict[str, Json]]) -> list[Numbered]:
    last = len(updates)
    return [(str(event.seq if n == last else Place(event.seq - 1, n)), told) for n, told in enumerate(updates, 1)]


def _as_sent(events: Sequence[Event]) -> int:
    """How many of a run's events came before what the last message set going."""
    resumed = [n for n, event in enumerate(events, 1) if event.type == "run.resumed"]
    if resumed:
        return resumed[-1]
    return next((n for n, event in enumerate(events) if event.type not in _OPENING), len(events))


def _over(told: TaskStream, sent: bool) -> bool:
    return told.ended or (sent and told.state == "TASK_STATE_INPUT_REQUIRED")
