"""A run's events read into frames, with those of the runs that it called: the driver of ``stream.py``'s fold.

What a child told lies in its own log; the parent's has pointers to it (the event ``child``), and the frames of a child
stand where its pointer stands, named ``mode|agent:run``. Above: ``sse.py`` and ``thread_stream.py``. Below: the engine.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from dragoman.agent_protocol.speech import Frame
from dragoman.agent_protocol.stream import STATEFUL, RunFold
from dragoman.agent_protocol.surface import Surface
from dragoman.engine import Engine
from dragoman.engine.context import opening_message
from dragoman.memory.errors import NotFound
from dragoman.memory.model import Event, Principal, Run

__all__ = ["RunReader", "namespace"]

_OF_THE_ROOT: Final = frozenset({"metadata", "error"})


def namespace(agent: str, run_id: str) -> str:
    """The segment of a namespace that a child run is."""
    return f"{agent}:{run_id}"


class RunReader:
    """Reads one run. ``subgraphs``: with its children; ``within`` are the segments of a child's own namespace."""

    def __init__(
        self,
        engine: Engine,
        principal: Principal,
        run: Run,
        surface: Surface,
        modes: Collection[str],
        *,
        subgraphs: bool = False,
        within: Sequence[str] = (),
    ) -> None:
        self._engine = engine
        self._principal = principal
        self._run = run
        self._surface = surface
        self._modes = modes
        self._subgraphs = subgraphs
        self._within = within
        self._stateful = not STATEFUL.isdisjoint(modes)
        self._children: dict[str, RunReader | None] = {}
        opening = opening_message(run)
        self._fold = RunFold(surface, run.id, run.agent, modes, opening, thread_id=run.thread_id, input=run.input)

    async def feed(self, event: Event) -> list[Frame]:
        """The frames of an event of this run."""
        if self._stateful:
            await self._prepare(event)
        frames = self._fold.feed(event)
        if self._within:
            name = "|".join(self._within)
            frames = [Frame(f"{f.event}|{name}", f.data) for f in frames if f.event not in _OF_THE_ROOT]
        if self._subgraphs and event.type == "child":
            frames += await self._of_child(event.data)
        return frames

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

    async def _of_child(self, pointer: Any) -> list[Frame]:
        child = await self._child(pointer["run_id"])
        if child is None:
            return []
        after, upto = int(pointer["after"]), int(pointer["upto"])
        told = await self._engine.events(self._principal, pointer["thread_id"], after, upto - after, pointer["run_id"])
        return [frame for event in told if event.seq <= upto for frame in await child.feed(event)]

    async def _child(self, run_id: str) -> RunReader | None:
        """The reader of a child; None for one that was deleted, which tells nothing any more."""
        if run_id not in self._children:
            try:
                run = await self._engine.get(self._principal, run_id)
            except NotFound:
                self._children[run_id] = None
            else:
                within = (*self._within, namespace(run.agent, run.id))
                self._children[run_id] = RunReader(
                    self._engine, self._principal, run, self._surface, self._modes, subgraphs=True, within=within
                )
        return self._children[run_id]
