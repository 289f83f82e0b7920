"""The index of threads' values: which threads have a top-level pair now, as ``facets`` has it of metadata.

Written where a thread's newest checkpoint is another than before, and only what differs: values of which nothing has
changed but lists and objects cost no statement. Nothing of sealed values is in it; of a tenant who has a data key it is
not asked, for what was sealed since is not in it. Threads whose values could not be read when the index was made (they
are in a blob) are marked, and every search looks into them. Above: the thread's log, the verbs that make, copy and
delete threads, and ``thread_lists``, which reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman.memory.codec import dumps
from dragoman.memory.model import Json
from dragoman.memory.statements import SQL
from dragoman.memory.verbs import facets
from dragoman.memory.verbs.facets import Facet
from dragoman.memory.verbs.keys import Executes
from dragoman.memory.verbs.tx import Tx

__all__ = ["UNREAD", "add_values", "drop_values", "is_whole", "move_values"]

UNREAD: Final = Facet("", "", 0, "unread")
"""The mark of a thread whose values could not be read."""

_ADD = SQL["add_thread_value"]
_ADD_ALL = SQL["add_thread_values"]
_DROP = SQL["drop_thread_value"]
_DROP_ALL = SQL["drop_thread_values"]
_ONE_BY_ONE: Final = 3
_UNMARK = SQL["delete_facet"]
_HAS_KEY = SQL["has_data_key"]
_ABSENT: Final = object()
_WITHIN: Final = frozenset((list, dict))


def add_values(tx: Tx, tenant: str, thread_id: str, values: Mapping[str, Json], ordinal: int) -> None:
    """Index the values of a new thread."""
    for value in values.values():
        if type(value) not in _WITHIN:  # most new threads have messages alone
            if tx.in_plain:
                facets.add(tx, tenant, "value", values, ordinal, thread_id)
            return


def move_values(tx: Tx, tenant: str, thread_id: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    """Index what a thread's values are now, which were ``old``."""
    if not _may_differ(old, new):
        return
    had, has = _pairs(old), _pairs(new)
    if gone := had - has:  # also where values are sealed: what they were before may be there
        _each(tx, _DROP, _DROP_ALL, tenant, thread_id, gone)
    if (come := has - had) and tx.in_plain:
        _each(tx, _ADD, _ADD_ALL, tenant, thread_id, come)


def drop_values(tx: Tx, tenant: str, thread_id: str, values: Mapping[str, Json], ordinal: int) -> None:
    """Forget what is indexed of a thread, which is still there."""
    if had := _pairs(values):
        _each(tx, _DROP, _DROP_ALL, tenant, thread_id, had)
    tx.execute(_UNMARK, (tenant, UNREAD.kind, UNREAD.key, UNREAD.value, ordinal))


def is_whole(db: Executes, tenant: str) -> bool:
    """Whether each of a tenant's threads is in the index or marked."""
    return db.execute(_HAS_KEY, (tenant,)).fetchone() is None


def _may_differ(old: Mapping[str, Json], new: Mapping[str, Json]) -> bool:
    """False where nothing has changed but lists and objects, which is told without a look at their contents."""
    for key, value in new.items():
        known = old.get(key, _ABSENT)
        if known is value:
            continue
        if type(value) is not type(known) or (type(value) not in _WITHIN and known != value):
            return True
    return not old.keys() <= new.keys()


def _pairs(values: Mapping[str, Json]) -> set[Facet]:
    return set(facets.facets_of(values, "value"))


def _each(tx: Tx, one: str, several: str, tenant: str, thread_id: str, pairs: set[Facet]) -> None:
    if len(pairs) > _ONE_BY_ONE:
        tx.execute(several, (tenant, thread_id, dumps([(pair.key, pair.value) for pair in pairs]).decode()))
        return
    for pair in pairs:
        tx.execute(one, (tenant, thread_id, pair.key, pair.value))
