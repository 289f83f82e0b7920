"""What both surfaces make of the domain in the same way, as tables."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.agent_protocol.shapes import (
    checkpoint_id,
    checkpoint_number,
    is_uuid,
    question,
    run_status,
    stamp,
    state_of,
    statuses_named,
)
from dragoman.agent_protocol.surface import Surface, named_by_body, named_by_client
from dragoman.memory.model import Failure, FailureKind, Run, RunStatus

AP, SDK = Surface.AGENT_PROTOCOL, Surface.LANGGRAPH


def run(status: RunStatus, failure: Failure | None = None, output: object = None) -> Run:
    return Run("acme", "r", "t", "echo", "1.0.0", status, 0, 0, failure=failure, output=output)


@pytest.mark.parametrize(
    ("status", "kind", "agent_protocol", "langgraph"),
    [
        (RunStatus.QUEUED, None, "pending", "pending"),
        (RunStatus.RUNNING, None, "pending", "running"),
        (RunStatus.WAITING, None, "interrupted", "interrupted"),
        (RunStatus.SUCCEEDED, None, "success", "success"),
        (RunStatus.FAILED, FailureKind.ERROR, "error", "error"),
        (RunStatus.FAILED, FailureKind.REJECTED, "error", "error"),
        (RunStatus.FAILED, FailureKind.TIMEOUT, "timeout", "timeout"),
        (RunStatus.CANCELLED, None, "interrupted", "interrupted"),
    ],
)
def test_each_status_has_its_name_on_each_surface(
    status: RunStatus, kind: FailureKind | None, agent_protocol: str, langgraph: str
) -> None:
    its = run(status, Failure(kind, "x") if kind else None)
    assert run_status(its, AP) == agent_protocol
    assert run_status(its, SDK) == langgraph
    assert status in statuses_named(agent_protocol, AP)
    assert status in statuses_named(langgraph, SDK)


def test_a_time_is_rfc_3339_to_the_microsecond() -> None:
    assert stamp(1_764_000_000_123_456) == "2025-11-24T16:00:00.123456+00:00"


@given(thread=st.text(max_size=40), number=st.integers(1, 2**40))
def test_a_checkpoints_id_is_a_uuid_that_tells_its_number_to_its_own_thread_alone(thread: str, number: int) -> None:
    name = checkpoint_id(thread, number)
    assert uuid.UUID(name).version == 8
    assert checkpoint_number(thread, name) == number
    assert checkpoint_number(thread + "'", name) is None
    assert checkpoint_id(thread, number + 1) > name


@pytest.mark.parametrize("name", ["", "7", "not-a-uuid", str(uuid.UUID(int=0)), "1ce3ad18-9189-444f-9707-d5aa33bc3b9c"])
def test_what_is_no_checkpoints_id_tells_no_number(name: str) -> None:
    assert checkpoint_number("t", name) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01a1fd12-09fa-7000-939f-2a70f5b02e43", True),
        ("01A1FD12-09FA-7000-939F-2A70F5B02E43", True),
        ("01a1fd1209fa7000939f2a70f5b02e43", False),
        ("{01a1fd12-09fa-7000-939f-2a70f5b02e43}", False),
        ("x", False),
        ("", False),
    ],
)
def test_a_uuid_is_known_by_its_canonical_form(text: str, expected: bool) -> None:
    assert is_uuid(text) is expected


def test_a_state_holds_messages_always_and_the_output_of_the_run_that_made_it() -> None:
    values = {"times": 2}
    assert state_of(values, AP) == {"times": 2, "messages": []}
    assert state_of(values, AP, run(RunStatus.SUCCEEDED, output="x")) == {"times": 2, "messages": [], "output": "x"}
    assert "output" not in state_of(values, AP, run(RunStatus.WAITING))


def test_a_question_is_shown_whole_in_agent_protocol_and_as_value_and_schema_to_the_sdk() -> None:
    asked = {"key": "k", "id": "i", "kind": "input", "message": "Why?", "schema": {"type": "string"}, "payload": 1}
    assert question(asked, AP) == asked
    assert question(asked, SDK) == {
        "id": "i",
        "value": {"key": "k", "kind": "input", "message": "Why?", "payload": 1},
        "response_schema": {"type": "string"},
    }


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (b"langgraph-sdk-py/0.4.14", SDK),
        (b"python-httpx/0.28", AP),
        (b"", AP),
        (None, AP),
    ],
)
def test_a_client_is_known_by_its_name(agent: bytes | None, expected: Surface) -> None:
    headers = [(b"host", b"x")] + ([(b"user-agent", agent)] if agent is not None else [])
    assert named_by_client(headers, AP) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"agent_id": "a"}, AP),
        ({"assistant_id": "a"}, SDK),
        ({"agent_id": "a", "assistant_id": "a"}, AP),
        ({}, AP),
    ],
)
def test_a_body_that_opens_a_run_tells_its_surface(body: dict[str, str], expected: Surface) -> None:
    assert named_by_body(body, AP) is expected
