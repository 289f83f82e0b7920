"""Which question a ``resume`` answers: as a table. Never a guess between two."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.agent_protocol.answers import only_answer, resumption
from dragoman.memory.errors import Conflict, InputInvalid
from dragoman.memory.model import Interrupt, InterruptKind, InterruptStatus, Run, RunStatus, RunView

TEXT = {"type": "string"}
APPROVAL = {"type": "object", "properties": {"approved": {"type": "boolean"}}, "required": ["approved"]}
FIELDS = {"type": "object", "properties": {"input": {"type": "integer"}}, "required": ["input"]}


def asks(key: str, schema: dict[str, Any] = TEXT, run: str = "r", status: str = "open") -> Interrupt:
    name = f"id-of-{run}-{key}"
    return Interrupt(run, "t", key, name, InterruptKind.INPUT, "?", schema, status=InterruptStatus(status))


def waiting(*questions: Interrupt) -> RunView:
    run = Run("acme", questions[0].run_id, "t", "a", "1", RunStatus.WAITING, 0, 0)
    return RunView(run, questions)


@pytest.mark.parametrize(
    ("questions", "resume", "answers"),
    [
        ([asks("name")], "Ada", {"id-of-r-name": "Ada"}),
        ([asks("name")], {"name": "Ada"}, {"id-of-r-name": "Ada"}),
        ([asks("name")], {"id-of-r-name": "Ada"}, {"id-of-r-name": "Ada"}),
        ([asks("ok", APPROVAL)], {"approved": True}, {"id-of-r-ok": {"approved": True}}),
        ([asks("ok", APPROVAL)], {"ok": {"approved": True}}, {"id-of-r-ok": {"approved": True}}),
        # The object as a whole fits the question: it is the answer, though its one field is called as the question.
        ([asks("input", FIELDS)], {"input": 5}, {"id-of-r-input": {"input": 5}}),
        ([asks("input", FIELDS)], {"input": {"input": 5}}, {"id-of-r-input": {"input": 5}}),
        ([asks("a"), asks("b")], {"a": "1", "b": "2"}, {"id-of-r-a": "1", "id-of-r-b": "2"}),
        ([asks("a"), asks("b")], {"b": "2"}, {"id-of-r-b": "2"}),
        ([asks("a"), asks("b")], {"id-of-r-b": "2"}, {"id-of-r-b": "2"}),
        # An id of a question that has its answer goes to the engine, which says so.
        ([asks("a", status="answered"), asks("b")], {"id-of-r-a": "1"}, {"id-of-r-a": "1"}),
        # Not a map: the one answer there can be, for the engine to hold against the schema.
        ([asks("ok", APPROVAL)], {"approve": True}, {"id-of-r-ok": {"approve": True}}),
        ([asks("ok", APPROVAL)], {}, {"id-of-r-ok": {}}),
        ([asks("ok", APPROVAL)], True, {"id-of-r-ok": True}),
    ],
)
def test_a_resume_is_mapped_exactly(questions: list[Interrupt], resume: Any, answers: Any) -> None:
    meant = resumption([waiting(*questions)], resume)
    assert (meant.run_id, meant.answers, meant.text) == ("r", answers, None)


def test_a_text_that_is_no_answer_as_it_is_answers_in_prose() -> None:
    meant = resumption([waiting(asks("ok", APPROVAL))], "yes")
    assert (meant.answers, meant.text) == ({}, "yes")


@pytest.mark.parametrize(
    "resume",
    [
        "Ada",
        {"c": "1"},
        {"a": "1", "c": "2"},
        {},
        None,
    ],
)
def test_one_answer_to_two_questions_is_refused_and_they_are_named(resume: Any) -> None:
    with pytest.raises(InputInvalid, match=r"id-of-r-a .*id-of-r-b"):
        resumption([waiting(asks("a"), asks("b"))], resume)


def test_an_id_beside_one_that_is_none_is_refused() -> None:
    with pytest.raises(InputInvalid, match="'x' is not the id"):
        resumption([waiting(asks("a"))], {"id-of-r-a": "1", "x": "2"})


def test_questions_of_two_runs_are_told_apart_by_their_ids() -> None:
    runs = [waiting(asks("name", run="r1")), waiting(asks("name", run="r2"))]
    assert resumption(runs, {"id-of-r2-name": "Ada"}).run_id == "r2"
    with pytest.raises(InputInvalid, match="same key"):
        resumption(runs, {"name": "Ada"})
    with pytest.raises(InputInvalid, match="several runs"):
        resumption(runs, {"id-of-r1-name": "Ada", "id-of-r2-name": "Bob"})


def test_an_answer_to_nothing_is_a_conflict() -> None:
    with pytest.raises(Conflict):
        resumption([], "Ada")
    ended = RunView(Run("acme", "r", "t", "a", "1", RunStatus.SUCCEEDED, 0, 0), (asks("a", status="answered"),))
    with pytest.raises(Conflict, match="succeeded"):
        only_answer(ended, "Ada")


def test_the_only_answer_is_never_read_as_a_map() -> None:
    anything: dict[str, Any] = {}
    assert only_answer(waiting(asks("k", anything)), {"k": 1}).answers == {"id-of-r-k": {"k": 1}}
