"""The store: values under namespaces.

A namespace is kept as one text in which each element is escaped and ended by U+0001. That text sorts as the tuple does,
a prefix of elements is a range of texts, and no element, whatever its characters, can be mistaken for two.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import islice

import orjson

from dragoman.memory.ids import now_micros
from dragoman.memory.model import Json, StoreItem
from dragoman.memory.sqlite.matching import holds, needle
from dragoman.memory.sqlite.rows import Row, dump_mapping
from dragoman.memory.sqlite.tx import Tx
from dragoman.memory.statements import SQL

__all__ = ["delete_item", "put_item", "read_item", "read_namespaces", "search_items"]

_PUT = SQL["put_item"]
_GET = SQL["get_item"]
_DELETE = SQL["delete_item"]
_UNDER = SQL["items_under"]
_NAMESPACES = SQL["namespaces_under"]

_END = "\x01"
# In this order: the escape character is itself escaped first, and no escape ends in it, so that a pair is always a
# pair. The three keep their order, above the end of an element.
_ESCAPES = (("\x02", "\x02\x05"), ("\x01", "\x02\x04"), ("\x00", "\x02\x03"))
# In SQLite every text is less than any bytes.
_AFTER_ALL = b"\xff"


def _encode(namespace: Sequence[str]) -> str:
    text = ""
    for element in namespace:
        for character, escaped in _ESCAPES:
            element = element.replace(character, escaped)
        text += element + _END
    return text


def _decode(text: str) -> tuple[str, ...]:
    elements: list[str] = []
    for element in text.split(_END)[:-1]:
        for character, escaped in reversed(_ESCAPES):
            element = element.replace(escaped, character)
        elements.append(element)
    return tuple(elements)


def _range(prefix: Sequence[str]) -> tuple[str, str | bytes]:
    start = _encode(prefix)
    # The text after all that begin with ``start``: its last character, the end of an element, made one higher.
    return (start, start[:-1] + "\x02") if start else ("", _AFTER_ALL)


def _item_of(row: Row) -> StoreItem:
    namespace, key, value, created_at, updated_at = row
    return StoreItem(_decode(namespace), key, orjson.loads(value), created_at, updated_at)


def put_item(tx: Tx, tenant: str, namespace: Sequence[str], key: str, value: Mapping[str, Json]) -> StoreItem:
    """See ``Ledger.put_item``."""
    row = tx.execute(_PUT, (tenant, _encode(namespace), key, now_micros(), dump_mapping(value))).fetchone()
    return _item_of(row)


def delete_item(tx: Tx, tenant: str, namespace: Sequence[str], key: str) -> bool:
    """See ``Ledger.delete_item``."""
    return tx.execute(_DELETE, (tenant, _encode(namespace), key)).rowcount == 1


def read_item(db: sqlite3.Connection, tenant: str, namespace: Sequence[str], key: str) -> StoreItem | None:
    """See ``Ledger.get_item``."""
    row = db.execute(_GET, (tenant, _encode(namespace), key)).fetchone()
    return None if row is None else _item_of(row)


def search_items(
    db: sqlite3.Connection,
    tenant: str,
    prefix: Sequence[str],
    filter: Mapping[str, Json] | None,
    limit: int,
    offset: int,
) -> Sequence[StoreItem]:
    """See ``Ledger.search_items``."""
    items = (_item_of(row) for row in db.execute(_UNDER, (tenant, *_range(prefix), needle(filter))))
    return list(islice((item for item in items if holds(item.value, filter)), offset, offset + limit))


def read_namespaces(
    db: sqlite3.Connection,
    tenant: str,
    prefix: Sequence[str],
    suffix: Sequence[str],
    max_depth: int | None,
    limit: int,
    offset: int,
) -> Sequence[tuple[str, ...]]:
    """See ``Ledger.namespaces``. The suffix is that of the whole namespace, before it is cut."""
    wanted = tuple(suffix)
    found: dict[tuple[str, ...], None] = {}
    for (text,) in db.execute(_NAMESPACES, (tenant, *_range(prefix))):
        namespace = _decode(text)
        if not wanted or namespace[-len(wanted) :] == wanted:
            found[namespace[:max_depth]] = None
    return list(islice(found, offset, offset + limit))
