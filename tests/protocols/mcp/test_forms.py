"""Schemas of questions as forms: as their author wrote them wherever the version has such fields."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.mcp import forms
from dragoman.memory.model import Interrupt, InterruptKind

OLDEST = "2025-06-18"  # the first version that asks by forms

TITLED = [{"const": "a", "title": "First"}, {"const": "b", "title": "Second"}]
FIELDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "title": "T", "description": "D", "minLength": 1, "format": "email"},
    "text with a default": {"type": "string", "default": "John"},
    "integer": {"type": "integer", "default": 30, "minimum": 0},
    "number": {"type": "number", "default": 95.5},
    "boolean": {"type": "boolean", "default": True},
    "choice": {"type": "string", "enum": ["a", "b"], "default": "b"},
    "choice with names": {"type": "string", "enum": ["a", "b"], "enumNames": ["First", "Second"]},
    "choice with titles": {"type": "string", "oneOf": TITLED, "default": "a"},
    "several": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1, "default": ["a"]},
    "several with titles": {"type": "array", "items": {"anyOf": TITLED}, "maxItems": 2},
}


def _form(schema: dict[str, Any], version: str) -> dict[str, Any]:
    question = Interrupt("", "", "q", "q", InterruptKind.INPUT, "What?", schema)
    form: dict[str, Any] = forms.elicit_params(question, version)["requestedSchema"]
    return form


def _field(field: dict[str, Any], version: str) -> dict[str, Any]:
    form = _form({"type": "object", "properties": {"f": field}, "required": []}, version)
    told: dict[str, Any] = form["properties"]["f"]
    return told


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_reaches_the_client_as_it_was_written(name: str, version: str, schemas: Any) -> None:
    told = _field(FIELDS[name], version)
    assert told == FIELDS[name]
    schemas.check(f"mcp-{version}", "PrimitiveSchemaDefinition", told)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("text with a default", {"type": "string"}),
        ("boolean", FIELDS["boolean"]),
        ("choice with names", FIELDS["choice with names"]),
        ("choice with titles", {"type": "string", "enum": ["a", "b"], "enumNames": ["First", "Second"]}),
    ],
)
def test_an_older_version_is_told_what_it_knows(name: str, told: dict[str, Any]) -> None:
    assert _field(FIELDS[name], OLDEST) == told


def test_a_form_with_a_field_that_the_version_lacks_is_asked_for_as_json() -> None:
    schema = {"type": "object", "properties": {"f": FIELDS["several"]}, "required": ["f"]}
    (field,) = _form(schema, OLDEST)["properties"].values()
    assert field["title"] == "JSON"


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25", "2026-07-28"])
def test_a_choice_that_is_a_whole_question_gets_a_form_of_one_field(version: str) -> None:
    form = _form({"oneOf": TITLED}, version)
    assert list(form["properties"]) == form["required"] == ["answer"]
    question = Interrupt("", "", "q", "q", InterruptKind.INPUT, "What?", {"oneOf": TITLED})
    assert forms.answer_of(question, {"action": "accept", "content": {"answer": "b"}}, version) == "b"


@pytest.mark.parametrize(
    "field",
    [
        {"type": "string", "oneOf": [{"type": "string"}, {"minLength": 3}]},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"anyOf": [{"const": "a"}]}},
        {"enum": [1, 2]},
        {"type": "object", "properties": {}},
    ],
)
def test_what_no_field_can_ask_for_is_asked_for_as_json(field: dict[str, Any]) -> None:
    (told,) = _form({"type": "object", "properties": {"f": field}}, "2026-07-28")["properties"].values()
    assert told["title"] == "JSON"


@pytest.mark.parametrize("default", [None, 5, ["a"]])
def test_a_default_of_another_type_is_not_told(default: Any) -> None:
    assert _field({"type": "string", "default": default}, "2026-07-28") == {"type": "string"}
