"""Runs, agents and questions as MCP has them: the projections as tables, held against the official schemas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from dragoman.mcp import artifacts, eras, forms, project
from dragoman.mcp.errors import ProtocolError
from dragoman.memory.errors import InputInvalid
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

RUN = Run("acme", "r1", "t1", "refund", "1.0.0", RunStatus.SUCCEEDED, 1_700_000_000_000_000, 1_700_000_001_500_000)
ORDER: dict[str, Any] = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
NODE: dict[str, Any] = {
    "$ref": "#/$defs/Node",
    "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
}
NODES = {"type": "array", "items": {"$ref": "#/$defs/Node"}, "$defs": NODE["$defs"]}
CHOICE = {"type": "string", "enum": ["approve", "reject"]}
APPROVAL = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string"}},
    "required": ["approved"],
    "additionalProperties": False,
}


def _question(schema: dict[str, Any], kind: InterruptKind = InterruptKind.INPUT) -> Interrupt:
    return Interrupt("r1", "t1", "q", "i1", kind, "What?", schema)


def _view(run: Run, *found: Artifact, asks: Interrupt | None = None) -> RunView:
    return RunView(run, (asks,) if asks else (), found)


# -- results -----------------------------------------------------------------------------------------------------------
OUTPUTS: list[tuple[dict[str, Any], Any, dict[str, Any]]] = [
    (ORDER, {"id": "A"}, {"id": "A"}),
    (NODE, {"next": {}}, {"next": {}}),
    ({"type": "string"}, "done", {"result": "done"}),
    ({"type": "number"}, 1.5, {"result": 1.5}),
    (NODES, [{}], {"result": [{}]}),
    ({"type": "null"}, None, {"result": None}),
    ({"anyOf": [ORDER, {"type": "null"}]}, {"id": "A"}, {"result": {"id": "A"}}),
    ({}, {"any": 1}, {"any": 1}),
    ({}, [1], {"result": [1]}),
]


@pytest.mark.requirement("tools.output-conforms")
@pytest.mark.parametrize(("output_schema", "output", "structured"), OUTPUTS)
def test_structured_content_is_an_object_that_fits_the_schema_told_for_it(
    output_schema: dict[str, Any], output: Any, structured: dict[str, Any]
) -> None:
    shape = project.shape_of(output_schema)
    told = project.call_result(_view(replace(RUN, output=output)), shape, "2026-07-28", 1000)
    assert told["structuredContent"] == structured
    if shape.schema is not None:
        assert shape.schema["type"] == "object"
        jsonschema.validate(structured, shape.schema)


@pytest.mark.requirement("tools.output-conforms")
def test_the_schema_told_for_an_output_also_admits_the_handle_of_a_run_that_has_not_ended() -> None:
    schema = project.shape_of({"type": "string"}).schema
    assert schema is not None
    for status in (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING):
        handle = project.handle_result(_view(replace(RUN, status=status)), "2026-07-28", companions=True)
        jsonschema.validate(handle["structuredContent"], schema)
        jsonschema.validate(handle["structuredContent"], project.RUN_SCHEMA)


def test_a_text_output_is_told_as_it_is_and_any_other_as_json() -> None:
    shape = project.shape_of({})
    as_text = project.call_result(_view(replace(RUN, output="plain")), shape, "2026-07-28", 1000)
    as_json = project.call_result(_view(replace(RUN, output={"a": [1]})), shape, "2026-07-28", 1000)
    assert as_text["content"] == [{"type": "text", "text": "plain"}]
    assert as_json["content"] == [{"type": "text", "text": '{"a":[1]}'}]


@pytest.mark.parametrize(
    ("status", "failure", "text"),
    [
        (RunStatus.FAILED, Failure(FailureKind.ERROR, "the bank is closed", "RuntimeError"), "the bank is closed"),
        (RunStatus.FAILED, Failure(FailureKind.REJECTED, "not today", "Rejected"), "refund refused: not today"),
        (RunStatus.FAILED, Failure(FailureKind.TIMEOUT, "longer than 5 s", "TimeoutError"), "longer than 5 s"),
        (RunStatus.CANCELLED, None, "The run was cancelled."),
    ],
)
def test_a_run_that_did_not_succeed_is_a_tool_error_that_says_why(
    status: RunStatus, failure: Failure | None, text: str
) -> None:
    told = project.call_result(
        _view(replace(RUN, status=status, failure=failure)), project.shape_of(ORDER), "2026-07-28", 1000
    )
    assert told["isError"] is True
    assert told["content"] == [{"type": "text", "text": text}]
    assert "structuredContent" not in told


@pytest.mark.parametrize(
    ("artifact", "version", "expected"),
    [
        (Artifact("r1", "a", "n.md", "text/markdown", b"hi"), "2024-11-05", {"type": "resource"}),
        (Artifact("r1", "a", "n.bin", "application/octet-stream", b"\xff"), "2026-07-28", {"type": "resource"}),
        (Artifact("r1", "a", "n.txt", "text/plain", b"\xff\xfe"), "2026-07-28", {"type": "resource"}),
        (Artifact("r1", "a", "n.png", "image/png", b"\x89"), "2024-11-05", {"type": "image", "mimeType": "image/png"}),
        (Artifact("r1", "a", "n.wav", "audio/wav", b"\x89"), "2025-03-26", {"type": "audio", "mimeType": "audio/wav"}),
        (Artifact("r1", "a", "n.wav", "audio/wav", b"\x89"), "2024-11-05", {"type": "resource"}),
        (Artifact("r1", "a", "big", "text/plain", b"x" * 200), "2026-07-28", {"type": "resource_link", "size": 200}),
        (Artifact("r1", "a", "big", "text/plain", b"x" * 200), "2025-03-26", {"type": "text"}),
    ],
)
def test_an_artifact_is_embedded_when_small_and_linked_when_large_as_far_as_the_version_knows(
    artifact: Artifact, version: str, expected: dict[str, Any], schemas: Any
) -> None:
    block = artifacts.block(artifact, "r1", version, 100)
    assert expected.items() <= block.items()
    schemas.modern("ContentBlock", block)


@pytest.mark.parametrize("version", eras.ALL)
def test_a_result_has_no_part_that_its_version_does_not_know(version: str) -> None:
    told = project.call_result(_view(replace(RUN, output={"id": "A"})), project.shape_of(ORDER), version, 1000)
    assert ("structuredContent" in told) == (version in ("2025-06-18", "2025-11-25", "2026-07-28"))


# -- tasks -------------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("tasks.get-status")
@pytest.mark.parametrize(
    ("status", "wire", "definition"),
    [
        (RunStatus.QUEUED, "working", "WorkingTask"),
        (RunStatus.RUNNING, "working", "WorkingTask"),
        (RunStatus.WAITING, "input_required", "Task"),
        (RunStatus.SUCCEEDED, "completed", "Task"),
        (RunStatus.FAILED, "completed", "Task"),
        (RunStatus.CANCELLED, "cancelled", "CancelledTask"),
    ],
)
def test_a_run_is_a_task_of_the_status_that_the_extension_has_for_it(
    status: RunStatus, wire: str, definition: str, schemas: Any
) -> None:
    told = project.task(_view(replace(RUN, status=status)), 500)
    assert told["status"] == wire
    assert told["createdAt"] == "2023-11-14T22:13:20.000Z"
    assert told["lastUpdatedAt"] == "2023-11-14T22:13:21.500Z"
    schemas.tasks(definition, told)


@pytest.mark.requirement("tasks.get-status")
def test_every_status_of_a_run_has_a_status_of_a_task() -> None:
    assert set(project.TASK_STATUS) == set(RunStatus)


# -- forms -------------------------------------------------------------------------------------------------------------
NULLABLE = {"type": "object", "properties": {"floor": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}
DEFINED = {
    "type": "object",
    "properties": {"speed": {"$ref": "#/$defs/Speed", "description": "How fast"}},
    "$defs": {"Speed": {"type": "string", "enum": ["slow", "fast"], "title": "Speed"}},
    "required": ["speed"],
}
MANY = {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1}


@pytest.mark.requirement("elicitation.form-parameters")
@pytest.mark.parametrize(
    ("schema", "content", "answer"),
    [
        (APPROVAL, {"approved": True, "comment": "go"}, {"approved": True, "comment": "go"}),
        (CHOICE, {"answer": "approve"}, "approve"),
        ({"type": "string", "format": "email"}, {"answer": "a@b.c"}, "a@b.c"),
        ({"type": "integer", "minimum": 1}, {"answer": 3}, 3),
        ({"type": "boolean"}, {"answer": False}, False),
        ({"const": "yes"}, {"answer": "yes"}, "yes"),
        (NULLABLE, {"floor": 2}, {"floor": 2}),
        (DEFINED, {"speed": "fast"}, {"speed": "fast"}),
        (MANY, {"answer": ["a"]}, ["a"]),
        (ORDER, {"id": "A"}, {"id": "A"}),
        ({"type": "array", "items": {"type": "object"}}, {"answer": '[{"a":1}]'}, [{"a": 1}]),
        (
            {"type": "object", "properties": {"order": ORDER}},
            {"answer": '{"order":{"id":"A"}}'},
            {"order": {"id": "A"}},
        ),
        ({"enum": [1, 2]}, {"answer": "2"}, 2),
        ({}, {"answer": "null"}, None),
    ],
)
def test_any_question_is_asked_as_a_flat_form_and_the_form_is_read_back_as_its_answer(
    schema: dict[str, Any], content: dict[str, Any], answer: Any, schemas: Any
) -> None:
    question = _question(schema)
    params = forms.elicit_params(question, "2026-07-28")
    jsonschema.validate(content, params["requestedSchema"])
    assert forms.answer_of(question, {"action": "accept", "content": content}, "2026-07-28") == answer
    schemas.modern("ElicitRequest", {"method": "elicitation/create", "params": params})
    schemas.older("ElicitRequestFormParams", params)


def test_a_list_of_choices_is_asked_as_json_where_the_version_has_no_such_field() -> None:
    (field,) = forms.elicit_params(_question(MANY), "2025-06-18")["requestedSchema"]["properties"].values()
    assert field["type"] == "string"
    answered = forms.answer_of(_question(MANY), {"action": "accept", "content": {"answer": '["b"]'}}, "2025-06-18")
    assert answered == ["b"]


@pytest.mark.requirement("elicitation.form-parameters")
def test_a_form_says_its_mode_only_where_there_are_modes() -> None:
    assert "mode" not in forms.elicit_params(_question(CHOICE), "2025-06-18")
    assert forms.elicit_params(_question(CHOICE), "2025-11-25")["mode"] == "form"


@pytest.mark.parametrize(
    ("kind", "action", "expected"),
    [
        (InterruptKind.APPROVAL, "decline", {"approved": False}),
        (InterruptKind.APPROVAL, "cancel", forms.Outcome.DISMISSED),
        (InterruptKind.INPUT, "decline", forms.Outcome.DECLINED),
        (InterruptKind.INPUT, "cancel", forms.Outcome.DISMISSED),
    ],
)
def test_declining_an_approval_answers_it_and_anything_else_does_not(
    kind: InterruptKind, action: str, expected: Any
) -> None:
    assert forms.answer_of(_question(APPROVAL, kind), {"action": action}, "2026-07-28") == expected


@pytest.mark.requirement("elicitation.declined")
@pytest.mark.parametrize("response", [None, "yes", {}, {"action": "maybe"}, {"action": "accept"}])
def test_what_is_no_response_to_a_form_is_a_protocol_error_that_names_the_question(response: Any) -> None:
    with pytest.raises(ProtocolError, match="'q'") as caught:
        forms.answer_of(_question(CHOICE), response, "2026-07-28")
    assert caught.value.code == -32602


@pytest.mark.parametrize("content", [{}, {"answer": "[1"}])
def test_a_form_without_the_json_that_it_asked_for_is_invalid_input(content: dict[str, Any]) -> None:
    with pytest.raises(InputInvalid, match="answer"):
        forms.answer_of(_question({"type": "array"}), {"action": "accept", "content": content}, "2026-07-28")


# -- tables ------------------------------------------------------------------------------------------------------------
def test_versions_are_told_newest_first_and_every_feature_names_versions_that_exist() -> None:
    assert eras.SUPPORTED == ("2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
    assert all(versions <= set(eras.ALL) for versions in eras.FEATURES.values())
    assert {version for _, version in eras.VERBS} == set(eras.ALL)


@pytest.mark.parametrize(
    ("method", "modern", "older"),
    [
        ("server/discover", True, False),
        ("initialize", False, True),
        ("ping", False, True),
        ("logging/setLevel", False, True),
        ("tools/call", True, True),
        ("tasks/get", True, False),
        ("tasks/list", False, False),
        ("tasks/result", False, False),
    ],
)
def test_a_method_exists_in_the_eras_that_have_it(method: str, modern: bool, older: bool) -> None:
    assert ((method, "2026-07-28") in eras.VERBS) == modern
    assert all(((method, version) in eras.VERBS) == older for version in eras.OLDER)


def test_a_waiting_runs_open_questions_are_told_with_their_schemas() -> None:
    asked = _question(CHOICE)
    view = _view(replace(RUN, status=RunStatus.WAITING), asks=asked)
    assert project.run_summary(view)["questions"] == [
        {"key": "q", "message": "What?", "schema": CHOICE, "kind": "input"}
    ]
    answered = replace(asked, status=InterruptStatus.ANSWERED)
    assert "questions" not in project.run_summary(_view(replace(RUN, status=RunStatus.WAITING), asks=answered))
