"""Answers to interrupts: checked against their schema, and made from prose where a client only speaks prose."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.agents.schemas import SchemaCheck
from dragoman.memory.codec import loads
from dragoman.memory.errors import Conflict, InputInvalid
from dragoman.memory.model import Interrupt, InterruptKind, InterruptStatus, Json

__all__ = ["check", "from_text", "select"]

_YES = frozenset({"yes", "y", "ok", "okay", "approve", "approved", "accept", "true", "confirm"})
_NO = frozenset({"no", "n", "reject", "rejected", "decline", "declined", "deny", "denied", "false", "cancel"})


def select(interrupts: Sequence[Interrupt], answers: Mapping[str, Json]) -> dict[str, Json]:
    """Answers by key, from answers by key or by id. Raises ``Conflict`` for one that is not open, ``InputInvalid`` for
    one that was never asked, each naming what is open."""
    by_name = {i.key: i for i in interrupts} | {i.id: i for i in interrupts}
    open_keys = [i.key for i in interrupts if i.status is InterruptStatus.OPEN]
    chosen: dict[str, Json] = {}
    if not answers:
        raise InputInvalid(f"No answer was given; open questions: {_list(open_keys)}.")
    for name, value in answers.items():
        found = by_name.get(name)
        if found is None:
            raise InputInvalid(f"The run never asked {name!r}; open questions: {_list(open_keys)}.")
        if found.status is not InterruptStatus.OPEN:
            raise Conflict(f"The question {name!r} is {found.status} already; open questions: {_list(open_keys)}.")
        chosen[found.key] = value
    return chosen


def _list(keys: Sequence[str]) -> str:
    return ", ".join(repr(k) for k in keys) or "none"


def check(interrupt: Interrupt, answer: Json) -> None:
    """Raise ``InputInvalid`` naming each place where the answer does not fit the question's schema."""
    try:
        SchemaCheck(interrupt.schema).check(answer, f"The answer to {interrupt.key!r} does not fit its schema")
    except ValueError as error:
        raise InputInvalid(f"The schema of the question {interrupt.key!r} cannot be used: {error}") from None


def from_text(interrupt: Interrupt, text: str) -> Json:
    """The answer that a text means to a question. Raises ``InputInvalid`` telling what is asked for."""
    said = text.strip()
    for candidate in _readings(interrupt, said):
        try:
            check(interrupt, candidate)
        except InputInvalid:
            continue
        return candidate
    wanted: Mapping[str, Json] = interrupt.schema
    hint = f"one of {', '.join(map(str, wanted['enum']))}" if "enum" in wanted else f"JSON that fits {dict(wanted)}"
    raise InputInvalid(f"The text does not answer the question {interrupt.key!r} ({interrupt.message}): give {hint}.")


def _readings(interrupt: Interrupt, said: str) -> list[Json]:
    schema = interrupt.schema
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required: Sequence[str] = schema.get("required") or list(properties)
    readings: list[Json] = []
    for choice in schema.get("enum") or ():
        if str(choice).casefold() == said.casefold():
            readings.append(choice)
    if interrupt.kind is InterruptKind.APPROVAL and "approved" in properties:
        word, _, rest = said.partition(" ")
        if word.casefold().strip(".,!:;") in _YES | _NO:
            approval: dict[str, Json] = {"approved": word.casefold().strip(".,!:;") in _YES}
            if rest:
                approval["comment"] = rest
            readings.append(approval)
    readings.append(said)
    with contextlib.suppress(ValueError):
        readings.append(loads(said))
    if len(required) == 1:
        readings += [{required[0]: value} for value in list(readings)]
    return readings
