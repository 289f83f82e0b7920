"""From a run's events to the frames of its stream, in the modes that a client asked for. Pure, and a fold: the same
events give the same frames, live and replayed.

    values      the whole state: when the run begins, when its values change, when it waits (``__interrupt__``), when it
                has succeeded (``output``)
    updates     what changed, by the name of who changed it: the agent, or one of its steps
    messages    the reply, piece by piece and whole; see ``speech.py``, also for messages-tuple
    custom      what the agent emitted, its progress and its artifacts: ``{"name", "data"}``
    tasks, checkpoints, debug   (SDK) see ``inspection.py``; events (SDK): see ``langchain.py``

Framing, replay and time are ``sse.py``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from dragoman.agent_protocol.inspection import Inspection
from dragoman.agent_protocol.langchain import LangChainEvents
from dragoman.agent_protocol.messages import told
from dragoman.agent_protocol.shapes import messages_of, question
from dragoman.agent_protocol.speech import Frame, Speech
from dragoman.agent_protocol.surface import Surface
from dragoman.memory.model import Event, Json
from dragoman.memory.retention import PURGED

__all__ = ["FOLDED", "STATEFUL", "RunFold", "error_data"]

FOLDED: Final = frozenset({"values", "messages", "messages-tuple", "tasks", "checkpoints", "debug"})
"""The modes whose frames depend on earlier events of the run, so that a replay begins at its first one."""
STATEFUL: Final = frozenset({"values", "checkpoints", "debug"})
"""The modes that tell the thread's whole values."""
_OF_THE_ROOT: Final = frozenset({"metadata", "error"})


def error_data(failure: Mapping[str, Any]) -> dict[str, Json]:
    """The data of an ``error`` frame, from a failure's ``type``, ``kind`` and ``message``."""
    return {"error": failure.get("type") or failure.get("kind") or "error", "message": failure.get("message", "")}


