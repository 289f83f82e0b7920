"""Filters on JSON objects: pairs that must be there, and comparisons, as LangGraph's stores have them. Pure.

``{"colour": "red"}`` is a pair; an object within is a filter on the object there. ``{"age": {"$gte": 18}}`` compares:
``$eq``, ``$ne``, ``$gt``, ``$gte``, ``$lt``, ``$lte``, several of which must all hold. Numbers are compared with
numbers and texts with texts; anything else is neither less nor greater.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json

__all__ = ["check_filter", "fits", "plain_pairs"]

_ABSENT: Final[Json] = object()
_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_OPERATORS: Final = {"$eq", "$ne", *_ORDER}


def check_filter(filter: Mapping[str, Json] | None, field: str = "filter") -> None:
    """Raise ``InputInvalid`` for an operator that there is not, or one that nothing can be compared with."""
    for name, wanted in (filter or {}).items():
        where = f"{field}.{name}"
        if not _is_object(wanted):
            continue
        if not _compares(wanted):
            check_filter(wanted, where)
            continue
        for op, value in wanted.items():
            if op not in _OPERATORS:
                raise _wrong(f"{where}.{op}", f"is no operator; there are {', '.join(sorted(_OPERATORS))}")
            if op in _ORDER and not isinstance(value, str) and not _is_number(value):
                raise _wrong(f"{where}.{op}", "must be a number or a text")


def fits(value: Mapping[str, Json], filter: Mapping[str, Json] | None) -> bool:
    """Whether an object fits a filter. As in JSON, ``true`` is not ``1``."""
    return not filter or all(_fits(value.get(name, _ABSENT), wanted) for name, wanted in filter.items())


def plain_pairs(filter: Mapping[str, Json] | None) -> dict[str, Json]:
    """Those conditions that are pairs, to be looked for in stored bytes."""
    return {name: wanted for name, wanted in (filter or {}).items() if not _is_object(wanted)}


def _fits(found: Json, wanted: Json) -> bool:
    if not _is_object(wanted):
        return _same(found, wanted)
    if _compares(wanted):
        return all(_holds(found, op, value) for op, value in wanted.items())
    return _is_object(found) and fits(found, wanted)


def _holds(found: Json, op: str, value: Json) -> bool:
    if op == "$eq":
        return _same(found, value)
    if op == "$ne":
        return not _same(found, value)
    alike = (isinstance(found, str) and isinstance(value, str)) or (_is_number(found) and _is_number(value))
    return alike and _ORDER[op](found, value)


def _same(found: Json, wanted: Json) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)


def _compares(wanted: Mapping[str, Json]) -> bool:
    return any(name.startswith("$") for name in wanted)


def _is_object(value: Json) -> TypeGuard[dict[str, Json]]:
    return isinstance(value, dict)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(field: str, problem: str) -> InputInvalid:
    return InputInvalid(f"{field} {problem}.", ({"field": field, "problem": problem},))
