"""From the model to A2A's ProtoJSON: pure functions, tested as tables. They read no clock, no ledger and no request.

Above are ``stream`` (what happened, as updates) and ``service`` (the verbs). Objects are those of A2A 1.0, section 4:
camelCase names, enum names, RFC 3339 timestamps in UTC.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

from dragoman.memory.codec import dumps, loads
from dragoman.memory.model import (
    Artifact,
    FailureKind,
    Interrupt,
    InterruptKind,
    InterruptStatus,
    Json,
    Run,
    RunStatus,
    RunView,
)

__all__ = [
    "INTERRUPTED",
    "RESULT",
    "TERMINAL_STATES",
    "WORKING",
    "Link",
    "agent_message",
    "artifact",
    "inline",
    "reply",
    "result_artifact",
    "state",
    "status",
    "task",
    "timestamp",
]

RESULT: Final = "result"
"""The id of the artifact that holds a run's output, in a task and in a stream."""

WORKING: Final = "TASK_STATE_WORKING"
TERMINAL_STATES: Final = frozenset(
    {"TASK_STATE_COMPLETED", "TASK_STATE_FAILED", "TASK_STATE_CANCELED", "TASK_STATE_REJECTED"}
)
INTERRUPTED: Final = frozenset({"TASK_STATE_INPUT_REQUIRED", "TASK_STATE_AUTH_REQUIRED"})

_CONTENT: Final = ("text", "raw", "url", "data")  # a Part holds one of these (section 4.1.6)
_JSON_TYPE: Final = "application/json"


Link = Callable[[Run, Artifact], str | None]
"""Where a file is to be had; None for one that is told itself."""


def inline(run: Run, made: Artifact) -> str | None:
    """No links: every file is told itself."""
    return None


def timestamp(at: int) -> str:
    """Microseconds since the epoch as a ProtoJSON timestamp."""
    seconds, micros = divmod(at, 1_000_000)
    return f"{_second(seconds)}.{micros:06d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def state(run: Run, waiting_for: Sequence[Interrupt] = ()) -> str:
    """A run's TaskState. ``waiting_for`` are its open interrupts."""
    match run.status:
        case RunStatus.QUEUED:  # between two activations it is at work for all that a peer can see
            return "TASK_STATE_SUBMITTED" if run.started_at is None else WORKING
        case RunStatus.RUNNING:
            return WORKING
        case RunStatus.WAITING:
            only_auth = waiting_for and all(i.kind is InterruptKind.AUTH for i in waiting_for)
            return "TASK_STATE_AUTH_REQUIRED" if only_auth else "TASK_STATE_INPUT_REQUIRED"
        case RunStatus.SUCCEEDED:
            return "TASK_STATE_COMPLETED"
        case RunStatus.FAILED:
            rejected = run.failure is not None and run.failure.kind is FailureKind.REJECTED
            return "TASK_STATE_REJECTED" if rejected else "TASK_STATE_FAILED"
        case RunStatus.CANCELLED:
            return "TASK_STATE_CANCELED"


def status(run: Run, waiting_for: Sequence[Interrupt] = ()) -> dict[str, Json]:
    """A run's TaskStatus; while it waits, the message asks for what it waits for."""
    told: dict[str, Json] = {"state": state(run, waiting_for), "timestamp": timestamp(run.updated_at)}
    if run.status is RunStatus.WAITING and waiting_for:
        told["message"] = _question(run, waiting_for)
    elif run.failure is not None:
        told["message"] = agent_message(run, f"{run.id}:failure", [{"text": run.failure.message}])
    elif run.held:
        told["message"] = agent_message(run, f"{run.id}:held", [{"text": f"Waits: {run.held}"}])
    return told


def task(
    view: RunView, history_length: int | None = None, artifacts: bool = True, link: Link = inline
) -> dict[str, Json]:
    """A run as a Task. ``history_length`` None gives all of its history, 0 none of it (section 3.2.4)."""
    run = view.run
    told: dict[str, Json] = {"id": run.id, "contextId": run.thread_id, "status": status(run, view.open_interrupts)}
    if artifacts:
        made = [artifact(a, link(run, a)) for a in view.artifacts]
        if (result := result_artifact(run)) is not None:
            made.append(result)
        if made:
            told["artifacts"] = made
    if history_length is None or history_length > 0:
        messages = _history(view)
        told["history"] = messages if history_length is None else messages[-history_length:]
    if run.metadata:
        told["metadata"] = dict(run.metadata)
    return told


def agent_message(run: Run, message_id: str, parts: list[dict[str, Json]]) -> dict[str, Json]:
    """A Message of the agent's."""
    return {
        "messageId": message_id,
        "contextId": run.thread_id,
        "taskId": run.id,
        "role": "ROLE_AGENT",
        "parts": parts,
    }


# -- artifacts --------------------------------------------------------------------------------------------------------
def result_artifact(run: Run) -> dict[str, Json] | None:
    """A succeeded run's output as an Artifact: text as text; anything else as data, and as text for who reads only
    that."""
    if run.status is not RunStatus.SUCCEEDED or run.output is None:
        return None
    parts: list[dict[str, Json]]
    if isinstance(run.output, str):
        parts = [{"text": run.output}]
    else:
        parts = [{"data": run.output, "mediaType": _JSON_TYPE}, {"text": dumps(run.output).decode()}]
    return {"artifactId": RESULT, "name": RESULT, "parts": parts}


