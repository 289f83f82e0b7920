"""From the domain to Agent Protocol 0.1.6, by pure functions. Not the SDK's surface: that is ``project_sdk.py``.

The document leaves room that is used here: a Run shows ``interrupts`` while it waits, ``error`` when it failed and
the ``artifacts`` that it made; the values of a run's result hold its ``output``. ``messages`` stand beside
``values``, not in them (0.1.6, Thread.messages).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.agent_protocol.options import RunOptions
from dragoman.agent_protocol.shapes import asked, checkpoint_id, messages_of, question, run_status, stamp, state_of
from dragoman.agent_protocol.surface import Surface
from dragoman.agents import Agent
from dragoman.memory.model import Artifact, Checkpoint, Json, RunView, StoreItem, Thread

__all__ = ["agent", "agent_metadata", "agent_schemas", "item", "result", "run", "thread", "thread_state"]

_AP = Surface.AGENT_PROTOCOL


def agent_metadata(served: Agent) -> dict[str, Json]:
    """What is told of an agent beyond name and description."""
    skills = [
        {"id": s.id, "name": s.name, "description": s.description, "tags": list(s.tags), "examples": list(s.examples)}
        for s in served.skills
    ]
    return {"version": served.version, "skills": skills}


def agent(served: Agent) -> dict[str, Json]:
    """Agent."""
    return {
        "agent_id": served.name,
        "name": served.title,
        "description": served.description,
        "metadata": agent_metadata(served),
        "capabilities": {"ap.io.messages": True, "ap.io.streaming": True},
    }


def agent_schemas(served: Agent) -> dict[str, Json]:
    """AgentSchema. The state is the thread's values: the agent's own keys are known only when it sets them."""
    state: dict[str, Any] = {
        "type": "object",
        "properties": {"messages": {"type": "array", "items": {"type": "object"}}},
    }
    return {
        "agent_id": served.name,
        "input_schema": dict(served.input_schema),
        "output_schema": dict(served.output_schema),
        "state_schema": state,
    }


def run(view: RunView) -> dict[str, Json]:
    """Run, with its open questions, its failure and what it made."""
    its = view.run
    shown: dict[str, Json] = {
        "run_id": its.id,
        "thread_id": its.thread_id,
        "agent_id": its.agent,
        "created_at": stamp(its.created_at),
        "updated_at": stamp(its.updated_at),
        "status": run_status(its, _AP),
        "metadata": RunOptions.shown(its),
    }
    if its.input is not None:
        shown["input"] = its.input
    if view.open_interrupts:
        shown["interrupts"] = [question(asked(i), _AP) for i in view.open_interrupts]
    if view.artifacts:
        shown["artifacts"] = [_artifact(a) for a in view.artifacts]
    if its.failure is not None:
        failure = its.failure
        shown["error"] = {"type": failure.type, "message": failure.message, "kind": failure.kind.value}
    return shown


def result(view: RunView, values: Mapping[str, Json]) -> dict[str, Json]:
    """RunWaitResponse: the run, the thread's values with the run's ``output``, and the thread's messages."""
    state = state_of(values, _AP, view.run)
    messages = state.pop("messages")
    return {"run": run(view), "values": state, "messages": messages}


def thread(its: Thread) -> dict[str, Json]:
    """Thread."""
    return {
        "thread_id": its.id,
        "created_at": stamp(its.created_at),
        "updated_at": stamp(its.updated_at),
        "metadata": its.metadata,
        "status": its.status.value,
        "values": _values(its.values),
        "messages": messages_of(its.values, _AP),
    }


def thread_state(of: Checkpoint) -> dict[str, Json]:
    """ThreadState."""
    metadata: dict[str, Json] = {"created_at": stamp(of.created_at)}
    if of.run_id is not None:
        metadata["run_id"] = of.run_id
    if of.step is not None:
        metadata["step"] = of.step
    return {
        "checkpoint": {"checkpoint_id": checkpoint_id(of.thread_id, of.number)},
        "values": _values(of.values),
        "messages": messages_of(of.values, _AP),
        "metadata": metadata,
    }


def item(stored: StoreItem) -> dict[str, Json]:
    """Item; ``score`` is there where it was searched by words."""
    score: dict[str, Json] = {} if stored.score is None else {"score": stored.score}
    return score | {
        "namespace": list(stored.namespace),
        "key": stored.key,
        "value": stored.value,
        "created_at": stamp(stored.created_at),
        "updated_at": stamp(stored.updated_at),
    }


def _artifact(made: Artifact) -> dict[str, Json]:
    """By reference: its bytes are at /runs/{run_id}/artifacts/{id}."""
    return {"id": made.id, "name": made.name, "mime_type": made.mime_type, "size": len(made.data)}


def _values(values: Mapping[str, Json]) -> dict[str, Json]:
    return {k: v for k, v in values.items() if k != "messages"}
