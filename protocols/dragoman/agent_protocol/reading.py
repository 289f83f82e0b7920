"""A run's events read through a fold, with those of the runs that it called: what drives ``stream.py``'s fold and
``live/told.py``'s.

What a child told lies in its own log; the parent's has pointers to it (the event ``child``), and what a child tells
stands where its pointer stands. Above: ``sse.py``, ``thread_stream.py``, ``live/source.py``. Below: the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from dragoman.engine import Engine
from dragoman.memory.errors import RunNotFound
from dragoman.memory.model import Event, Json, Principal, Run

__all__ = ["Fold", "Make", "RunReader", "bootstrapped", "namespace"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_PAGE = 500


class Fold(Protocol[T_co]):
    """What is made of one run's events. ``values`` and ``checkpoint`` are the thread's newest."""

    values: Mapping[str, Json]
    checkpoint: int
    started: bool

    def feed(self, event: Event) -> Sequence[T_co]: ...


Make = Callable[[Run, Sequence[str]], Fold[T]]
"""The fold of a run, and of a called one with the segments of its namespace."""


def namespace(agent: str, run_id: str) -> str:
    """The segment of a namespace that a child run is."""
    return f"{agent}:{run_id}"


class RunReader(Generic[T]):
    """Reads one run. ``stateful``: the fold wants the thread's values; ``subgraphs``: with the run's children, whose
    namespaces are ``within`` the run's own."""

    def __init__(
        self,
        engine: Engine,
        principal: Principal,
        run: Run,
        make: Make[T],
        *,
        stateful: bool,
        subgraphs: bool,
        within: Sequence[str] = (),
    ) -> None:
        self._engine = engine
        self._principal = principal
        self._run = run
        self._make = make
        self._stateful = stateful
        self._subgraphs = subgraphs
        self._within = within
        self._children: dict[str, RunReader[T] | None] = {}
        self._fold = make(run, within)

    async def feed(self, event: Event) -> Sequence[T]:
        """What an event of this run makes."""
        if self._stateful:
            await self._prepare(event)
        made = self._fold.feed(event)
        if self._subgraphs and event.type == "child":
            return [*made, *await self._of_child(event.data)]
        return made

    async def _prepare(self, event: Event) -> None:
        """Give the fold the thread's values where it cannot know them: as the run found them, and where others
        changed them."""
        if event.type == "run.started" and not self._fold.started:
            run = self._run if self._run.attempt else await self._engine.get(self._principal, self._run.id)
            await self._reset(run.base_checkpoint)
        elif event.type == "values" and int(event.data.get("checkpoint", 0)) > self._fold.checkpoint + 1:
            await self._reset(int(event.data["checkpoint"]))

    async def _reset(self, checkpoint: int) -> None:
        if checkpoint == 0:
            return
        found = await self._engine.checkpoints(self._principal, self._run.thread_id, 1, checkpoint + 1)
        if found:
            self._fold.values, self._fold.checkpoint = found[0].values, checkpoint

    async def _of_child(self, pointer: Any) -> list[T]:
        child = await self._child(pointer["run_id"])
        if child is None:
            return []
        after, upto = int(pointer["after"]), int(pointer["upto"])
        told = await self._engine.events(self._principal, pointer["thread_id"], after, upto - after, pointer["run_id"])
        return [made for event in told if event.seq <= upto for made in await child.feed(event)]

    async def _child(self, run_id: str) -> RunReader[T] | None:
        """The reader of a child; None for one that was deleted, which tells nothing any more."""
        if run_id not in self._children:
            try:
                run = await self._engine.get(self._principal, run_id)
            except RunNotFound:
                self._children[run_id] = None
            else:
                self._children[run_id] = RunReader(
                    self._engine,
                    self._principal,
                    run,
                    self._make,
                    stateful=self._stateful,
                    subgraphs=True,
                    within=(*self._within, namespace(run.agent, run.id)),
                )
        return self._children[run_id]


async def bootstrapped(engine: Engine, principal: Principal, reader: RunReader[T], event: Event) -> RunReader[T]:
    """The reader, once it has read all that its run told before an event."""
    after = 0
    while event.type != "run.queued":
        page = await engine.events(principal, event.thread_id, after, _PAGE, event.run_id)
        for earlier in page:
            if earlier.seq >= event.seq:
                return reader
            await reader.feed(earlier)
        if len(page) < _PAGE:
            break
        after = page[-1].seq
    return reader
