"""From the domain to what ``langgraph-sdk`` 0.4.14 reads (its ``schema.py``), by pure functions.

An agent is a graph of one node, named as the agent; an active run is that node's task with its interrupts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from dragoman.agent_protocol.narrow import is_object
from dragoman.agent_protocol.options import RunOptions
from dragoman.agent_protocol.project import agent_schemas
from dragoman.agent_protocol.shapes import asked, checkpoint_id, question, run_status, stamp, state_of
from dragoman.agent_protocol.surface import Surface
from dragoman.agents import Agent
from dragoman.engine.assistants import own_assistant_id
from dragoman.engine.pauses import is_pause
from dragoman.memory.assistants import Assistant
from dragoman.memory.crons import Cron
from dragoman.memory.model import Checkpoint, Json, Run, RunView, Thread
from dragoman.memory.threads import Expiry

__all__ = [
    "assistant",
    "checkpoint",
    "checkpoint_metadata",
    "cron",
    "expiry",
    "graph",
    "result",
    "run",
    "schemas",
    "selected",
    "thread",
    "thread_state",
]

_SDK = Surface.LANGGRAPH


def assistant(its: Assistant) -> dict[str, Json]:
    """Assistant, and AssistantVersion: ``updated_at`` of a listed version is when it was made."""
    return {
        "assistant_id": its.id,
        "graph_id": its.agent,
        "name": its.name,
        "description": its.description,
        "config": its.config,
        "context": its.context,
        "metadata": its.metadata,
        "version": its.version,
        "created_at": stamp(its.created_at),
        "updated_at": stamp(its.updated_at),
    }


def cron(its: Cron) -> dict[str, Json]:
    """Cron."""
    return {
        "cron_id": its.id,
        "assistant_id": its.assistant_id,
        "thread_id": its.thread_id,
        "on_run_completed": its.on_run_completed,
        "schedule": its.schedule,
        "timezone": its.timezone,
        "end_time": None if its.end_at is None else stamp(its.end_at),
        "enabled": its.enabled,
        "next_run_date": None if its.next_at is None else stamp(its.next_at),
        "payload": {"assistant_id": its.assistant_id, "schedule": its.schedule, **its.payload},
        "metadata": its.metadata,
        "user_id": its.subject or None,
        "created_at": stamp(its.created_at),
        "updated_at": stamp(its.updated_at),
    }


def graph(served: Agent) -> dict[str, Json]:
    """An agent as a graph of one node."""
    names = ("__start__", served.name, "__end__")
    nodes: list[Json] = [{"id": name, "type": "runnable", "data": {"id": [name], "name": name}} for name in names]
    edges: list[Json] = [{"source": begin, "target": end} for begin, end in pairwise(names)]
    return {"nodes": nodes, "edges": edges}


def schemas(served: Agent) -> dict[str, Json]:
    """GraphSchema."""
    known = agent_schemas(served)
    del known["agent_id"]
    return {"graph_id": served.name, **known, "config_schema": {}, "context_schema": {}}


def run(its: Run) -> dict[str, Json]:
    """Run."""
    options = RunOptions.of(its.metadata)
    return {
        "run_id": its.id,
        "thread_id": its.thread_id,
        "assistant_id": options.assistant_id or own_assistant_id(its.agent),
        "created_at": stamp(its.created_at),
        "updated_at": stamp(its.updated_at),
        "status": run_status(its, _SDK),
        "metadata": RunOptions.shown(its),
        "kwargs": {"input": its.input, "stream_mode": list(options.stream_mode)},
        "multitask_strategy": options.multitask_strategy,
    }


def result(view: RunView, values: Mapping[str, Json]) -> dict[str, Json]:
    """What wait and join answer: the bare state, with ``__interrupt__`` while the run waits and ``__error__`` when it
    failed."""
    state = state_of(values, _SDK, view.run)
    if view.open_interrupts:
        state["__interrupt__"] = [question(asked(i), _SDK) for i in view.open_interrupts]
    if view.run.failure is not None:
        state["__error__"] = {
            "error": view.run.failure.type or view.run.failure.kind.value,
            "message": view.run.failure.message,
        }
    return state


def thread(its: Thread, active: Sequence[RunView] = ()) -> dict[str, Json]:
    """Thread, with the questions of its active runs by task."""
    return {
        "thread_id": its.id,
        "created_at": stamp(its.created_at),
        "updated_at": stamp(its.updated_at),
        "metadata": its.metadata,
        "config": {},
        "status": its.status.value,
        "values": state_of(its.values, _SDK) if its.checkpoint else None,
        "interrupts": {v.run.id: _questions(v) for v in active if v.open_interrupts},
    }


def expiry(known: Expiry | None) -> dict[str, Json] | None:
    """``ttl`` of a thread that is asked for with it; null where the thread is kept."""
    if known is None:
        return None
    ttl = known.ttl
    return {"strategy": ttl.strategy.value, "ttl_minutes": ttl.minutes, "expires_at": stamp(known.expires_at)}


def checkpoint(thread_id: str, number: int) -> dict[str, Json]:
    """Checkpoint; number 0 is a thread that has none."""
    name = checkpoint_id(thread_id, number) if number else None
    return {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": name}


def thread_state(thread_id: str, of: Checkpoint | None, active: Sequence[RunView] = ()) -> dict[str, Json]:
    """ThreadState at a checkpoint, or of a thread that has none. ``active``: the thread's active runs, for its newest
    state."""
    number = of.number if of is not None else 0
    metadata = checkpoint_metadata(of) if of is not None else {}
    tasks = [_task(view) for view in active]
    return {
        "values": state_of(of.values, _SDK) if of is not None else {},
        "next": [task["name"] for task in tasks],
        "checkpoint": checkpoint(thread_id, number),
        "metadata": metadata,
        "created_at": stamp(of.created_at) if of is not None else None,
        "parent_checkpoint": checkpoint(thread_id, of.parent) if of is not None and of.parent else None,
        "tasks": tasks,
        "interrupts": [found for view in active for found in _questions(view)],
    }


def checkpoint_metadata(of: Checkpoint) -> dict[str, Json]:
    """The metadata of a state: ``source`` (loop, update or fork), ``step``, the run and its step that made it, and what
    its maker told."""
    told: dict[str, Json] = {"source": "loop" if of.run_id else "update", "step": of.number - 1, "parents": {}}
    told |= {k: v for k, v in (("run_id", of.run_id), ("step_name", of.step)) if v is not None}
    return {**told, **of.metadata}


def selected(shown: Mapping[str, Json], fields: Sequence[str] | None) -> dict[str, Json]:
    """Only the fields that a ``select`` names (``values.messages`` is that key of the values), or all."""
    if fields is None:
        return dict(shown)
    chosen: dict[str, Json] = {name: shown[name] for name in fields if name in shown}
    keys = [name.removeprefix("values.") for name in fields if name.startswith("values.")]
    if keys and "values" not in chosen:
        values: Mapping[str, Json] = shown.get("values") or {}
        chosen["values"] = {key: values[key] for key in keys if key in values}
    return chosen


def _questions(view: RunView) -> list[dict[str, Json]]:
    return [question(asked(i), _SDK) for i in view.open_interrupts]


def _node(view: RunView) -> str:
    """Where a run is: the step that its caller had it pause at, or the agent as a whole."""
    for asked_now in view.open_interrupts:
        if is_pause(asked_now) and is_object(asked_now.payload):
            return str(asked_now.payload.get("node"))
    return view.run.agent


def _task(view: RunView) -> dict[str, Any]:
    name = _node(view)
    return {
        "id": view.run.id,
        "name": name,
        "path": ["__pregel_pull", name],
        "error": None,
        "interrupts": _questions(view),
        "checkpoint": None,
        "state": None,
        "result": None,
    }
