"""The difference of two JSON values, and one applied to the other: what checkpoints are kept as.

A difference is a JSON list, so that it is never taken for the values of a thread, which are an object:

    []                          nothing differs
    ["set", value]              another value
    ["keys", {key: difference}, [removed key]]
    ["cut", start, end, items]  a list or a text: what stands from start until end gives way to items
    ["at", [[index, difference]]]  a list of the same length

Structural, not minimal: a list is told by what it has in common at both ends, which is all of it where messages were
appended. What is the same object in both is not looked into. Pure; ``sqlite/history.py`` says what is kept as what.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dragoman.memory.codec import dumps
from dragoman.memory.model import Json

__all__ = ["applied", "difference"]

_CONTAINERS: Final = (dict, list)
_MISSING: Final[Json] = object()
# A shorter text costs less whole than in parts.
_LONG_TEXT: Final = 256


def difference(old: Json, new: Json) -> list[Json]:
    """What makes ``new`` of ``old``. Both are JSON; the order of an object's keys is no difference."""
    if _same(old, new):
        return []
    kind = _kind(old)
    if kind is _kind(new):
        if kind is dict:
            return _keys(old, new)
        if kind is list:
            return _items(old, new)
        if kind is str and min(len(old), len(new)) >= _LONG_TEXT:
            return _text(old, new)
    return ["set", new]


def applied(old: Json, delta: Sequence[Json]) -> Json:
    """The value that a difference makes of ``old``, which stays as it is; parts that are the same are shared."""
    if not delta:
        return old
    kind = delta[0]
    if kind == "set":
        return delta[1]
    if kind == "keys":
        made: dict[str, Json] = {**old}
        for key in delta[2]:
            made.pop(key, None)
        for key, change in delta[1].items():
            made[key] = applied(made.get(key), change)
        return made
    if kind == "cut":
        return old[: delta[1]] + delta[3] + old[delta[2] :]
    changed: list[Json] = [*old]
    for index, change in delta[1]:
        changed[index] = applied(changed[index], change)
    return changed


def _kind(value: Json) -> Any:
    return value.__class__


def _same(old: Json, new: Json) -> bool:
    """As JSON: 1 is neither 1.0 nor true."""
    if old is new:
        return True
    kind = _kind(old)
    if kind is not _kind(new):
        return False
    if kind in _CONTAINERS:
        return dumps(old) == dumps(new)
    if kind is float:
        return repr(old) == repr(new)  # 0.0 is not -0.0
    return bool(old == new)


def _keys(old: dict[str, Json], new: dict[str, Json]) -> list[Json]:
    changed: dict[str, Json] = {}
    for key, value in new.items():
        known = old.get(key, _MISSING)
        if known is _MISSING:
            changed[key] = ["set", value]
        elif delta := difference(known, value):
            changed[key] = delta
    removed = [key for key in old if key not in new]
    return ["keys", changed, removed] if changed or removed else []


def _items(old: list[Json], new: list[Json]) -> list[Json]:
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and _same(old[start], new[start]):
        start += 1
    end = 0
    while end < shorter - start and _same(old[-1 - end], new[-1 - end]):
        end += 1
    if len(old) == len(new):
        return ["at", [[n, difference(old[n], new[n])] for n in range(start, len(old) - end)]]
    return ["cut", start, len(old) - end, new[start : len(new) - end]]


def _text(old: str, new: str) -> list[Json]:
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    return ["cut", start, len(old) - end, new[start : len(new) - end]]


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
