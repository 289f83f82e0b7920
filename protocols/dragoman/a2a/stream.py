"""What happened to a run, as the updates of a task's stream: a pure fold over its events, tested as tables.

A ``TaskStream`` is fed the run's events in order. At any point it gives the Task as it stood after the last one, and
for each event the updates to send, so that a snapshot and what follows it fit together without a gap or a repetition.
It reads nothing: what events only name (the bytes of a file, the value of an answer) is supplied by who feeds it.

Text that the agent streams goes out as chunks of the artifact that will hold the run's output, and ends up equal to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dragoman.a2a import project
from dragoman.a2a.asked import GENERATION
from dragoman.memory.model import (
    Artifact,
    Event,
    Failure,
    FailureKind,
    Interrupt,
    InterruptKind,
    InterruptStatus,
    Json,
    Run,
    RunStatus,
    RunView,
)

__all__ = ["TaskStream"]

Update = dict[str, Json]
"""A StreamResponse (section 3.2.3)."""


class TaskStream:
    """A task as one subscriber is told of it."""

    def __init__(self, run: Run, link: project.Link = project.inline, *, generations: bool = False) -> None:
        """``run`` as it is read at any time: its events say what it was before. With ``generations`` the task's
        generation is in all that is told."""
        self._link = link
        self._generations = generations
        self.generation = 1  # raised by each update, so that it is the same for all who are told of the task
        self._run = replace(
            run,
            status=RunStatus.QUEUED,
            started_at=None,
            updated_at=run.created_at,
            output=None,
            failure=None,
        )
        self._chunks: list[tuple[str | None, str]] = []  # the step that streamed it, and the text
        self._questions: dict[str, Interrupt] = {}
        self._made: dict[str, Artifact] = {}
        self._known: RunView = RunView(run)
        self.seq = 0
        self._said = self.state

    # -- feeding ------------------------------------------------------------------------------------------------------
    def needs(self, event: Event) -> bool:
        """Whether the run must be supplied before this event is taken."""
        return event.type == "artifact" and self._find(event.data) is None

    def supply(self, view: RunView) -> None:
        """The run as it is in the ledger, for the content that events only name."""
        self._known = view

    def take(self, event: Event) -> list[Update]:
        """Advance by one event; the updates that tell of it."""
        self.seq = event.seq
        updates = self._taken(event)
        for update in updates:
            self.generation += 1
            if self._generations:
                for told in update.values():
                    self._tell_generation(told)
        if event.type == "artifact" and not updates:  # who saw that version was told of it
            self.generation += 1
        return updates

    def _taken(self, event: Event) -> list[Update]:
        match event.type:
            case "text":
                return self._text(event)
            case "progress":
                return self._progress(event)
            case "custom":
                return self._custom(event)
            case "artifact":
                return self._file(event)
            case "step.retried":
                return self._retried(event)
            case "run.started":
                return self._started(event)
            case "run.waiting":
                return self._waiting(event)
            case "run.queued" | "run.resumed" | "run.asleep":
                return self._queued(event)
            case "run.succeeded" | "run.failed" | "run.cancelled":
                return self._ended(event)
            case _:
                return []  # steps and values are the agent's own affair

    # -- telling ------------------------------------------------------------------------------------------------------
    @property
    def state(self) -> str:
        """The task's state after the last event."""
        return project.state(self._run, self._open())

    @property
    def ended(self) -> bool:
        """Whether the task is in a terminal state."""
        return self._run.ended

    def snapshot(self, history_length: int | None = None) -> Update:
        """The Task as it stands after the last event, with the text streamed so far."""
        questions = tuple(self._answered(q) for q in self._questions.values())
        view = RunView(self._run, questions, tuple(self._made.values()))
        told = project.task(view, history_length, link=self._link)
        if self._chunks and not self._run.ended:
            told.setdefault("artifacts", []).append(_chunk("".join(text for _, text in self._chunks)))
        if self._generations:
            self._tell_generation(told)
        return {"task": told}

    # -- events -------------------------------------------------------------------------------------------------------
    def _queued(self, event: Event) -> list[Update]:
        self._run = replace(self._run, status=RunStatus.QUEUED, updated_at=event.at)
        settled = InterruptStatus.EXPIRED if event.data.get("expired") else InterruptStatus.ANSWERED
        for key in event.data.get("keys") or ():
            if key in self._questions:
                self._questions[key] = replace(self._questions[key], status=settled)
        return self._status_if_new()

    def _started(self, event: Event) -> list[Update]:
        begun = self._run.started_at or event.at
        self._run = replace(self._run, status=RunStatus.RUNNING, started_at=begun, updated_at=event.at)
        return self._status_if_new()

    def _waiting(self, event: Event) -> list[Update]:
        asked = {i["key"]: _interrupt(self._run, i, event) for i in event.data.get("interrupts") or ()}
        for key, question in self._questions.items():
            if question.status is InterruptStatus.OPEN and key not in asked:
                self._questions[key] = replace(question, status=InterruptStatus.WITHDRAWN)
        self._questions |= asked
        self._run = replace(self._run, status=RunStatus.WAITING, updated_at=event.at)
        return [self._status()]

    def _ended(self, event: Event) -> list[Update]:
        data = event.data
        told: list[Update] = []
        if event.type == "run.succeeded":
            output = data.get("output")
            self._run = replace(self._run, status=RunStatus.SUCCEEDED, output=output, updated_at=event.at)
            if (result := project.result_artifact(self._run)) is not None:
                told.append(self._finish(result, output))
        elif event.type == "run.failed":
            failure = Failure(FailureKind(data["kind"]), str(data.get("message") or ""), str(data.get("type") or ""))
            self._run = replace(self._run, status=RunStatus.FAILED, failure=failure, updated_at=event.at)
        else:
            self._run = replace(self._run, status=RunStatus.CANCELLED, updated_at=event.at)
        return [*told, self._status()]

    def _text(self, event: Event) -> list[Update]:
        text = str(event.data["text"])
        update = self._artifact(_chunk(text), append=bool(self._chunks))
        self._chunks.append((event.data.get("step"), text))
        return [update]

    def _retried(self, event: Event) -> list[Update]:
        """A step begins anew: what it had streamed is taken back."""
        kept = [chunk for chunk in self._chunks if chunk[0] != event.data["step"]]
        if len(kept) == len(self._chunks):
            return []
        self._chunks = kept
        return [self._artifact(_chunk("".join(text for _, text in kept)))]

    def _file(self, event: Event) -> list[Update]:
        made = self._find(event.data)
        if made is None:  # forgotten, or replaced by a version that has an event of its own
            return []
        self._made[made.id] = made
        return [self._artifact(project.artifact(made, self._link(self._run, made)), last=True)]

    def _progress(self, event: Event) -> list[Update]:
        told = {name: value for name, value in event.data.items() if value is not None}
        return [self._working(event, {"progress": told}, event.data.get("message"))]

    def _custom(self, event: Event) -> list[Update]:
        return [self._working(event, {"event": {"name": event.data["name"], "data": event.data.get("data")}}, None)]

    # -- updates ------------------------------------------------------------------------------------------------------
    def _status_if_new(self) -> list[Update]:
        return [] if self.state == self._said else [self._status()]

    def _status(self) -> Update:
        status = project.status(self._run, self._open())
        self._said = status["state"]
        return {"statusUpdate": {"taskId": self._run.id, "contextId": self._run.thread_id, "status": status}}

    def _working(self, event: Event, metadata: Mapping[str, Json], text: str | None) -> Update:
        """A status update that changes nothing but tells something."""
        self._run = replace(self._run, updated_at=event.at)
        update = self._status()
        update["statusUpdate"]["metadata"] = metadata
        if text:
            message = project.agent_message(self._run, f"{self._run.id}:{event.seq}", [{"text": text}])
            update["statusUpdate"]["status"]["message"] = message
        return update

    def _finish(self, result: dict[str, Json], output: Json) -> Update:
        """The output: what is missing of it where it was streamed, all of it where it was not or came out otherwise."""
        streamed = "".join(text for _, text in self._chunks)
        if self._chunks and isinstance(output, str) and output.startswith(streamed):
            return self._artifact(_chunk(output[len(streamed) :]), append=True, last=True)
        return self._artifact(result, last=True)

    def _artifact(self, artifact: dict[str, Json], *, append: bool = False, last: bool = False) -> Update:
        update: dict[str, Json] = {"taskId": self._run.id, "contextId": self._run.thread_id, "artifact": artifact}
        if append:
            update["append"] = True
        if last:
            update["lastChunk"] = True
        return {"artifactUpdate": update}

    def _tell_generation(self, told: dict[str, Json]) -> None:
        told["metadata"] = {**(told.get("metadata") or {}), GENERATION: {"generation": self.generation}}

    # -- inside -------------------------------------------------------------------------------------------------------
    def _open(self) -> tuple[Interrupt, ...]:
        if self._run.status is not RunStatus.WAITING:
            return ()
        return tuple(q for q in self._questions.values() if q.status is InterruptStatus.OPEN)

    def _answered(self, question: Interrupt) -> Interrupt:
        """A question with its answer, which the event did not tell."""
        if question.status is not InterruptStatus.ANSWERED:
            return question
        return next((i for i in self._known.interrupts if i.key == question.key), question)

    def _find(self, data: Mapping[str, Any]) -> Artifact | None:
        """The file that an event tells of, unless what is known of it is an earlier version."""
        known = (a for a in self._known.artifacts if a.id == data["id"])
        return next((a for a in known if len(a.data) == data.get("size", len(a.data))), None)


def _chunk(text: str) -> dict[str, Json]:
    return {"artifactId": project.RESULT, "name": project.RESULT, "parts": [{"text": text}]}


def _interrupt(run: Run, asked: Mapping[str, Any], event: Event) -> Interrupt:
    return Interrupt(
        run_id=run.id,
        thread_id=run.thread_id,
        key=asked["key"],
        id=asked["id"],
        kind=InterruptKind(asked["kind"]),
        message=asked["message"],
        schema=asked["schema"],
        payload=asked.get("payload"),
        created_at=event.at,
    )
