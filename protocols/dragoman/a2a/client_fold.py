"""What a peer tells of its task, folded into what the engine takes: pure, tested as tables.

A ``Fold`` is fed StreamResponses (A2A 1.0, section 3.2.3) of one stream as JSON. It reads nothing and sends nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from dragoman.agents.remote import Question, RemoteArtifact, RemoteFile, RemoteTask, TaskState, Told
from dragoman.memory.codec import dumps
from dragoman.memory.ids import short_digest
from dragoman.memory.model import InterruptKind, Json

__all__ = ["Fold"]

Part = dict[str, Any]

_STATES: Final[Mapping[str, TaskState]] = {
    "TASK_STATE_INPUT_REQUIRED": "asking",
    "TASK_STATE_AUTH_REQUIRED": "asking",
    "TASK_STATE_COMPLETED": "succeeded",
    "TASK_STATE_FAILED": "failed",
    "TASK_STATE_REJECTED": "rejected",
    "TASK_STATE_CANCELED": "cancelled",
}
_ANY_TEXT: Final[Mapping[str, Json]] = {"type": "string"}
_EXACT: Final = 2**53


class Fold:
    """One stream of one task."""

    def __init__(self) -> None:
        self._id = ""
        self._context = ""
        self._status: Mapping[str, Any] = {}
        self._parts: dict[str, list[Part]] = {}
        self._names: dict[str, str] = {}
        self._untold: set[str] = set()  # artifacts with files that may not be whole yet

    def take(self, update: Mapping[str, Any]) -> Told | None:
        """What an update tells; None for one of no kind that is known."""
        if "task" in update:
            return self._snapshot(update["task"])
        if "message" in update:
            return self._message(update["message"])
        if "statusUpdate" in update:
            return self._status_update(update["statusUpdate"])
        if "artifactUpdate" in update:
            return self._artifact_update(update["artifactUpdate"])
        return None

    # -- kinds of updates ---------------------------------------------------------------------------------------------
    def _snapshot(self, task: Mapping[str, Any]) -> Told:
        self._known_by(task.get("id"), task.get("contextId"))
        self._status = task.get("status") or {}
        self._parts, self._names = {}, {}
        for artifact in task.get("artifacts") or ():
            self._put(artifact, append=False)
        self._untold.clear()
        files = tuple(f for parts in self._parts.values() for f in _files(parts))
        return Told(self._task(whole=True), again=True, files=files)

    def _message(self, message: Mapping[str, Any]) -> Told:
        """The peer answered at once: there is no task."""
        self._context = message.get("contextId") or self._context
        parts = [_plain(p) for p in message.get("parts") or ()]
        made = _artifact("message", "message", parts)
        task = RemoteTask("", self._context, "succeeded", artifacts=(made,))
        return Told(task, text=made.text if made.data is None else "", files=made.files)

    def _status_update(self, update: Mapping[str, Any]) -> Told:
        self._known_by(update.get("taskId"), update.get("contextId"))
        self._status = update.get("status") or {}
        metadata: Mapping[str, Any] = update.get("metadata") or {}
        task = self._task()
        files = self._flushed() if task.state != "working" else ()
        told, event = metadata.get("progress"), metadata.get("event")
        if isinstance(told, dict) and task.state == "working":
            return Told(task, progress=_whole(told))
        if isinstance(event, dict) and "name" in event and task.state == "working":
            named = cast("dict[str, Any]", event)
            return Told(task, event=(str(named["name"]), _whole(named.get("data"))))
        progress = {"message": task.said} if task.said and task.state == "working" else None
        return Told(task, progress=progress, files=files)

    def _artifact_update(self, update: Mapping[str, Any]) -> Told:
        self._known_by(update.get("taskId"), update.get("contextId"))
        artifact: Mapping[str, Any] = update.get("artifact") or {}
        id = str(artifact.get("artifactId") or "")
        append = bool(update.get("append")) and id in self._parts
        before = self._parts.get(id)
        added = self._put(artifact, append=append)
        files: tuple[RemoteFile, ...] = ()
        if _files(self._parts[id]):
            self._untold.add(id)
            if update.get("lastChunk"):
                self._untold.discard(id)
                files = tuple(_files(self._parts[id]))
        data = any(_is_data(part) for part in self._parts[id])
        if before is not None and not append and not data and _prose(before):
            return Told(self._task(whole=True), again=True, files=files)
        return Told(self._task(), text="" if data else _prose(added), files=files)

    # -- inside -------------------------------------------------------------------------------------------------------
    def _known_by(self, id: Any, context: Any) -> None:
        self._id = str(id or self._id)
        self._context = str(context or self._context)

    def _put(self, artifact: Mapping[str, Any], *, append: bool) -> list[Part]:
        """Take an artifact's parts; those that are new."""
        id = str(artifact.get("artifactId") or "")
        self._names[id] = str(artifact.get("name") or self._names.get(id) or id)
        added = [_plain(part) for part in artifact.get("parts") or ()]
        if append:
            for part in artifact.get("parts") or ():
                _append(self._parts[id], _plain(part))
        else:
            self._parts[id] = list(added)
        return added

    def _flushed(self) -> tuple[RemoteFile, ...]:
        files = tuple(f for id in self._parts if id in self._untold for f in _files(self._parts[id]))
        self._untold.clear()
        return files

    def _task(self, *, whole: bool = False) -> RemoteTask:
        status = self._status
        wire = str(status.get("state") or "")
        state: TaskState = _STATES.get(wire, "working")
        message: Mapping[str, Any] = status.get("message") or {}
        parts = [_plain(part) for part in message.get("parts") or ()]
        said = _prose(parts)
        task = RemoteTask(self._id, self._context, state, said)
        if state == "asking":
            questions, keyed = _questions(wire, said, parts)
            return RemoteTask(
                self._id, self._context, state, said, _name_of(status, message, said), questions, keyed, self._made()
            )
        if whole or task.ended:
            return RemoteTask(self._id, self._context, state, said, artifacts=self._made())
        return task

    def _made(self) -> tuple[RemoteArtifact, ...]:
        return tuple(_artifact(id, self._names[id], parts) for id, parts in self._parts.items())


