"""The store: values under namespaces.

A namespace is kept as one text in which each element is escaped and ended by U+0001. That text sorts as the tuple does,
a prefix of elements is a range of texts, and no element, whatever its characters, can be mistaken for two.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import orjson

from dragoman.memory.filters import fits, plain_pairs
from dragoman.memory.ids import now_micros
from dragoman.memory.model import Json, StoreItem
from dragoman.memory.statements import SQL
from dragoman.memory.store import Indexed
from dragoman.memory.verbs.matching import needle
from dragoman.memory.verbs.rows import Row, dump_mapping
from dragoman.memory.verbs.tx import Tx
from dragoman.memory.words import scores, text_of, words_of

__all__ = [
    "decoded",
    "delete_item",
    "put_item",
    "read_item",
    "read_namespaces",
    "refresh_items",
    "search_items",
    "sweep_items",
    "tenant_word",
]

_PUT = SQL["put_item"]
_GET = SQL["get_item"]
_REFRESH = SQL["refresh_item"]
_DELETE = SQL["delete_item"]
_WITH_WORDS = SQL["items_with_words"]
_PUT_TEXT = SQL["put_item_text"]
_PUT_WORDS = SQL["put_item_words"]
_DELETE_WORDS = SQL["delete_item_words"]
_DELETE_TEXT = SQL["delete_item_text"]
_EXPIRED = SQL["expired_items"]
_UNDER = SQL["items_under"]
_NAMESPACES = SQL["namespaces_under"]

_WORD = re.compile(r"\w+")
_MOST_WORDS = 32
# What is ranked of a query that finds more.
_MOST_FOUND = 2000
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


def decoded(text: str) -> tuple[str, ...]:
    """A namespace from the text that it is kept as."""
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


def _item_of(row: Row, score: float | None = None) -> StoreItem:
    namespace, key, value, created_at, updated_at = row[:5]
    return StoreItem(decoded(namespace), key, orjson.loads(value), created_at, updated_at, score)


# -- changing ---------------------------------------------------------------------------------------------------------
def put_item(
    tx: Tx,
    tenant: str,
    namespace: Sequence[str],
    key: str,
    value: Mapping[str, Json],
    ttl_s: float | None,
    index: Indexed,
) -> StoreItem:
    """See ``StoreLedger.put_item``."""
    place = (tenant, _encode(namespace), key)
    ttl = None if ttl_s is None else int(ttl_s * 1e6)
    row = tx.execute(_PUT, (*place, now_micros(), dump_mapping(value), ttl)).fetchone()
    (known,) = tx.execute(_PUT_TEXT, place).fetchone()
    tx.execute(_DELETE_WORDS, (known,))
    if text := text_of(value, index):
        tx.execute(_PUT_WORDS, (known, tenant_word(tenant), text))
    return _item_of(row)


def refresh_items(tx: Tx, tenant: str, places: Sequence[tuple[Sequence[str], str]]) -> None:
    """Give items that expire all of their time again."""
    now = now_micros()
    # In one order, whatever order they were found in: two who each have locked what the other wants next wait for ever.
    for namespace, key in sorted((_encode(namespace), key) for namespace, key in places):
        tx.execute(_REFRESH, (tenant, namespace, key, now))


def delete_item(tx: Tx, tenant: str, namespace: Sequence[str], key: str) -> bool:
    """See ``StoreLedger.delete_item``."""
    expires_at = _delete(tx, (tenant, _encode(namespace), key))
    return expires_at is None or expires_at > now_micros()


def sweep_items(tx: Tx, limit: int) -> int:
    """See ``StoreLedger.sweep_items``."""
    places: list[tuple[str, str, str]] = tx.execute(_EXPIRED, (now_micros(), limit)).fetchall()
    for place in places:
        _delete(tx, place)
    return len(places)


def _delete(tx: Tx, place: tuple[str, str, str]) -> int | None:
    """Until when the item would have been; 0 for one that was not there."""
    row = tx.execute(_DELETE, place).fetchone()  # first, as who puts it: both lock it before its text
    for (known,) in tx.execute(_DELETE_TEXT, place).fetchall():
        tx.execute(_DELETE_WORDS, (known,))
    return 0 if row is None else row[0]


# -- reading ----------------------------------------------------------------------------------------------------------
def read_item(db: sqlite3.Connection, tenant: str, namespace: Sequence[str], key: str) -> tuple[StoreItem | None, bool]:
    """See ``StoreLedger.get_item``; and whether the item expires."""
    row = db.execute(_GET, (tenant, _encode(namespace), key, now_micros())).fetchone()
    return (None, False) if row is None else (_item_of(row), row[5] is not None)


def search_items(
    db: sqlite3.Connection,
    tenant: str,
    prefix: Sequence[str],
    filter: Mapping[str, Json] | None,
    limit: int,
    offset: int,
    query: str | None,
) -> tuple[Sequence[StoreItem], Sequence[tuple[Sequence[str], str]]]:
    """See ``StoreLedger.search_items``; and the places of those that expire."""
    where = (tenant, *_range(prefix), now_micros())
    ranked: Iterator[tuple[StoreItem, bool]]
    if query is None:
        rows = db.execute(_UNDER, (*where, needle(plain_pairs(filter))))
        ranked = ((_item_of(row), row[5] is not None) for row in rows)
    else:
        ranked = _ranked(db, where, query)
    page = list(islice((one for one in ranked if fits(one[0].value, filter)), offset, offset + limit))
    return [item for item, _ in page], [(item.namespace, item.key) for item, expires in page if expires]


def _ranked(db: sqlite3.Connection, where: Row, query: str) -> Iterator[tuple[StoreItem, bool]]:
    """The items with any of the words, the best first."""
    given = list(dict.fromkeys(_WORD.findall(query)))[:_MOST_WORDS]
    if not given:
        return
    words, wanted = words_of(" ".join(given)), " OR ".join(f'"{word}"' for word in given)
    match = f"tenant : {tenant_word(where[0])} AND text : ({wanted})"
    rows = db.execute(_WITH_WORDS, (*where, match, _MOST_FOUND)).fetchall()
    found = scores(words, [row[6] for row in rows])
    for score, row in sorted(zip(found, rows, strict=True), key=lambda one: (-one[0], one[1][0], one[1][1])):
        yield _item_of(row, score), row[5] is not None


def tenant_word(tenant: str) -> str:
    """A tenant as one word of letters and digits, as the embedded index of words has it."""
    return "t" + tenant.encode().hex()


def read_namespaces(
    db: sqlite3.Connection,
    tenant: str,
    prefix: Sequence[str],
    suffix: Sequence[str],
    max_depth: int | None,
    limit: int,
    offset: int,
) -> Sequence[tuple[str, ...]]:
    """See ``StoreLedger.namespaces``. The suffix is that of the whole namespace, before it is cut."""
    wanted = tuple(suffix)
    found: dict[tuple[str, ...], None] = {}
    for (text,) in db.execute(_NAMESPACES, (tenant, *_range(prefix), now_micros())):
        namespace = decoded(text)
        if not wanted or namespace[-len(wanted) :] == wanted:
            found[namespace[:max_depth]] = None
    return list(islice(found, offset, offset + limit))