class RunFold:
    """A run's stream so far.

    ``values`` and ``checkpoint`` are the thread's newest; the driver sets them to what the run found, and anew where
    the thread changed without the run. ``opening`` is the message that opens the run, shown before it is part of the
    thread; ``input`` what it was given, for those who look inside. A called run's
    frames are named for the segments of its namespace, ``within``: ``values|agent:run``.
    """

    def __init__(
        self,
        surface: Surface,
        run_id: str,
        agent: str,
        modes: Collection[str],
        opening: Sequence[Mapping[str, Json]] = (),
        *,
        thread_id: str = "",
        input: Json = None,
        within: Sequence[str] = (),
    ) -> None:
        self.values: Mapping[str, Json] = {}
        self.checkpoint = 0
        self.started = False
        self._surface = surface
        self._run_id = run_id
        self._agent = agent
        self._modes = frozenset(modes)
        self._opening = opening
        self._input = input
        self._within = "".join(f"|{segment}" for segment in within)
        self._speech = Speech(surface, run_id, agent, modes)
        self._inside = Inspection(run_id, thread_id, modes)
        self._langchain = LangChainEvents(run_id, thread_id, agent, input, self._speech.chunk)
        self._at = 0
        self._readers: Mapping[str, Callable[[Mapping[str, Any]], list[Frame]]] = {
            "run.started": self._started,
            "run.waiting": self._waiting,
            "run.succeeded": self._succeeded,
            "run.failed": self._failed,
            "values": self._changed,
            "text": lambda data: self._speech.piece(data.get("text", ""), data.get("step")),
            "step.started": lambda data: self._inside.step_started(data.get("step", ""), self.checkpoint, self._at),
            "child": self._child,
            "step.finished": self._step_finished,
            "step.failed": self._step_failed,
            "step.retried": lambda data: self._speech.retracted(data.get("step", "")),
            "custom": lambda data: self._custom(data.get("name"), data.get("data")),
            "progress": lambda data: self._custom("progress", dict(data)),
            PURGED: lambda data: self._custom(PURGED, dict(data)),
            "artifact": lambda data: self._custom("artifact", dict(data)),
        }

    def feed(self, event: Event) -> list[Frame]:
        """The frames that an event makes."""
        reader = self._readers.get(event.type)
        self._at = event.at
        frames = reader(event.data) if reader is not None else []
        if "events" in self._modes:
            frames = [*frames, *self._langchain.feed(event)]
        if self._within:
            return [Frame(f.event + self._within, f.data) for f in frames if f.event not in _OF_THE_ROOT]
        return frames

    # -- the run's life -----------------------------------------------------------------------------------------------
    def _started(self, data: Mapping[str, Any]) -> list[Frame]:
        frames = [Frame("metadata", {"run_id": self._run_id, "attempt": data.get("attempt", 1)})]
        if not self.started and "values" in self._modes:
            known: Sequence[Mapping[str, Json]] = self.values.get("messages") or ()
            ids = {m.get("id") for m in known}
            new = [m for m in self._opening if m.get("id") not in ids]
            frames.append(Frame("values", self._state({**self.values, "messages": [*known, *new]})))
        if self._inside.wanted:
            frames += self._inside.agent_started(self._agent, self._input, self.checkpoint, self._at)
        self.started = True
        return frames

    def _waiting(self, data: Mapping[str, Any]) -> list[Frame]:
        questions = [question(asked, self._surface) for asked in data.get("interrupts") or ()]
        frames = self._both({"__interrupt__": questions}, {"__interrupt__": questions})
        return frames + self._agent_done({}, None, questions)

    def _succeeded(self, data: Mapping[str, Any]) -> list[Frame]:
        output = {"output": data.get("output")}
        return self._both(output, {self._agent: output}) + self._agent_done(output, None, [])

    def _failed(self, data: Mapping[str, Any]) -> list[Frame]:
        return [*self._agent_done({}, str(data.get("message", "")), []), Frame("error", error_data(data))]

    def _agent_done(self, result: Mapping[str, Json], error: str | None, interrupts: Sequence[Json]) -> list[Frame]:
        return self._inside.agent_done(self._agent, result, error, interrupts, self.checkpoint, self._at)

    def _both(self, added: Mapping[str, Json], update: Mapping[str, Json]) -> list[Frame]:
        frames: list[Frame] = []
        if "values" in self._modes:
            frames.append(Frame("values", {**self._state(self.values), **added}))
        if "updates" in self._modes:
            frames.append(Frame("updates", update))
        return frames

    # -- what it makes ------------------------------------------------------------------------------------------------
    def _changed(self, data: Mapping[str, Any]) -> list[Frame]:
        changed: Mapping[str, Json] = data.get("values") or {}
        messages: Sequence[Mapping[str, Json]] = data.get("messages") or ()
        number = int(data.get("checkpoint", self.checkpoint + 1))
        if number > self.checkpoint:
            self._merge(changed, messages)
            self.checkpoint = number
        update = dict(changed)
        if messages:
            update["messages"] = [told(m, self._surface) for m in messages]
        return [
            *self._both({}, {self._agent: update}),
            *self._checkpointed(data, messages),
            *self._speech.whole(messages),
        ]

    def _checkpointed(self, of: Mapping[str, Any], messages: Sequence[Mapping[str, Json]]) -> list[Frame]:
        if not self._inside.wanted:
            return []
        following = [] if any(m.get("role") == "assistant" for m in messages) else [self._agent]
        return self._inside.checkpoint(self.checkpoint, of, self._state(self.values), following, self._at)

    def _merge(self, changed: Mapping[str, Json], messages: Sequence[Mapping[str, Json]]) -> None:
        merged = {k: v for k, v in {**self.values, **changed}.items() if v is not None}
        if messages:
            merged["messages"] = [*(self.values.get("messages") or ()), *messages]
        self.values = merged

    def _child(self, data: Mapping[str, Any]) -> list[Frame]:
        key, agent, run_id = data.get("step", ""), data.get("agent", ""), data.get("run_id", "")
        return self._inside.child(key, agent, run_id, self.checkpoint, self._at)

    def _step_finished(self, data: Mapping[str, Any]) -> list[Frame]:
        step, result = data.get("step", ""), data.get("result")
        frames = [Frame("updates", {step: result})] if "updates" in self._modes else []
        return frames + self._inside.step_done(step, {"result": result}, None, self.checkpoint, self._at)

    def _step_failed(self, data: Mapping[str, Any]) -> list[Frame]:
        step, message = data.get("step", ""), data.get("message", "")
        return self._inside.step_done(step, {}, message, self.checkpoint, self._at)

    def _custom(self, name: Json, data: Json) -> list[Frame]:
        return [Frame("custom", {"name": name, "data": data})] if "custom" in self._modes else []

    # -- shapes -------------------------------------------------------------------------------------------------------
    def _state(self, values: Mapping[str, Json]) -> dict[str, Json]:
        return {**values, "messages": messages_of(values, self._surface)}
