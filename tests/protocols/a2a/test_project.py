"""Runs as Tasks: tables, and every Task is one that the SDK's protobuf types take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import MessageToDict, ParseDict

from dragoman.a2a import project
from dragoman.memory.model import (
    Artifact,
    Failure,
    FailureKind,
    Interrupt,
    InterruptKind,
    InterruptStatus,
    Run,
    RunStatus,
    RunView,
)

AT = 1_700_000_000_123_456
RUN = Run("acme", "r1", "t1", "desk", "1.0.0", RunStatus.RUNNING, AT - 5, AT, started_at=AT - 4)


def question(key: str = "amount", kind: InterruptKind = InterruptKind.INPUT, **more: Any) -> Interrupt:
    return Interrupt("r1", "t1", key, f"id-{key}", kind, f"What {key}?", {"type": "string"}, **more)


STATES = [
    (replace(RUN, status=RunStatus.QUEUED, started_at=None), (), "TASK_STATE_SUBMITTED"),
    (replace(RUN, status=RunStatus.QUEUED), (), "TASK_STATE_WORKING"),
    (RUN, (), "TASK_STATE_WORKING"),
    (replace(RUN, status=RunStatus.WAITING), (question(),), "TASK_STATE_INPUT_REQUIRED"),
    (replace(RUN, status=RunStatus.WAITING), (question(kind=InterruptKind.APPROVAL),), "TASK_STATE_INPUT_REQUIRED"),
    (replace(RUN, status=RunStatus.WAITING), (question(kind=InterruptKind.AUTH),), "TASK_STATE_AUTH_REQUIRED"),
    (
        replace(RUN, status=RunStatus.WAITING),
        (question(kind=InterruptKind.AUTH), question("b")),
        "TASK_STATE_INPUT_REQUIRED",
    ),
    (replace(RUN, status=RunStatus.SUCCEEDED), (), "TASK_STATE_COMPLETED"),
    (replace(RUN, status=RunStatus.FAILED, failure=Failure(FailureKind.ERROR, "no")), (), "TASK_STATE_FAILED"),
    (replace(RUN, status=RunStatus.FAILED, failure=Failure(FailureKind.TIMEOUT, "no")), (), "TASK_STATE_FAILED"),
    (replace(RUN, status=RunStatus.FAILED, failure=Failure(FailureKind.REJECTED, "no")), (), "TASK_STATE_REJECTED"),
    (replace(RUN, status=RunStatus.CANCELLED), (), "TASK_STATE_CANCELED"),
]


@pytest.mark.parametrize(("run", "questions", "state"), STATES)
@pytest.mark.requirement("a2a.data-model")
def test_each_status_of_a_run_is_one_state_of_its_task(run: Run, questions: Any, state: str) -> None:
    assert project.state(run, questions) == state
    assert parsed(project.task(RunView(run, questions)))["status"]["state"] == state


def test_every_state_that_the_protocol_has_is_used() -> None:
    assert {state for _, _, state in STATES} == set(pb.TaskState.keys()) - {"TASK_STATE_UNSPECIFIED"}


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (AT, "2023-11-14T22:13:20.123456Z"),
        (1_709_164_800_000_001, "2024-02-29T00:00:00.000001Z"),
    ],
)
@pytest.mark.requirement("a2a.json.timestamps")
def test_timestamps_are_rfc_3339_in_utc(at: int, text: str) -> None:
    assert project.timestamp(at) == text


OUTPUTS = [
    ("done", [{"text": "done"}]),
    ("", [{"text": ""}]),
    ({"paid": 5}, [{"data": {"paid": 5}, "mediaType": "application/json"}, {"text": '{"paid":5}'}]),
    ([1, "b"], [{"data": [1, "b"], "mediaType": "application/json"}, {"text": '[1,"b"]'}]),
    (True, [{"data": True, "mediaType": "application/json"}, {"text": "true"}]),
    (0, [{"data": 0, "mediaType": "application/json"}, {"text": "0"}]),
]


@pytest.mark.parametrize(("output", "parts"), OUTPUTS)
def test_an_output_is_the_artifact_result_as_text_and_as_data(output: Any, parts: Any) -> None:
    task = project.task(RunView(replace(RUN, status=RunStatus.SUCCEEDED, output=output)))
    assert task["artifacts"] == [{"artifactId": "result", "name": "result", "parts": parts}]
    parsed(task)


def test_a_run_without_an_output_has_no_artifact() -> None:
    assert "artifacts" not in project.task(RunView(replace(RUN, status=RunStatus.SUCCEEDED)))
    assert "artifacts" not in project.task(RunView(replace(RUN, status=RunStatus.FAILED, output="partial")))


FILES = [
    ("text/plain", b"paid", {"text": "paid"}),
    ("text/markdown; charset=utf-8", "né".encode(), {"text": "né"}),
    ("application/json", b'{"a":1}', {"data": {"a": 1}}),
    ("application/json", b"{broken", {"raw": "e2Jyb2tlbg=="}),
    ("text/plain", b"\xff\xfe", {"raw": "//4="}),
    ("image/png", b"\x89PNG", {"raw": "iVBORw=="}),
]


@pytest.mark.parametrize(("mime", "data", "content"), FILES)
def test_a_file_is_an_artifact_with_what_it_holds(mime: str, data: bytes, content: dict[str, Any]) -> None:
    told = project.artifact(Artifact("r1", "a1", "receipt", mime, data))
    assert told == {
        "artifactId": "a1",
        "name": "receipt",
        "parts": [{**content, "filename": "receipt", "mediaType": mime}],
    }
    ParseDict(told, pb.Artifact())


def test_a_waiting_task_asks_in_words_and_as_data() -> None:
    asked = question(payload={"max": 100})
    message = project.task(RunView(replace(RUN, status=RunStatus.WAITING), (asked,)))["status"]["message"]
    assert message["role"] == "ROLE_AGENT"
    assert message["messageId"] == "id-amount"
    assert message["parts"] == [
        {"text": "What amount?"},
        {
            "data": {
                "interrupts": [
                    {
                        "key": "amount",
                        "kind": "input",
                        "message": "What amount?",
                        "schema": {"type": "string"},
                        "payload": {"max": 100},
                    }
                ]
            },
            "mediaType": "application/json",
        },
    ]


def test_several_open_questions_are_asked_in_one_message() -> None:
    view = RunView(replace(RUN, status=RunStatus.WAITING), (question("a"), question("b")))
    text, data = project.task(view)["status"]["message"]["parts"]
    assert text == {"text": "What a?\nWhat b?"}
    assert [i["key"] for i in data["data"]["interrupts"]] == ["a", "b"]


def test_a_failed_task_says_why() -> None:
    run = replace(RUN, status=RunStatus.FAILED, failure=Failure(FailureKind.ERROR, "out of paper", "OSError"))
    assert project.task(RunView(run))["status"]["message"]["parts"] == [{"text": "out of paper"}]


CONVERSATION = RunView(
    replace(RUN, status=RunStatus.WAITING, message={"role": "user", "content": "refund me", "id": "m1"}),
    (
        question("order", status=InterruptStatus.ANSWERED, answer="o1"),
        question("amount", status=InterruptStatus.ANSWERED, answer={"eur": 5}),
        question("late", status=InterruptStatus.EXPIRED),
        question("now"),
    ),
)


def test_the_history_is_the_message_and_the_questions_that_are_settled_with_their_answers() -> None:
    history = parsed(project.task(CONVERSATION))["history"]
    assert [(m["role"], m["messageId"]) for m in history] == [
        ("ROLE_USER", "m1"),
        ("ROLE_AGENT", "id-order"),
        ("ROLE_USER", "id-order:answer"),
        ("ROLE_AGENT", "id-amount"),
        ("ROLE_USER", "id-amount:answer"),
        ("ROLE_AGENT", "id-late"),
    ]
    assert history[2]["parts"] == [{"text": "o1"}]
    assert history[4]["parts"][0]["data"] == {"eur": 5}
    assert {(m["taskId"], m["contextId"]) for m in history} == {("r1", "t1")}


@pytest.mark.parametrize(("length", "left"), [(None, 6), (0, None), (2, 2), (100, 6)])
def test_history_length_keeps_the_latest_messages(length: int | None, left: int | None) -> None:
    task = project.task(CONVERSATION, length)
    assert len(task["history"]) == left if left is not None else "history" not in task
    if length == 2:
        assert [m["messageId"] for m in task["history"]] == ["id-amount:answer", "id-late"]


MESSAGES = [
    ({"content": "hi", "id": "m1"}, [{"text": "hi"}]),
    ({"content": "hi", "id": "m1", "parts": [{"text": "hi"}, {"data": None}]}, [{"text": "hi"}, {"data": None}]),
    ({"content": [{"type": "text", "text": "hi"}, {"type": "image", "n": 1}], "id": "m1"}, None),
    ({"content": "hi", "id": "m1", "parts": [{"type": "text", "body": "not a part of A2A"}]}, [{"text": "hi"}]),
    ({"content": ""}, [{"text": ""}]),
]


@pytest.mark.parametrize(("message", "parts"), MESSAGES)
def test_a_message_that_came_over_any_protocol_is_one_of_a2a(message: dict[str, Any], parts: Any) -> None:
    (told,) = parsed(project.task(RunView(replace(RUN, message={"role": "user", **message}))))["history"]
    assert told["role"] == "ROLE_USER"
    assert told["messageId"]
    assert told["parts"] == (parts or [{"text": "hi"}, {"data": {"type": "image", "n": 1}, "mediaType": JSON}])


JSON = "application/json"


def test_a_run_opened_with_structured_input_alone_has_it_in_its_history() -> None:
    (told,) = parsed(project.task(RunView(replace(RUN, input={"order": "o1"}))))["history"]
    assert told["parts"] == [{"data": {"order": "o1"}, "mediaType": JSON}]


def test_metadata_of_the_run_is_metadata_of_the_task() -> None:
    assert parsed(project.task(RunView(replace(RUN, metadata={"trace": "x"}))))["metadata"] == {"trace": "x"}


def parsed(task: dict[str, Any]) -> dict[str, Any]:
    """A Task through the SDK's protobuf type: nothing unknown, nothing lost."""
    found: dict[str, Any] = MessageToDict(ParseDict(task, pb.Task()))
    assert found["id"] == task["id"]
    assert len(found.get("history", ())) == len(task.get("history", ()))
    return found
