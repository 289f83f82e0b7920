"""Filters on top-level pairs of a JSON object."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.memory.model import Json

__all__ = ["holds"]

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
