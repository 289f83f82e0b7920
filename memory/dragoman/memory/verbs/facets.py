"""Metadata by which lists are searched: a row for each top-level pair whose value is no list and no object.

A search goes by the pair that the fewest have, and tests the rest exactly: the index tells texts by their first 128
characters and numbers by their whole part. A thread or run without metadata, which is most of them, has no rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from dragoman.memory.model import Json
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.keys import Executes
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.tx import Tx

__all__ = ["FEW", "Facet", "add", "best", "drop", "facets_of"]

Kind = Literal["thread", "run"]

FEW: Final = 1000
"""How many a pair may have to be worth looking at all of them."""

_INSERT = RowsLater(SQL["insert_facet"])
_DELETE = SQL["delete_facet"]
_COUNT = SQL["count_facets"]
_LONGEST: Final = 128
_EXACT: Final = 2**53
# What is there to be carried, not to be searched by: each is another.
_NEVER: Final = frozenset({"traceparent"})


class Facet(NamedTuple):
    """A pair as the index has it; ``number`` is how many have it, up to ``FEW``."""

    key: str
    value: str
    number: int = FEW


def add(tx: Tx, tenant: str, kind: Kind, metadata: Mapping[str, Json], ordinal: int, id: str = "") -> None:
    """Index the metadata of something new."""
    for facet in facets_of(metadata):
        tx.later(_INSERT, (tenant, kind, facet.key, facet.value, ordinal, id))


def drop(tx: Tx, tenant: str, kind: Kind, metadata: Mapping[str, Json], ordinal: int) -> None:
    """Forget what was indexed of it."""
    for facet in facets_of(metadata):
        tx.execute(_DELETE, (tenant, kind, facet.key, facet.value, ordinal))


def best(db: Executes, tenant: str, kind: Kind, metadata: Mapping[str, Json] | None) -> Facet | None:
    """The pair of a filter that the fewest have; None where no pair is indexed."""
    found: Facet | None = None
    for facet in facets_of(metadata or {}):
        (count,) = db.execute(_COUNT, (tenant, kind, facet.key, facet.value, FEW)).fetchone()
        if found is None or count < found.number:
            found = Facet(facet.key, facet.value, count)
    return found


def facets_of(metadata: Mapping[str, Json]) -> list[Facet]:
    """Distinct ones: two keys may begin alike."""
    found = {
        (key[:_LONGEST], value)
        for key, given in metadata.items()
        if key not in _NEVER and (value := _written(given)) is not None
    }
    return [Facet(key, value) for key, value in found]


def _written(value: Json) -> str | None:
    """Equal for values that are equal; None for what is not indexed."""
    if isinstance(value, str):
        return f"s{value[:_LONGEST]}"
    if isinstance(value, bool):
        return "b1" if value else "b0"
    if value is None:
        return "z"
    if isinstance(value, int | float):
        return f"n{int(value)}" if -_EXACT <= value <= _EXACT else "n~"
    return None
