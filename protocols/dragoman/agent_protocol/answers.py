"""Answers to what a run asks: which run and which question a ``resume`` means. Pure, and never a guess between two.

``resume`` is either the answer to the one question that is open, or an object whose keys are ids or keys of
questions. An id always means its question. A key does too, unless the object as a whole fits the one open question:
then it is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dragoman.agent_protocol.narrow import is_object
from dragoman.engine.answers import check
from dragoman.memory.errors import Conflict, InputInvalid
from dragoman.memory.model import Interrupt, Json, RunView

__all__ = ["Resumption", "only_answer", "resumption"]


@dataclass(frozen=True, slots=True)
class Resumption:
    """Which run goes on, with what: answers by key or id, or a text that answers its one question in prose."""

    run_id: str
    answers: Mapping[str, Json]
    text: str | None = None


def resumption(waiting: Sequence[RunView], resume: Json) -> Resumption:
    """What a ``resume`` means to these waiting runs. Raises ``Conflict`` when none asks anything, ``InputInvalid``
    naming the open questions when it does not tell which one is meant."""
    open_now = [i for view in waiting for i in view.open_interrupts]
    if not open_now:
        raise Conflict("No question is open here; an answer was given already, or none was asked.")
    if is_object(resume) and resume:
        named = _by_id(waiting, resume) or _by_key(waiting, resume)
        if named is not None:
            return named
    return _of_the_only(open_now, resume)


def only_answer(view: RunView, answer: Json) -> Resumption:
    """An answer to the one question of a run, whatever the answer looks like. Raises as ``resumption`` does."""
    open_now = view.open_interrupts
    if not open_now:
        raise Conflict(f"The run asks nothing; it is {view.run.status}.")
    return _of_the_only(open_now, answer)


def _of_the_only(open_now: Sequence[Interrupt], answer: Json) -> Resumption:
    if len(open_now) > 1:
        names = ", ".join(f"{i.id} ({i.key})" for i in open_now)
        problem = f"{len(open_now)} questions are open; answer with an object by their ids: {names}"
        raise InputInvalid(f"resume: {problem}.", ({"field": "resume", "problem": problem},))
    only = open_now[0]
    if isinstance(answer, str) and not _fits(only, answer):
        return Resumption(only.run_id, {}, answer)
    return Resumption(only.run_id, {only.id: answer})


def _by_id(waiting: Sequence[RunView], resume: Mapping[str, Json]) -> Resumption | None:
    """Ids name questions, answered ones too, so that a second answer is told to be one."""
    owners = {i.id: i.run_id for view in waiting for i in view.interrupts}
    if not resume.keys() & owners.keys():
        return None
    unknown = [name for name in resume if name not in owners]
    if unknown:
        raise _wrong(f"{', '.join(map(repr, unknown))} is not the id of a question of this thread")
    return _of_one_run({owners[name] for name in resume}, resume)


def _by_key(waiting: Sequence[RunView], resume: Mapping[str, Json]) -> Resumption | None:
    """Keys of answered questions too, where no open one has them, so that a second answer is told to be one."""
    open_now = [i for view in waiting for i in view.open_interrupts]
    by_key = {i.key: i for view in waiting for i in view.interrupts} | {i.key: i for i in open_now}
    if not resume.keys() <= by_key.keys() or (len(open_now) == 1 and _fits(open_now[0], resume)):
        return None
    if sum(i.key in resume for i in open_now) > len(resume):
        raise _wrong("several runs ask under the same key; answer by the questions' ids")
    named = [by_key[key] for key in resume]
    return _of_one_run({i.run_id for i in named}, {i.id: resume[i.key] for i in named})


def _of_one_run(run_ids: set[str], answers: Mapping[str, Json]) -> Resumption:
    if len(run_ids) > 1:
        raise _wrong("the questions belong to several runs; answer one run at a time")
    return Resumption(run_ids.pop(), dict(answers))


def _fits(interrupt: Interrupt, answer: Json) -> bool:
    try:
        check(interrupt, answer)
    except InputInvalid:
        return False
    return True


def _wrong(problem: str) -> InputInvalid:
    return InputInvalid(f"resume: {problem}.", ({"field": "resume", "problem": problem},))
