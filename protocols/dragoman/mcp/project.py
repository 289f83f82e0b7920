"""From agents and runs to what MCP calls tools, results and tasks. Pure functions: values in, plain dicts out.

No engine, no transport, no clock. The kernel stamps what the modern era wants on every result (``resultType``, server
info).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from dragoman.agents.agent import Agent
from dragoman.agents.hints import Hints
from dragoman.agents.signature import Signature
from dragoman.agents.tool import Tool
from dragoman.mcp import artifacts, eras, results
from dragoman.memory.codec import dumps
from dragoman.memory.model import FailureKind, Interrupt, InterruptKind, Json, Run, RunStatus, RunView

__all__ = [
    "RUN_SCHEMA",
    "TASK_STATUS",
    "Shape",
    "call_result",
    "error_result",
    "handle_result",
    "question",
    "request_error",
    "run_summary",
    "shape_of",
    "stamp",
    "status_message",
    "task",
    "task_status",
    "tool",
]

TASK_STATUS: Final[Mapping[RunStatus, str]] = {
    RunStatus.QUEUED: "working",
    RunStatus.RUNNING: "working",
    RunStatus.WAITING: "input_required",
    RunStatus.SUCCEEDED: "completed",
    # A tool's error is a completed task with isError; "failed" is kept for JSON-RPC errors (tasks, "Task Status").
    # See ``task_status``.
    RunStatus.FAILED: "completed",
    RunStatus.CANCELLED: "cancelled",
}

RUN_SCHEMA: Final[Mapping[str, Json]] = {
    "type": "object",
    "properties": {
        "run_id": {"type": "string", "description": "Names the run in run_status, run_answer and run_cancel."},
        "agent": {"type": "string"},
        "status": {"enum": [str(s) for s in RunStatus]},
        "questions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "key": {"type": "string"},
                    "message": {"type": "string"},
                    "schema": {"type": "object", "description": "The JSON Schema of the answer."},
                    "kind": {"enum": [str(k) for k in InterruptKind]},
                    "payload": {"description": "What the agent shows with its question."},
                },
                "required": ["key", "message", "schema"],
            },
        },
        "output": {"description": "What the agent returned, once the run has succeeded."},
        "error": {"type": "string"},
    },
    "required": ["run_id", "agent", "status"],
}
"""A run as the companion tools tell of it, and as a call that is answered before its run has ended."""

_HANDLE_SCHEMA: Final[Mapping[str, Json]] = {
    "description": "The run has not ended: call run_status with its run_id.",
    "type": "object",
    "properties": {"run_id": {"type": "string"}, "status": {"enum": ["queued", "running", "waiting"]}},
    "required": ["run_id", "status"],
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How an output becomes ``structuredContent``, which is an object: as it is, or under ``result``. With ``content``
    it is content blocks, which this signature knows."""

    wraps: bool
    schema: Mapping[str, Json] | None
    content: Signature | None = None


def shape_of(output_schema: Mapping[str, Any], signature: Signature | None = None, *, handle: bool = True) -> Shape:
    """The shape of an output schema. One that says nothing promises nothing: objects go as they are. ``handle`` says
    that the answer may also be a run that has not ended."""
    if signature is not None and signature.content:
        return Shape(wraps=False, schema=None, content=signature)
    if not output_schema:
        return Shape(wraps=False, schema=None)
    inner = dict(output_schema)
    definitions = inner.pop("$defs", None)
    root = inner
    reference = inner.get("$ref")
    if isinstance(reference, str) and definitions:
        root = definitions.get(reference.removeprefix("#/$defs/"), inner)
    wraps = root.get("type") != "object"
    if wraps:
        inner = {"type": "object", "properties": {"result": inner}, "required": ["result"]}
    schema: dict[str, Json] = {"type": "object", "anyOf": [inner, _HANDLE_SCHEMA]} if handle else {**inner}
    if not handle:
        schema["type"] = "object"
    if definitions:
        schema["$defs"] = definitions
    return Shape(wraps, schema)


def tool(what: Agent | Tool[..., Any], shape: Shape, version: str) -> dict[str, Json]:
    """An agent or a tool as ``tools/list`` tells of it."""
    described: dict[str, Json] = {
        "name": what.name,
        "description": what.description or what.title,
        "inputSchema": what.signature.input_schema,
    }
    if eras.has("titles", version):
        described["title"] = what.title
    if shape.schema is not None and eras.has("structured", version):
        described["outputSchema"] = shape.schema
    annotations = _annotations(what.hints)
    if annotations and eras.has("annotations", version):
        described["annotations"] = annotations
    if what.icons and eras.has("icons", version):
        described["icons"] = [icon.to_json() for icon in what.icons]
    if what.meta and eras.has("titles", version):
        described["_meta"] = dict(what.meta)
    return described


def _annotations(hints: Hints) -> dict[str, Json]:
    told = {
        "readOnlyHint": hints.read_only,
        "destructiveHint": hints.destructive,
        "idempotentHint": hints.idempotent,
        "openWorldHint": hints.open_world,
    }
    return {name: hint for name, hint in told.items() if hint is not None}


