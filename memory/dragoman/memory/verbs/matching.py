"""Filters on top-level pairs of a JSON object: a text that SQLite looks for in the stored bytes, and then the exact
test."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.memory.codec import dumps
from dragoman.memory.model import Json

__all__ = ["holds", "needle"]

_ABSENT: Json = object()


def holds(value: Mapping[str, Json], pairs: Mapping[str, Json] | None) -> bool:
    """Whether an object has all of these pairs. As in JSON, ``true`` is not ``1``."""
    if not pairs:
        return True
    return all(_same(value.get(key, _ABSENT), wanted) for key, wanted in pairs.items())


def _same(found: Json, wanted: Json) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)


def needle(pairs: Mapping[str, Json] | None) -> bytes | None:
    """Bytes that the stored JSON of every object with these pairs contains; None when there is no telling.

    Only what is written in one way alone is looked for with its value: a number may be stored as 1 or 1.0, and an
    object with its keys in another order.
    """
    found = [dumps(key) + b":" + _written(value) for key, value in (pairs or {}).items()]
    return max(found, key=len, default=None)


def _written(value: Json) -> bytes:
    if value is None or isinstance(value, str | bool):
        return dumps(value)
    # 5 is the beginning of 5.0 as well; what has more digits than a float can tell might be stored as 1e16.
    return dumps(value) if isinstance(value, int) and 0 < abs(value) < 2**53 else b""
