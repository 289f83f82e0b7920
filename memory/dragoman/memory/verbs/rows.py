"""Rows to model values and back. The order of fields is that of the column lists in ``queries/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from dragoman.memory.codec import dumps
from dragoman.memory.frozen import maker
from dragoman.memory.model import (
    ApiKey,
    Artifact,
    Checkpoint,
    Event,
    Failure,
    FailureKind,
    Interrupt,
    InterruptKind,
    InterruptStatus,
    Json,
    Run,
    RunStatus,
    Step,
    StepStatus,
    Thread,
    ThreadStatus,
)
from dragoman.memory.setup import setup_of
from dragoman.memory.verbs.contents import as_it_was

__all__ = [
    "Row",
    "RunRow",
    "artifact_of",
    "checkpoint_of",
    "dump_failure",
    "dump_mapping",
    "dump_optional",
    "event_of",
    "interrupt_of",
    "key_of",
    "load",
    "make_event",
    "run_of",
    "step_of",
    "thread_of",
]

Row = tuple[Any, ...]

# Reading an enum's member by its value costs a Python call; these rows are read by the thousand.
_RUN_STATUS: Mapping[str, RunStatus] = {str(status): status for status in RunStatus}
_NOTHING: Json = None
_make_run = maker(Run)
make_event = maker(Event)


def load(data: bytes | None) -> Json:
    """The value of a JSON column. Not ``codec.loads``: what the ledger itself wrote needs no bound."""
    return _NOTHING if data is None else orjson.loads(data)


def dump_mapping(value: Mapping[str, Json]) -> bytes:
    """JSON bytes of a mapping of any kind."""
    return dumps(value if type(value) is dict else dict(value))


def dump_optional(value: Json) -> bytes | None:
    """JSON bytes, NULL for None."""
    return None if value is None else dumps(value)


def dump_failure(failure: Failure | None) -> bytes | None:
    """A failure as the event ``run.failed`` shows it."""
    if failure is None:
        return None
    told: dict[str, Json] = {"kind": failure.kind, "message": failure.message, "type": failure.type}
    if failure.code is not None:
        told |= {"code": failure.code, "data": failure.data}
    return dumps(told)


def _failure_of(data: bytes | None) -> Failure | None:
    if data is None:
        return None
    found = orjson.loads(data)
    return Failure(FailureKind(found["kind"]), found["message"], found["type"], found.get("code"), found.get("data"))


@dataclass(slots=True)
class RunRow:
    """A run as the writer holds it within a transaction: the columns as stored, to be changed and written back."""

    tenant: str
    id: str
    thread_id: str
    agent: str
    agent_version: str
    status: RunStatus | str
    created_at: int
    updated_at: int
    input: bytes | None
    message: bytes | None
    output: bytes | None
    failure: bytes | None
    subject: str
    attempt: int
    crashes: int
    started_at: int | None
    ended_at: int | None
    wake_at: int | None
    cancel_requested: int
    parent_run_id: str | None
    metadata: bytes
    ordinal: int
    interrupts: int
    artifacts: int
    emitted: int
    base_checkpoint: int
    setup: bytes | None = None
    steps: int = 0
    rollback: int = 0
    woken: int = 0
    cancel_reason: str = ""
    alone: bool = False  # surely no other run of its thread is active
    made: Run | None = None

    def changed(self, now: int) -> None:
        """Something that a run shows has changed."""
        self.updated_at = now
        self.made = None

    def run(self) -> Run:
        """The run as it is now; the same value as long as nothing has changed."""
        if self.made is None:
            self.made = self._make()
        return self.made

    def _make(self) -> Run:
        return _make_run(
            self.tenant,
            self.id,
            self.thread_id,
            self.agent,
            self.agent_version,
            _RUN_STATUS[self.status],
            self.created_at,
            self.updated_at,
            load(self.input),
            load(self.message),
            load(self.output),
            _failure_of(self.failure),
            self.subject,
            self.attempt,
            self.crashes,
            self.started_at,
            self.ended_at,
            self.wake_at,
            self.cancel_requested != 0,
            self.parent_run_id,
            orjson.loads(self.metadata),
            self.ordinal,
            self.interrupts,
            self.artifacts,
            self.emitted,
            self.base_checkpoint,
            None if self.setup is None else setup_of(orjson.loads(self.setup)),
        )


def run_of(row: Row) -> Run:
    """A run from ``run_columns``."""
    return RunRow(*row).run()


def step_of(row: Row) -> Step:
    """A step from ``steps_of_run``."""
    run_id, key, status, digest, result, failure, position, at = row
    return Step(run_id, key, StepStatus(status), digest, orjson.loads(result), _failure_of(failure), position, at)


def event_of(thread_id: str, row: Row) -> Event:
    """An event from ``events_of_thread``."""
    run_id, seq, type_, data, at = row
    return make_event(thread_id, run_id, seq, type_, orjson.loads(data), at)


def interrupt_of(row: Row) -> Interrupt:
    """An interrupt from ``interrupt_columns``."""
    (run_id, thread_id, key, id_, kind, message, schema, payload, status, answer, by, created, answered, expires) = row
    return Interrupt(
        run_id,
        thread_id,
        key,
        id_,
        InterruptKind(kind),
        message,
        orjson.loads(schema),
        orjson.loads(payload),
        InterruptStatus(status),
        load(answer),
        by,
        created,
        answered,
        expires,
    )


def artifact_of(row: Row) -> Artifact:
    """An artifact from ``artifacts_of_run``."""
    run_id, id_, name, mime_type, data, created = row
    return Artifact(run_id, id_, name, mime_type, as_it_was(data), created)


def thread_of(row: Row) -> Thread:
    """A thread from ``thread_columns``."""
    tenant, id_, status, content, metadata, created, updated, last_seq, checkpoint, ordinal = row
    return Thread(
        tenant,
        id_,
        ThreadStatus(status),
        {} if content is None else orjson.loads(content),
        orjson.loads(metadata),
        created,
        updated,
        last_seq,
        checkpoint,
        ordinal,
    )


def checkpoint_of(thread_id: str, row: Row, values: Mapping[str, Json]) -> Checkpoint:
    """A checkpoint from ``checkpoints_before``, whose content is read already."""
    number, run_id, _, created_at, step, parent, metadata = row
    told: dict[str, Json] = {} if metadata is None else orjson.loads(metadata)
    return Checkpoint(
        thread_id, number, run_id, values, created_at, step, number - 1 if parent is None else parent, told
    )


def key_of(row: Row) -> ApiKey:
    """An API key from ``key_columns``."""
    id_, tenant, subject, scopes, created_at, revoked_at = row
    return ApiKey(id_, tenant, subject, frozenset(orjson.loads(scopes)), created_at, revoked_at)
