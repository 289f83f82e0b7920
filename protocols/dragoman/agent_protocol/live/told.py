"""From a run's events to events of the thread streaming protocol (CDDL sections 7 to 12). Pure, and a fold: the same
events give the same ones, in number and order whoever listens, so that their numbers are the same for all.

What costs to make (the whole state) is made when somebody hears it: data may be a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from dragoman.agent_protocol.live.spoken import Spoken
from dragoman.agent_protocol.messages import told
from dragoman.agent_protocol.narrow import is_object
from dragoman.agent_protocol.shapes import checkpoint_id, messages_of, question
from dragoman.agent_protocol.surface import Surface
from dragoman.memory.model import Event, Json, Run
from dragoman.memory.retention import PURGED

__all__ = ["RunTold", "Told", "edited"]

_SDK = Surface.LANGGRAPH


class Told(NamedTuple):
    """One event: its method, the position of its run in the tree of agents, its data, and when (ms)."""

    method: str
    namespace: tuple[str, ...]
    data: Json | Callable[[], Json]
    at: int


class RunTold:
    """A run's events so far. ``values`` and ``checkpoint`` are the thread's newest; the driver sets them."""

    def __init__(self, run: Run, opening: Sequence[Mapping[str, Json]], within: Sequence[str]) -> None:
        self.values: Mapping[str, Json] = {}
        self.checkpoint = 0
        self.started = False
        self._run = run
        self._opening = opening
        self._within = tuple(within)
        self._spoken = Spoken(run.id, run.thread_id, run.agent)
        self._tools: set[str] = set()
        self._children: dict[str, tuple[str, str]] = {}
        self._at = 0
        self._readers: Mapping[str, Callable[[Mapping[str, Any]], list[Told]]] = {
            "run.started": self._started,
            "run.waiting": self._waiting,
            "run.succeeded": self._succeeded,
            "run.failed": self._failed,
            "run.cancelled": self._cancelled,
            "values": self._changed,
            "text": self._text,
            "step.started": self._step_started,
            "step.finished": self._step_finished,
            "step.failed": self._step_failed,
            "step.retried": lambda data: self._messages(self._spoken.retracted(data.get("step", ""))),
            "child": self._child,
            "custom": lambda data: [self._custom(data.get("name"), data.get("data"))],
            "progress": lambda data: [self._custom("progress", dict(data))],
            PURGED: lambda data: [self._custom(PURGED, dict(data))],
            "artifact": lambda data: [self._custom("artifact", dict(data))],
        }

    def feed(self, event: Event) -> list[Told]:
        """What an event tells."""
        self._at = event.at // 1000
        reader = self._readers.get(event.type)
        return reader(event.data) if reader is not None else []

    # -- the run's life -----------------------------------------------------------------------------------------------
    def _started(self, data: Mapping[str, Any]) -> list[Told]:
        if self.started:
            return [self._life("running")]
        self.started = True
        known: Sequence[Mapping[str, Json]] = self.values.get("messages") or ()
        ids = {m.get("id") for m in known}
        state = {**self.values, "messages": [*known, *(m for m in self._opening if m.get("id") not in ids)]}
        begun = self._life("started" if self._within else "running")
        return [begun, self._values(state), self._task(self._run.id, self._run.agent, self._run.input)]

    def _waiting(self, data: Mapping[str, Any]) -> list[Told]:
        asked = [question(q, _SDK) for q in data.get("interrupts") or ()]
        found = self._messages(self._spoken.stopped())
        if not self._within:  # a called agent's questions are asked again by who called it, and answered there
            found += [self._tell("input.requested", _requested(q)) for q in asked]
        return [*found, self._task_done(self._run.id, self._run.agent, {}, None, asked), self._life("interrupted")]

    def _succeeded(self, data: Mapping[str, Any]) -> list[Told]:
        output: dict[str, Json] = {"output": data.get("output")}
        return [
            *self._messages(self._spoken.stopped()),
            self._tell("updates", {"node": self._run.agent, "values": output}),
            self._values({**self.values, **output}),
            self._task_done(self._run.id, self._run.agent, output, None, []),
            self._life("completed"),
        ]

    def _failed(self, data: Mapping[str, Any]) -> list[Told]:
        message = str(data.get("message", ""))
        return [
            *self._messages(self._spoken.failed(message)),
            self._task_done(self._run.id, self._run.agent, {}, message, []),
            self._life("failed", message),
        ]

    def _cancelled(self, _: Mapping[str, Any]) -> list[Told]:
        # The protocol has no word for it. "interrupted" would leave clients waiting for a run that goes on.
        return [*self._messages(self._spoken.stopped()), self._life("failed", "cancelled")]

    def _life(self, status: str, error: str = "") -> Told:
        data: dict[str, Json] = {"event": status, "graph_name": self._run.agent}
        if status == "started":
            data |= {"namespace": list(self._within), "trigger_call_id": self._run.id}
        if error:
            data["error"] = error
        return self._tell("lifecycle", data)

    # -- what it makes ------------------------------------------------------------------------------------------------
    def _changed(self, data: Mapping[str, Any]) -> list[Told]:
        changed: Mapping[str, Json] = data.get("values") or {}
        messages: Sequence[Mapping[str, Json]] = data.get("messages") or ()
        before, number = self.checkpoint, int(data.get("checkpoint", self.checkpoint + 1))
        if number > before:
            merged = {k: v for k, v in {**self.values, **changed}.items() if v is not None}
            if messages:
                merged["messages"] = [*(self.values.get("messages") or ()), *messages]
            self.values, self.checkpoint = merged, number
        update = dict(changed)
        if messages:
            update["messages"] = [told(m, _SDK) for m in messages]
        return [
            *self._messages(self._spoken.whole(messages)),
            self._tell("updates", {"node": self._run.agent, "values": update}),
            self._values(self.values),
            self._tell("checkpoints", _envelope(self._run.thread_id, number, data)),
        ]

    def _values(self, state: Mapping[str, Json]) -> Told:
        return self._tell("values", partial(_whole, state))

    def _text(self, data: Mapping[str, Any]) -> list[Told]:
        text, step = data.get("text", ""), data.get("step")
        found = self._messages(self._spoken.piece(text, step))
        if step in self._tools and text:
            found.append(self._tool(step, "tool-output-delta", delta=text))
        return found

    def _custom(self, name: Json, payload: Json) -> Told:
        # The CDDL has clients read ``payload``; the Python SDK reads the fields that a graph wrote.
        fields = payload if is_object(payload) else {}
        return self._tell("custom", {**fields, "name": name, "payload": payload})

    # -- steps --------------------------------------------------------------------------------------------------------
    def _child(self, data: Mapping[str, Any]) -> list[Told]:
        key = data.get("step", "")
        if key in self._children:
            return []
        self._children[key] = str(data.get("run_id")), str(data.get("agent"))
        return [self._task(*self._children[key], None)]

    def _step_started(self, data: Mapping[str, Any]) -> list[Told]:
        key = data.get("step", "")
        found = [*self._messages(self._spoken.step_started()), self._task(*self._named(key), None)]
        if data.get("tool"):
            self._tools.add(key)
            found.append(self._tool(key, "tool-started", tool_name=data["tool"]))
        return found

    def _step_finished(self, data: Mapping[str, Any]) -> list[Told]:
        key, result = data.get("step", ""), data.get("result")
        id, node = self._named(key)
        values = result if is_object(result) else {"value": result}
        found = self._messages(self._spoken.step_finished(key))
        if key in self._tools:
            found.append(self._tool(key, "tool-finished", output=result))
        updated = self._tell("updates", {"node": node, "values": values})
        return [*found, updated, self._task_done(id, node, {"result": result}, None, [])]

    def _step_failed(self, data: Mapping[str, Any]) -> list[Told]:
        key, message = data.get("step", ""), str(data.get("message", ""))
        found = [self._tool(key, "tool-error", message=message)] if key in self._tools else []
        return [*found, self._task_done(*self._named(key), {}, message, [])]

    def _named(self, key: str) -> tuple[str, str]:
        return self._children.get(key) or (f"{self._run.id}:{key}", key)

    def _tool(self, key: str, event: str, **data: Json) -> Told:
        return self._tell("tools", {"event": event, "tool_call_id": f"{self._run.id}:{key}", **data})

    def _task(self, id: str, name: str, input: Json) -> Told:
        return self._tell("tasks", {"id": id, "name": name, "input": input, "triggers": []})

    def _task_done(
        self, id: str, name: str, result: Mapping[str, Json], error: str | None, interrupts: Sequence[Json]
    ) -> Told:
        done = {"id": id, "name": name, "error": error, "result": result, "interrupts": interrupts}
        return self._tell("tasks", done)

    # -- shapes -------------------------------------------------------------------------------------------------------
    def _messages(self, said: Sequence[Mapping[str, Json]]) -> list[Told]:
        return [self._tell("messages", data) for data in said]

    def _tell(self, method: str, data: Json | Callable[[], Json]) -> Told:
        return Told(method, self._within, data, self._at)


def edited(event: Event, values: Mapping[str, Json]) -> list[Told]:
    """What an edit of the thread tells, which no run made; ``values`` are those of its checkpoint."""
    at, number = event.at // 1000, int(event.data.get("checkpoint", 0))
    envelope = _envelope(event.thread_id, number, event.data)
    return [Told("values", (), partial(_whole, values), at), Told("checkpoints", (), envelope, at)]


def _whole(state: Mapping[str, Json]) -> Json:
    return {**state, "messages": messages_of(state, _SDK)}


def _envelope(thread_id: str, number: int, data: Mapping[str, Any]) -> dict[str, Json]:
    name, before = partial(checkpoint_id, thread_id), data.get("parent", number - 1)
    parent = {"parent_id": name(before)} if before else {}
    return {"id": name(number), **parent, "step": number - 1, "source": data.get("source", "loop")}


def _requested(asked: Mapping[str, Json]) -> dict[str, Json]:
    """InputRequestedData. The CDDL's name for what is asked is ``payload``; the Python SDK reads ``value``."""
    return {
        "interrupt_id": asked["id"],
        "payload": asked["value"],
        "value": asked["value"],
        "response_schema": asked["response_schema"],
    }
