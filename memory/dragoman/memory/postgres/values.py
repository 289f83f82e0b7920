"""Parameters that mean something to SQLite alone, in a form that Postgres takes: words for its text index, and the end
of all texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from dragoman.memory.codec import dumps
from dragoman.memory.words import words_of

__all__ = ["shaped"]

Values = tuple[Any, ...]

_QUOTED = re.compile(r'"(\w+)"')
_AFTER_ALL: Final = "\U0010ffff"


def shaped(name: str, values: Values) -> Values:
    """The parameters of a shared statement."""
    shape = _SHAPES.get(name)
    return values if shape is None else shape(values)


def _range(values: Values) -> Values:
    """An end that is no text is after all texts."""
    return (*values[:2], _AFTER_ALL if isinstance(values[2], bytes) else values[2], *values[3:])


def _query(values: Values) -> Values:
    """The words that a query for SQLite's index quotes."""
    *where, match, limit = _range(values)
    return (*where, _array(" ".join(_QUOTED.findall(match))), limit)


def _words(values: Values) -> Values:
    """A text with its words in place of the tenant's, which the row of the item tells."""
    known, _, text = values
    plain = text.replace("\x00", " ")
    return known, plain, _array(plain)


def _array(text: str) -> str:
    return dumps(list(dict.fromkeys(words_of(text)))).decode()


_SHAPES: Final[Mapping[str, Callable[[Values], Values]]] = {
    "items_under": _range,
    "namespaces_under": _range,
    "items_with_words": _query,
    "put_item_words": _words,
}
