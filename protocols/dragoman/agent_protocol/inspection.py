"""How a run looks from inside, as LangGraph's debug streams tell it: tasks, checkpoints, and both as debug. Pure; a
part of ``stream.py``.

The agent and each of its steps are tasks, and so is an agent that it calls: that one's task has the child run's id, by
which the names of subgraph frames find it. A checkpoint is a change of the thread's values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dragoman.agent_protocol.shapes import checkpoint_id, stamp
from dragoman.agent_protocol.speech import Frame
from dragoman.memory.model import Json

__all__ = ["INSPECTING", "Inspection"]

INSPECTING = frozenset({"tasks", "checkpoints", "debug"})


class Inspection:
    """The tasks and checkpoints of one run. ``step`` is the number of the superstep, as thread states count them."""

    def __init__(self, run_id: str, thread_id: str, modes: Collection[str]) -> None:
        self._run_id = run_id
        self._thread_id = thread_id
        self._modes = INSPECTING.intersection(modes)
        self._children: dict[str, tuple[str, str]] = {}

    @property
    def wanted(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self._modes)

    # -- tasks --------------------------------------------------------------------------------------------------------
    def agent_started(self, agent: str, input: Json, step: int, at: int) -> list[Frame]:
        """The agent's own task begins."""
        return self._started(self._run_id, agent, input, ["__start__"], step, at)

    def agent_done(
        self, agent: str, result: Mapping[str, Json], error: str | None, interrupts: Sequence[Json], step: int, at: int
    ) -> list[Frame]:
        """It ends, or waits with these interrupts."""
        return self._done(self._run_id, agent, result, error, interrupts, step, at)

    def step_started(self, key: str, step: int, at: int) -> list[Frame]:
        """A step begins. Its arguments are not kept, and not told."""
        return self._started(*self._task(key), None, [], step, at)

    def step_done(self, key: str, result: Mapping[str, Json], error: str | None, step: int, at: int) -> list[Frame]:
        """A step ends."""
        return self._done(*self._task(key), result, error, [], step, at)

    def child(self, key: str, agent: str, run_id: str, step: int, at: int) -> list[Frame]:
        """A child run told something; its task begins with the first time."""
        if key in self._children:
            return []
        self._children[key] = run_id, agent
        return self._started(run_id, agent, None, [], step, at)

    def _task(self, key: str) -> tuple[str, str]:
        return self._children.get(key) or (f"{self._run_id}:{key}", key)

    def _started(self, id: str, name: str, input: Json, triggers: Sequence[str], step: int, at: int) -> list[Frame]:
        return self._told("tasks", "task", {"id": id, "name": name, "input": input, "triggers": triggers}, step, at)

    def _done(
        self,
        id: str,
        name: str,
        result: Mapping[str, Json],
        error: str | None,
        interrupts: Sequence[Json],
        step: int,
        at: int,
    ) -> list[Frame]:
        done = {"id": id, "name": name, "error": error, "result": result, "interrupts": interrupts}
        return self._told("tasks", "task_result", done, step, at)

    # -- checkpoints --------------------------------------------------------------------------------------------------
    def checkpoint(
        self, number: int, of: Mapping[str, Any], state: Mapping[str, Json], following: Sequence[str], at: int
    ) -> list[Frame]:
        """The thread's values have changed, as the event ``of`` tells. ``following`` are the nodes that go on."""
        if not self._modes & {"checkpoints", "debug"}:
            return []
        parent = of.get("parent", number - 1)
        own, before = self._named(number), self._named(parent) if parent else None
        told: dict[str, Any] = {
            "config": {"configurable": own},
            "parent_config": {"configurable": before} if before else None,
            "checkpoint": own,
            "parent_checkpoint": before,
            "values": state,
            "metadata": {"source": of.get("source", "loop"), "step": number - 1, "parents": {}, "run_id": self._run_id},
            "next": following,
            "tasks": [{"id": self._run_id, "name": name, "interrupts": [], "state": None} for name in following],
        }
        return self._told("checkpoints", "checkpoint", told, number - 1, at)

    def _named(self, number: int) -> dict[str, Json]:
        name = checkpoint_id(self._thread_id, number)
        return {"thread_id": self._thread_id, "checkpoint_ns": "", "checkpoint_id": name}

    def _told(self, mode: str, kind: str, payload: Mapping[str, Json], step: int, at: int) -> list[Frame]:
        frames = [Frame(mode, payload)] if mode in self._modes else []
        if "debug" in self._modes:
            frames.append(Frame("debug", {"step": step, "timestamp": stamp(at), "type": kind, "payload": payload}))
        return frames