def call_result(view: RunView, shape: Shape, version: str, embed_limit: int) -> dict[str, Json]:
    """The CallToolResult of a run that has ended. Artifacts up to ``embed_limit`` bytes are embedded, larger ones
    linked."""
    run = view.run
    meta = {"dragoman/run": run.id, "dragoman/thread": run.thread_id}
    if run.status is not RunStatus.SUCCEEDED:
        return {"content": [{"type": "text", "text": _why(run)}], "isError": True, "_meta": meta}
    found = results.stored_content(shape.content, run.output) if shape.content is not None else None
    if found is not None:
        told = results.of_content(found, version)
    else:
        told = results.of_value(run.output, shape.wraps, version)
    made = [artifacts.block(artifact, run.id, version, embed_limit) for artifact in view.artifacts]
    return {**told, "content": [*told["content"], *made], "_meta": meta}


def _why(run: Run) -> str:
    if run.failure is None:
        return f"The run was {run.status}."
    if run.failure.kind is FailureKind.REJECTED:
        return f"{run.agent} refused: {run.failure.message}"
    return run.failure.message


def stamp(result: Mapping[str, Json], modern: bool, server_info: Mapping[str, Json]) -> dict[str, Json]:
    """A result with what the modern era wants on every one."""
    if not modern:
        return dict(result)
    meta = {**result.get("_meta", {}), "io.modelcontextprotocol/serverInfo": server_info}
    return {"resultType": "complete", **result, "_meta": meta}


def error_result(text: str) -> dict[str, Json]:
    """A CallToolResult that tells the model what went wrong."""
    return {"content": [{"type": "text", "text": text}], "isError": True}


def question(interrupt: Interrupt) -> dict[str, Json]:
    """An open interrupt as told to a model, and to the approval card."""
    told: dict[str, Json] = {"key": interrupt.key, "message": interrupt.message, "schema": dict(interrupt.schema)}
    told["kind"] = str(interrupt.kind)
    if interrupt.payload is not None:
        told["payload"] = interrupt.payload
    return told


def run_summary(view: RunView) -> dict[str, Json]:
    """A run as ``RUN_SCHEMA`` says."""
    run = view.run
    told: dict[str, Json] = {"run_id": run.id, "agent": run.agent, "status": str(run.status)}
    if view.open_interrupts:
        told["questions"] = [question(i) for i in view.open_interrupts]
    if run.status is RunStatus.SUCCEEDED:
        told["output"] = run.output
    elif run.ended:
        told["error"] = _why(run)
    return told


def handle_result(view: RunView, version: str, companions: bool, card: bool = False) -> dict[str, Json]:
    """The CallToolResult of a run that has not ended: says how it stands, and how to go on with it.

    ``card`` says that the client shows the approval card, in which the person answers.
    """
    run = view.run
    lines = [_standing(view)]
    for asked in view.open_interrupts:
        lines.append(f"- {asked.key}: {asked.message} (answer: {dumps(dict(asked.schema)).decode()})")
    if companions:
        if view.open_interrupts and card:
            lines.append("The user is shown a card in which to answer: leave it to them.")
        elif view.open_interrupts:
            lines.append("Ask the user, then give run_answer the run_id and what they said; do not answer for them.")
        lines.append(f'Call run_status with run_id "{run.id}" for the result, or run_cancel to stop it.')
    lines.append("Do not call the tool again: that would start a second run.")
    result: dict[str, Json] = {
        "content": [{"type": "text", "text": "\n".join(lines)}],
        "isError": False,
        "_meta": {"dragoman/run": run.id, "dragoman/thread": run.thread_id},
    }
    if eras.has("structured", version):
        result["structuredContent"] = run_summary(view)
    return result


def _standing(view: RunView) -> str:
    run = view.run
    if run.status is RunStatus.WAITING:
        return f"The run {run.id} of {run.agent} waits for an answer."
    if run.status is RunStatus.QUEUED:
        return f"The run {run.id} of {run.agent} is queued and will go on by itself."
    return f"The run {run.id} of {run.agent} is still at work and goes on by itself."


def task_status(view: RunView) -> str:
    """A run's status as a task's. One that works with one answer and still takes another waits for input, since what is
    left to answer is told of such tasks alone."""
    if request_error(view.run) is not None:
        return "failed"
    return "input_required" if view.open_interrupts else TASK_STATUS[view.run.status]


def request_error(run: Run) -> dict[str, Json] | None:
    """The JSON-RPC error that a run raised, if it failed by one."""
    failure = run.failure
    if failure is None or failure.kind is not FailureKind.REQUEST or failure.code is None:
        return None
    told: dict[str, Json] = {"code": failure.code, "message": failure.message}
    return told if failure.data is None else {**told, "data": failure.data}


def task(view: RunView, poll_interval_ms: int) -> dict[str, Json]:
    """A run as a Task (tasks extension, "Tasks")."""
    run, message = view.run, status_message(view)
    told: dict[str, Json] = {
        "taskId": run.id,
        "status": task_status(view),
        "createdAt": _time(run.created_at),
        "lastUpdatedAt": _time(run.updated_at),
        "ttlMs": None,
        "pollIntervalMs": poll_interval_ms,
    }
    if message:
        told["statusMessage"] = message
    return told


def status_message(view: RunView) -> str:
    """How a run stands, in a line."""
    run = view.run
    if view.open_interrupts:
        return "Waits for an answer: " + " / ".join(i.message for i in view.open_interrupts)
    if run.status is RunStatus.QUEUED and run.wake_at is not None:
        return "Asleep; it goes on by itself."
    if run.held:
        return f"Waits: {run.held}"
    if run.ended and run.status is not RunStatus.SUCCEEDED:
        return _why(run)
    return ""


def _time(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
