"""A message as answers to what a task asks: which question each is for, held against its schema before it is given.

Pure: reading them changes nothing, so that a message that does not fit leaves no trace. ``service`` gives the answers
to the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from dragoman.a2a.errors import invalid
from dragoman.a2a.params import Sending
from dragoman.engine import Unset
from dragoman.engine.answers import check, from_text, select
from dragoman.memory.codec import dumps
from dragoman.memory.errors import InputInvalid
from dragoman.memory.ids import short_digest
from dragoman.memory.model import Interrupt, InterruptStatus, Json, RunView

__all__ = ["digests", "read_answers", "were_given"]


def read_answers(view: RunView, sending: Sending) -> dict[str, Json]:
    """The answers of a message, by key. Raises ``InputInvalid`` for one that does not fit or was never asked for,
    ``Conflict`` for one to what is answered already."""
    waiting_for = view.open_interrupts
    if isinstance(sending.data, Unset):
        if len(waiting_for) > 1:
            names = ", ".join(repr(i.key) for i in waiting_for)
            raise InputInvalid(
                f"{len(waiting_for)} questions are open ({names}); answer them by key, as structured data."
            )
        return {i.key: from_text(i, sending.text or "") for i in waiting_for}
    answers = select(view.interrupts, _by_key(view, sending.data))
    by_key = {i.key: i for i in view.interrupts}
    for key, answer in answers.items():
        check(by_key[key], answer)
    return answers


def digests(view: RunView, answers: Mapping[str, Json]) -> dict[str, Json]:
    """What answers are known by later, by the ids of their questions: it tells nothing of what they say."""
    ids = {i.key: i.id for i in view.interrupts}
    return {ids[key]: _digest(ids[key], answer) for key, answer in answers.items()}


def were_given(view: RunView, known: Mapping[str, Json]) -> bool:
    """Whether answers with these digests are what their questions were answered with."""
    by_id = {i.id: i for i in view.interrupts if i.status is InterruptStatus.ANSWERED}
    return bool(known) and all(id in by_id and _digest(id, by_id[id].answer) == told for id, told in known.items())


def _digest(id: str, answer: Json) -> str:
    return short_digest("a2a.answer", id, dumps(answer).decode())


def _by_key(view: RunView, data: Json) -> Mapping[str, Json]:
    """Data as answers by key or id: it is one already, or it is the whole answer to the one open question."""
    waiting_for = view.open_interrupts
    if len(waiting_for) > 1:
        if not isinstance(data, dict):
            keys = ", ".join(repr(i.key) for i in waiting_for)
            raise invalid("message.parts", f"must hold data with answers by key; open questions: {keys}")
        return data  # pyright: ignore[reportUnknownVariableType]
    only = next(iter(waiting_for))
    if not isinstance(data, dict) or not data:
        return {only.key: data}
    given = cast("dict[str, Json]", data)
    fields: Mapping[str, Any] = only.schema.get("properties") or {}
    for name in (only.key, only.id):
        if given.keys() == {name} and name not in fields:
            return {only.key: given[name]}
    # Names of answered questions, so that a second answer is told to be one.
    known = {name for i in view.interrupts for name in (i.key, i.id)}
    return given if given.keys() <= known and not _fits(only, given) else {only.key: given}


def _fits(interrupt: Interrupt, answer: Json) -> bool:
    try:
        check(interrupt, answer)
    except InputInvalid:
        return False
    return True