def reply(run: Run) -> dict[str, Json] | None:
    """The Message that a run's output is, where it is one: ``{"role": "assistant", "content": "..."}``."""
    output = run.output
    if not isinstance(output, dict) or run.status is not RunStatus.SUCCEEDED:
        return None
    said = cast("dict[str, Json]", output)
    if said.get("role") != "assistant" or not isinstance(said.get("content"), str):
        return None
    parts: list[dict[str, Json]] = [{"text": said["content"]}]
    return {"messageId": f"{run.id}:out", "contextId": run.thread_id, "role": "ROLE_AGENT", "parts": parts}


def artifact(made: Artifact, url: str | None = None) -> dict[str, Json]:
    """A file that a run made, as an Artifact with one part: its link, or what it holds."""
    content = _content(made) if url is None else {"url": url}
    part: dict[str, Json] = {**content, "filename": made.name, "mediaType": made.mime_type}
    return {"artifactId": made.id, "name": made.name, "parts": [part]}


def _content(made: Artifact) -> dict[str, Json]:
    """Text as text and JSON as data where they are what their type says; other bytes as base64."""
    kind = made.mime_type.partition(";")[0].strip().lower()
    try:
        if kind == _JSON_TYPE:
            return {"data": loads(made.data)}
        if kind.startswith("text/"):
            return {"text": made.data.decode()}
    except ValueError:
        pass
    return {"raw": base64.b64encode(made.data).decode()}


# -- messages ---------------------------------------------------------------------------------------------------------
def _history(view: RunView) -> list[dict[str, Json]]:
    """What was said: the opening message, then each question that is no longer open, with its answer."""
    run = view.run
    opening = _opening(run)
    said = [opening] if opening is not None else []
    for interrupt in view.interrupts:
        if interrupt.status is InterruptStatus.OPEN:
            continue
        said.append(agent_message(run, interrupt.id, _asked([interrupt])))
        if interrupt.status is InterruptStatus.ANSWERED:
            answer: dict[str, Json]
            if isinstance(interrupt.answer, str):
                answer = {"text": interrupt.answer}
            else:
                answer = {"data": interrupt.answer, "mediaType": _JSON_TYPE}
            said.append(_user_message(run, f"{interrupt.id}:answer", [answer]))
    return said


def _opening(run: Run) -> dict[str, Json] | None:
    """The message that opened the run, as it came in where it came in over A2A."""
    message: Mapping[str, Any] | None = run.message
    if message is None:
        if run.input is None or run.input == {}:
            return None
        return _user_message(run, f"{run.id}:in", [{"data": run.input, "mediaType": _JSON_TYPE}])
    told = _user_message(run, str(message.get("id") or f"{run.id}:in"), _parts(message))
    for name in ("metadata", "extensions", "referenceTaskIds"):
        if message.get(name):
            told[name] = message[name]
    return told


def _parts(message: Mapping[str, Any]) -> list[dict[str, Json]]:
    """A message's Parts; its content where another face's parts are not A2A's."""
    given: list[Any] = message.get("parts") or []
    if given and all(_is_part(part) for part in given):
        return given
    content: Any = message.get("content")
    blocks: list[Any] = content if isinstance(content, list) else [content]  # pyright: ignore[reportUnknownVariableType]
    parts: list[dict[str, Json]] = []
    for block in blocks:
        if isinstance(block, str):
            parts.append({"text": block})
        elif isinstance(block, dict) and isinstance(block.get("text"), str):  # pyright: ignore[reportUnknownMemberType]
            parts.append({"text": block["text"]})
        elif block is not None:
            parts.append({"data": block, "mediaType": _JSON_TYPE})
    return parts or [{"text": ""}]


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and sum(name in part for name in _CONTENT) == 1


def _user_message(run: Run, message_id: str, parts: list[dict[str, Json]]) -> dict[str, Json]:
    return {"messageId": message_id, "contextId": run.thread_id, "taskId": run.id, "role": "ROLE_USER", "parts": parts}


def _question(run: Run, waiting_for: Sequence[Interrupt]) -> dict[str, Json]:
    message_id = waiting_for[0].id if len(waiting_for) == 1 else f"{waiting_for[0].id}:{len(waiting_for)}"
    return agent_message(run, message_id, _asked(waiting_for))


def _asked(interrupts: Sequence[Interrupt]) -> list[dict[str, Json]]:
    """Questions for people as text, and for programs as data."""
    asked: list[dict[str, Json]] = []
    for i in interrupts:
        one: dict[str, Json] = {"key": i.key, "kind": i.kind.value, "message": i.message, "schema": dict(i.schema)}
        if i.payload is not None:
            one["payload"] = i.payload
        asked.append(one)
    text = "\n".join(i.message for i in interrupts)
    return [{"text": text}, {"data": {"interrupts": asked}, "mediaType": _JSON_TYPE}]
