"""Lists of threads: found by one index, tested exactly, and read when they are to be shown.

A filter on metadata or values goes by the pair that the fewest have (``facets``); a status that few threads are in by
those; else the list is walked in its order until the page is full. Where values are not indexed (lists, objects, what
is sealed), each thread that the other conditions leave is looked into.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby, islice
from typing import Any, Final

from dragoman.memory.errors import ThreadNotFound
from dragoman.memory.model import Json, Thread, ThreadStatus
from dragoman.memory.statements import SQL
from dragoman.memory.threads import ThreadFilter, ThreadOrder
from dragoman.memory.verbs import facets, value_index
from dragoman.memory.verbs.matching import holds, needle
from dragoman.memory.verbs.rows import load, thread_of

__all__ = ["count_threads", "read_thread", "read_threads"]

_BY_ID = SQL["thread_by_id"]
_BUSY = SQL["busy_threads"]
_COUNT = SQL["count_threads"]
_DIRECTIONS: Final = (("up", False), ("down", True))
_WALKS: Mapping[tuple[ThreadOrder, bool], str] = {
    (order, down): SQL[f"threads_by_{order}_{name}"]
    for order in (ThreadOrder.CREATED_AT, ThreadOrder.UPDATED_AT, ThreadOrder.THREAD_ID)
    for name, down in _DIRECTIONS
}
_PAGES: Mapping[tuple[ThreadOrder, bool], str] = {
    (order, down): SQL[f"page_by_{order}_{name}"]
    for order in (ThreadOrder.CREATED_AT, ThreadOrder.UPDATED_AT)
    for name, down in _DIRECTIONS
}
_OF_FACET: Mapping[tuple[ThreadOrder, bool], str] = {
    (order, down): SQL[f"threads_of_facet_by_{order}_{name}"]
    for order in (ThreadOrder.CREATED_AT, ThreadOrder.UPDATED_AT, ThreadOrder.THREAD_ID)
    for name, down in _DIRECTIONS
}
_WALKED: Mapping[bool, str] = {down: SQL[f"threads_of_facet_walked_{name}"] for name, down in _DIRECTIONS}
_MANY: Final = 5_000
"""How many may have a pair for all of them to be counted and sorted: for 10,000 that takes a database 10 to 30 ms."""
_AT_ONCE: Final = 32
"""Threads whose values are read together."""
_ATTENTION: Mapping[bool, str] = {down: SQL[f"threads_needing_attention_{name}"] for name, down in _DIRECTIONS}
_RARE: Final = frozenset({ThreadStatus.BUSY, ThreadStatus.INTERRUPTED, ThreadStatus.ERROR})

# id, metadata, updated_at, ordinal, status
_Row = tuple[str, bytes, int, int, str]
_KEYS: Mapping[ThreadOrder, Callable[[_Row], Any]] = {
    ThreadOrder.CREATED_AT: lambda row: row[3],
    ThreadOrder.UPDATED_AT: lambda row: (row[2], row[3]),
    ThreadOrder.THREAD_ID: lambda row: row[0],
    ThreadOrder.STATUS: lambda row: (row[4], row[3]),
}


def read_thread(db: sqlite3.Connection, tenant: str, thread_id: str) -> Thread:
    """See ``Ledger.thread``."""
    row = db.execute(_BY_ID, (tenant, thread_id)).fetchone()
    if row is None:
        raise ThreadNotFound(f"No thread {thread_id!r}.")
    return thread_of(row)


def read_threads(
    db: sqlite3.Connection,
    tenant: str,
    where: ThreadFilter,
    limit: int,
    offset: int,
    order: ThreadOrder,
    descending: bool,
) -> Sequence[Thread]:
    """See ``Ledger.threads``."""
    db.execute("BEGIN")
    try:
        page = _PAGES.get((order, descending))
        if page is not None and where == ThreadFilter():
            return _read_all(db, tenant, [id_ for (id_,) in db.execute(page, (tenant, limit, offset)).fetchall()])
        rows = (row for row in _rows(db, tenant, where, order, descending) if _holds(row, where))
        if where.values:
            with_values = _with_values(db, tenant, rows, where.values, min(limit, _AT_ONCE))
            return list(islice(with_values, offset, offset + limit))
        return _read_all(db, tenant, [row[0] for row in islice(rows, offset, offset + limit)])
    finally:
        db.execute("COMMIT")


def count_threads(db: sqlite3.Connection, tenant: str, where: ThreadFilter) -> int:
    """See ``Ledger.count_threads``."""
    db.execute("BEGIN")
    try:
        if where == ThreadFilter():
            (count,) = db.execute(_COUNT, (tenant,)).fetchone()
            return int(count)
        rows = (row for row in _rows(db, tenant, where, ThreadOrder.CREATED_AT, True) if _holds(row, where))
        return sum(1 for _ in (_with_values(db, tenant, rows, where.values, _AT_ONCE) if where.values else rows))
    finally:
        db.execute("COMMIT")


def _with_values(
    db: sqlite3.Connection, tenant: str, rows: Iterator[_Row], values: Mapping[str, Json], at_once: int
) -> Iterator[Thread]:
    """Those of the threads that have these values."""
    while ids := [row[0] for row in islice(rows, at_once)]:
        yield from (thread for thread in _read_all(db, tenant, ids) if holds(thread.values, values))


def _read_all(db: sqlite3.Connection, tenant: str, ids: Sequence[str]) -> Sequence[Thread]:
    """Threads that are there. All are asked for before the first is read: over a network that is one exchange."""
    asked = [db.execute(_BY_ID, (tenant, id_)) for id_ in ids]
    return [thread_of(answer.fetchone()) for answer in asked]


def _holds(row: _Row, where: ThreadFilter) -> bool:
    return not where.metadata or holds(load(row[1]), where.metadata)


def _rows(
    db: sqlite3.Connection, tenant: str, where: ThreadFilter, order: ThreadOrder, descending: bool
) -> Iterable[_Row]:
    """Candidates in order, by the index that leaves the fewest."""
    status = None if where.status is None else str(where.status)
    tests = (tenant, status, needle(where.metadata), needle(where.values))
    if where.ids is not None:
        return _sorted(_by_ids(db, tenant, where.ids, status), order, descending)
    facet = _facet(db, tenant, where, order)
    if facet is not None and (facet.number < _MANY or order in (ThreadOrder.CREATED_AT, ThreadOrder.UPDATED_AT)):
        return _of_facet(db, facet, where, tests, order, descending)
    if where.status is not None and where.status in _RARE:
        return _in_status(db, where.status, tests, order, descending)
    if order is ThreadOrder.STATUS:
        return _by_status(db, tests, where.status, descending)
    return db.execute(_WALKS[order, descending], tests)


def _facet(db: sqlite3.Connection, tenant: str, where: ThreadFilter, order: ThreadOrder) -> facets.Facet | None:
    """The pair to go by. In the order of their creation all who have one are in its index: no matter how many."""
    by: dict[facets.Kind, Mapping[str, Json] | None] = {"thread": where.metadata}
    if where.values and value_index.is_whole(db, tenant):
        by["value"] = where.values
    return facets.best(db, tenant, by, _MANY, counted_alone=order is not ThreadOrder.CREATED_AT)


def _of_facet(
    db: sqlite3.Connection,
    facet: facets.Facet,
    where: ThreadFilter,
    tests: tuple[Json, ...],
    order: ThreadOrder,
    descending: bool,
) -> Iterable[_Row]:
    """Who has a pair of metadata; who has one of values, or may have."""
    if order is ThreadOrder.STATUS:
        rows = _of_facet(db, facet, where, tests, ThreadOrder.CREATED_AT, descending)
        return _sorted(rows, order, descending)
    walked = facet.number >= _MANY and order is ThreadOrder.UPDATED_AT
    asked = _WALKED[descending] if walked else _OF_FACET[order, descending]
    if facet.kind != "value":
        return _once([db.execute(asked, (*tests, facet.kind, facet.key, facet.value))], order, descending)
    # What the index tells is not looked for in the values.
    rest = {key: value for key, value in (where.values or {}).items() if not key.startswith(facet.key)}
    found = db.execute(asked, (*tests[:3], needle(rest), facet.kind, facet.key, facet.value))
    unread = value_index.UNREAD
    others = db.execute(_OF_FACET[order, descending], (*tests, unread.kind, unread.key, unread.value))
    return _once([found, others], order, descending)


def _once(lists: Sequence[Iterable[_Row]], order: ThreadOrder, descending: bool) -> Iterable[_Row]:
    """Lists in order as one, in which who is in several of them, or in one more than once, is once."""
    key = _KEYS[order]
    together = groupby(merge(*lists, key=key, reverse=descending), key=key)
    return (row for _, rows in together for row in {row[0]: row for row in rows}.values())


def _in_status(
    db: sqlite3.Connection, status: ThreadStatus, tests: tuple[Json, ...], order: ThreadOrder, descending: bool
) -> Iterable[_Row]:
    if status is ThreadStatus.BUSY:
        return _sorted(db.execute(_BUSY, tests), order, descending)
    if order in (ThreadOrder.CREATED_AT, ThreadOrder.STATUS):
        return db.execute(_ATTENTION[descending], tests)
    return _sorted(db.execute(_ATTENTION[descending], tests), order, descending)


def _by_status(
    db: sqlite3.Connection, tests: tuple[Json, ...], only: ThreadStatus | None, descending: bool
) -> Iterator[_Row]:
    """One status after another, each by creation."""
    for status in sorted(ThreadStatus, reverse=descending):
        if only not in (None, status):
            continue
        asked = (tests[0], str(status), *tests[2:])
        if status is ThreadStatus.IDLE:
            yield from db.execute(_WALKS[ThreadOrder.CREATED_AT, descending], asked)
        else:
            yield from _in_status(db, status, asked, ThreadOrder.STATUS, descending)


def _by_ids(db: sqlite3.Connection, tenant: str, ids: Sequence[str], status: str | None) -> Iterator[_Row]:
    for id_ in dict.fromkeys(ids):
        row = db.execute(_BY_ID, (tenant, id_)).fetchone()
        if row is not None and status in (None, row[2]):
            yield row[1], row[4], row[6], row[9], row[2]


def _sorted(rows: Iterable[_Row], order: ThreadOrder, descending: bool) -> Iterable[_Row]:
    return sorted(rows, key=_KEYS[order], reverse=descending)
