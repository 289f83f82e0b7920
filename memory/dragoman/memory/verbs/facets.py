"""Pairs by which lists are searched: a row for each top-level one whose value is no list and no object, of the
metadata of threads and runs and of the values of threads.

A search goes by the pair that the fewest have, and tests the rest exactly: the index tells texts by their first 128
characters and numbers by their whole part. A thread or run without metadata, which is most of them, has no rows for it.
When values are indexed is in ``value_index``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Final, Literal, NamedTuple

from dragoman.memory.codec import dumps
from dragoman.memory.model import Json
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.keys import Executes
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.rows import load
from dragoman.memory.verbs.tx import Tx

__all__ = ["FEW", "Facet", "add", "best", "drop", "facets_of"]

Kind = Literal["thread", "run", "value", "unread"]
"""Metadata of threads, metadata of runs, values of threads, and threads whose values are not indexed."""

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
    """A pair as the index has it; ``number`` is how many have it, up to as many as were counted."""

    key: str
    value: str
    number: int = FEW
    kind: Kind = "thread"


def add(tx: Tx, tenant: str, kind: Kind, pairs: Mapping[str, Json], ordinal: int, id: str = "") -> None:
    """Index the pairs of something new."""
    for facet in facets_of(pairs, kind):
        tx.later(_INSERT, (tenant, kind, facet.key, facet.value, ordinal, id))


def drop(tx: Tx, tenant: str, kind: Kind, metadata: Mapping[str, Json], ordinal: int) -> None:
    """Forget what was indexed of it."""
    for facet in facets_of(metadata):
        tx.execute(_DELETE, (tenant, kind, facet.key, facet.value, ordinal))


def best(
    db: Executes,
    tenant: str,
    wanted: Mapping[Kind, Mapping[str, Json] | None],
    most: int = FEW,
    *,
    counted_alone: bool = True,
) -> Facet | None:
    """The pair of the filters on these kinds that the fewest have, counted up to ``most``, unless it is the only one
    and need not be; None where none is indexed."""
    pairs = [facet for kind, filtered in wanted.items() for facet in facets_of(filtered or {}, kind)]
    if len(pairs) == 1 and not counted_alone:
        return pairs[0]
    # All are asked for before the first is read: over a network that is one exchange.
    asked = [db.execute(_COUNT, (tenant, facet.kind, facet.key, facet.value, most)) for facet in pairs]
    counted = [facet._replace(number=count.fetchone()[0]) for facet, count in zip(pairs, asked, strict=True)]
    return min(counted, key=lambda facet: facet.number, default=None)


def facets_of(pairs: Mapping[str, Json], kind: Kind = "thread") -> list[Facet]:
    """Distinct ones: two keys may begin alike. Those of values end at a NUL, which Postgres keeps in no text."""
    found = {
        (key[:_LONGEST], value)
        for key, given in pairs.items()
        if key not in _NEVER and (value := _written(given)) is not None
    }
    if kind == "value":
        found = {(_before_nul(key), _before_nul(value)) for key, value in found}
    return [Facet(key, value, FEW, kind) for key, value in found]


def _before_nul(text: str) -> str:
    return text.partition("\x00")[0] if "\x00" in text else text


def _written(value: Json) -> str | None:
    """Equal for values that are equal; None for what is not indexed."""
    if isinstance(value, str):
        return f"s{value[:_LONGEST]}"
    if isinstance(value, bool):
        return "b1" if value else "b0"
    if value is None:
        return "z"
    if isinstance(value, int | float):
        return _number(value)
    # What is no JSON yet is found by what it is kept as.
    return None if isinstance(value, dict | list) else _written(load(dumps(value)))


def _number(value: float) -> str:
    if isinstance(value, float) and not isfinite(value):
        return "z"  # it is kept as null
    return f"n{int(value)}" if -_EXACT <= value <= _EXACT else "n~"
