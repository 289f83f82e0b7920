"""Messages of a thread, joined and closed: plain functions over the forms in which agents and clients keep them.

A message is an object with a ``role`` and often an ``id``. An assistant's may hold calls of tools (``tool_calls``, or
blocks of the type ``tool_use`` among its ``parts``), and each wants a result after it: a message of the role ``tool``
with ``tool_call_id``, or a block of the type ``tool_result``. A model refuses a conversation in which one is missing.
Knows no protocol and no store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeGuard

from dragoman.memory.model import Json

__all__ = ["REMOVE", "REMOVE_ALL", "closed", "joined"]

REMOVE: Final = "remove"
"""The role of a message that takes away the one with its id."""
REMOVE_ALL: Final = "__remove_all__"
"""The id that takes away all that stand before."""

_CANCELLED: Final = "Cancelled: the run ended before this call had a result."


def joined(known: Sequence[Mapping[str, Json]], new: Sequence[Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    """Messages with others added: one whose id is known takes that one's place, one of the role ``remove`` takes it
    away."""
    made: list[Mapping[str, Json]] = list(known)
    for message in new:
        identity = message.get("id")
        if message.get("role") == REMOVE:
            made = [] if identity == REMOVE_ALL else [m for m in made if m.get("id") != identity]
            continue
        place = next((n for n, m in enumerate(made) if identity and m.get("id") == identity), None)
        if place is None:
            made.append(message)
        else:
            made[place] = message
    return made


def closed(messages: Sequence[Mapping[str, Json]]) -> list[Mapping[str, Json]] | None:
    """The messages with a result that says *cancelled* for each call that has none, after the call's message and the
    results that are there; None where nothing is missing."""
    if not any(_has_calls(m) for m in messages):
        return None
    answered = {identity for m in messages for identity in _results(m)}
    made: list[Mapping[str, Json]] = []
    owed: list[Mapping[str, Json]] = []
    changed = False
    for message in messages:
        if owed and not _is_result(message):
            made, owed = [*made, *owed], []
        made.append(message)
        missing = [_cancelled(message, call) for call in _calls(message) if call["id"] not in answered]
        owed += missing
        changed = changed or bool(missing)
    return [*made, *owed] if changed else None


def _has_calls(message: Mapping[str, Json]) -> bool:
    return bool(message.get("tool_calls")) or bool(message.get("parts"))


def _blocks(message: Mapping[str, Json], kind: str) -> Iterator[Mapping[str, Any]]:
    for block in _objects(message.get("parts")):
        if block.get("type") == kind:
            yield block


def _objects(value: Json) -> Iterator[Mapping[str, Any]]:
    for item in value if _is_list(value) else ():
        if _is_object(item):
            yield item


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _calls(message: Mapping[str, Json]) -> Iterator[Mapping[str, Any]]:
    known: set[str] = set()
    for call in _objects(message.get("tool_calls")):
        if isinstance(call.get("id"), str):
            known.add(call["id"])
            function: Mapping[str, Any] = call.get("function") or {}
            yield {"id": call["id"], "name": call.get("name") or function.get("name")}
    for block in _blocks(message, "tool_use"):
        if isinstance(block.get("id"), str) and block["id"] not in known:
            yield {"id": block["id"], "name": block.get("name")}


def _results(message: Mapping[str, Json]) -> Iterator[str]:
    if isinstance(message.get("tool_call_id"), str):
        yield message["tool_call_id"]
    for block in _blocks(message, "tool_result"):
        if isinstance(block.get("tool_use_id"), str):
            yield block["tool_use_id"]


def _is_result(message: Mapping[str, Json]) -> bool:
    return next(_results(message), None) is not None


def _cancelled(message: Mapping[str, Json], call: Mapping[str, Any]) -> dict[str, Json]:
    told: dict[str, Json] = {"role": "tool", "content": _CANCELLED, "id": f"{call['id']}:cancelled"}
    told |= {"tool_call_id": call["id"], "status": "error"}
    if call["name"]:
        told["name"] = call["name"]
    return told