def _name_of(status: Mapping[str, Any], message: Mapping[str, Any], said: str) -> str:
    """What tells a question from the next one: its message's id, or else when it was asked."""
    return str(message.get("messageId") or short_digest(str(status.get("timestamp") or ""), said))


def _questions(state: str, said: str, parts: Sequence[Part]) -> tuple[tuple[Question, ...], bool]:
    """What is asked, and whether in the form that Dragoman asks in: with keys, kinds and schemas as data."""
    for part in parts:
        data: Any = part.get("data")
        told: Any = cast("dict[str, Any]", data).get("interrupts") if isinstance(data, dict) else None
        listed: list[Any] = cast("Any", told) if isinstance(told, list) else []
        if listed and all(_is_question(q) for q in listed):
            return tuple(_question(q) for q in listed), True
    kind = InterruptKind.AUTH if state == "TASK_STATE_AUTH_REQUIRED" else InterruptKind.INPUT
    message = said or ("The agent needs to be authorized." if kind is InterruptKind.AUTH else "The agent needs input.")
    payload = next((part["data"] for part in parts if _is_data(part)), None)
    return (Question(kind.value, kind, message, _ANY_TEXT, payload),), False


def _is_question(told: Any) -> bool:
    if not isinstance(told, dict):
        return False
    one = cast("dict[str, Any]", told)
    return isinstance(one.get("key"), str) and isinstance(one.get("schema"), dict)


def _question(told: Mapping[str, Any]) -> Question:
    try:
        kind = InterruptKind(told.get("kind") or "input")
    except ValueError:
        kind = InterruptKind.INPUT
    return Question(told["key"], kind, str(told.get("message") or told["key"]), told["schema"], told.get("payload"))


# -- parts ------------------------------------------------------------------------------------------------------------
def _plain(part: Mapping[str, Any]) -> Part:
    """A part of its own, to which pieces can be added; with whole numbers for what ProtoJSON made floats of."""
    own = dict(part)
    for name in ("text", "raw"):
        if name in own:
            own[name] = [str(own[name])]
    if "data" in own:
        own["data"] = _whole(own["data"])
    return own


def _append(parts: list[Part], part: Part) -> None:
    """Append to what is there; a piece of the same file or prose goes on where it left off."""
    last = parts[-1] if parts else {}
    for name in ("text", "raw"):
        if name in last and name in part and last.get("filename") == part.get("filename"):
            last[name] += part[name]
            return
    parts.append(part)


def _artifact(id: str, name: str, parts: Sequence[Part]) -> RemoteArtifact:
    data = [part["data"] for part in parts if _is_data(part)]
    told: Json = data[0] if len(data) == 1 else data or None
    return RemoteArtifact(id, name, _prose(parts), told, tuple(_files(parts)))


def _prose(parts: Iterable[Part]) -> str:
    return "".join("".join(part["text"]) for part in parts if "text" in part and not part.get("filename"))


def _is_data(part: Part) -> bool:
    return "data" in part and not part.get("filename")


def _files(parts: Iterable[Part]) -> list[RemoteFile]:
    return [_file(part) for part in parts if part.get("filename") or "raw" in part or "url" in part]


def _file(part: Part) -> RemoteFile:
    name = str(part.get("filename") or "file")
    mime = str(part.get("mediaType") or "")
    if "url" in part:
        return RemoteFile(name, mime or "application/octet-stream", url=str(part["url"]))
    if "raw" in part:
        return RemoteFile(name, mime or "application/octet-stream", b"".join(map(base64.b64decode, part["raw"])))
    if "text" in part:
        return RemoteFile(name, mime or "text/plain", "".join(part["text"]).encode())
    return RemoteFile(name, mime or "application/json", dumps(part.get("data")))


def _whole(value: Any) -> Any:
    """Numbers of a protobuf Value are floats: those that are integers, as integers again."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in cast("Any", value)]
    return value
