"""Others' rows that name a person, without the name: in their values, which nothing goes by, and never in their ids.

Rows of threads with an active run stay as they are: a run that finds its journal changed does not go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from dragoman.memory.blobs import BlobPlace
from dragoman.memory.bulk import Bulk
from dragoman.memory.codec import dumps
from dragoman.memory.erasure.finding import KEYS, Mention
from dragoman.memory.erasure.person import Person
from dragoman.memory.plain import Plain
from dragoman.memory.portable.kinds import KINDS
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.verbs.facets import Facet, facets_of

__all__ = ["redact"]

Named = dict[str, Any]

_TEXTS: Final[Mapping[str, frozenset[str]]] = {
    "runs": frozenset({"cancel_reason"}),
    "interrupts": frozenset({"message", "answered_by"}),
    "artifacts": frozenset({"name"}),
    "deliveries": frozenset({"error"}),
    "dead_letters": frozenset({"error"}),
    "assistants": frozenset({"name", "folded"}),
    "assistant_versions": frozenset({"name", "description"}),
    "store_texts": frozenset({"text"}),
    "facets": frozenset({"key", "value"}),
}
"""Texts that are for people, and those that are made of them."""

_THREAD: Final = "SELECT ordinal, checkpoint FROM threads WHERE tenant = ? AND id = ?"
_DROP_PAIR: Final = (
    "DELETE FROM facets WHERE tenant = ? AND kind = 'value' AND key = ? AND value = ? AND ordinal = ? AND id = ?"
)
_FACETS: Final = ("tenant", "kind", "key", "value", "ordinal", "id")


def redact(
    bulk: Bulk,
    tenant: str,
    person: Person,
    mentions: Sequence[Mention],
    masters: MasterKeys | None = None,
    blobs: BlobPlace | None = None,
) -> tuple[int, list[Mention]]:
    """Take the name out, within a writing transaction of ``bulk``; how many rows were changed, and what was left as it
    is: rows of active runs, and names in ids, addresses and bytes that are no text."""
    plain = Plain(bulk, masters, blobs)
    changed, left = 0, list[Mention]()
    for table in dict.fromkeys(mention.table for mention in mentions):
        wanted = {mention.key: mention for mention in mentions if mention.table == table}
        # The rows first: nothing is changed under a list that is being read.
        rows = [row for row in _rows(bulk, table, tenant) if tuple(row[part] for part in KEYS[table]) in wanted]
        for row in rows:
            mention = wanted[tuple(row[part] for part in KEYS[table])]
            new, rest = _without(person, plain, mention, row)
            if new:
                key = {"tenant": tenant, **dict(zip(KEYS[table], mention.key, strict=True))}
                changed += bulk.update(table, key, new)
                if table == "store_items" and masters is not None:
                    _index_anew(bulk, plain, {**row, **new})
                if table == "checkpoints":
                    _index_values(bulk, plain, row, new, masters is not None)
            if rest:
                left.append(mention._replace(columns=rest))
    return changed, left


def _index_anew(bulk: Bulk, plain: Plain, item: Named) -> None:
    """Where words are hidden the index does not tell that the name is among them: those of the new value stay."""
    place = item["namespace"], item["key"]
    for id, *found in bulk.rows("store_texts", ("id", "namespace", "key"), item["tenant"]):
        if tuple(found) == place and item["text"] is not None:
            text = {"tenant": item["tenant"], "text": plain.opened("store_items", item)["text"]}
            bulk.update(
                "store_texts", {"tenant": item["tenant"], "id": id}, {"text": plain.sealed("store_texts", text)["text"]}
            )
            return


def _index_values(bulk: Bulk, plain: Plain, row: Named, new: Named, sealed: bool) -> None:
    """What is indexed of a thread's newest values is made of them as they are now; of sealed ones nothing is."""
    tenant, thread = row["tenant"], row["thread_id"]
    ordinal, newest = bulk.ask(_THREAD, (tenant, thread)).fetchone()
    if newest != row["number"]:
        return
    had, has = _pairs(plain, row), _pairs(plain, {**row, **new})
    for pair in had - has:
        bulk.ask(_DROP_PAIR, (tenant, pair.key, pair.value, ordinal, thread))
    if not sealed:
        bulk.insert("facets", _FACETS, [(tenant, p.kind, p.key, p.value, ordinal, thread) for p in has - had])


def _pairs(plain: Plain, row: Named) -> set[Facet]:
    return set(facets_of(orjson.loads(plain.opened("checkpoints", row)["content"]), "value"))


def _rows(bulk: Bulk, table: str, tenant: str) -> Iterable[Named]:
    names = [*bulk.tables()[table], *(("text",) if table == "store_items" else ())]
    return (dict(zip(names, row, strict=True)) for row in bulk.rows(table, names, tenant))


def _without(person: Person, plain: Plain, mention: Mention, kept: Named) -> tuple[Named, tuple[str, ...]]:
    """The columns that are to be changed, as they are to be kept; and those that name them all the same."""
    if mention.held:
        return {}, mention.columns
    table = mention.table
    opened = plain.opened(table, kept)
    erased = {column: _one(person, table, column, opened[column]) for column in mention.columns}
    new = {column: value for column, value in erased.items() if value not in (None, opened[column])}
    sealed = plain.sealed(table, {**opened, **new})
    rest = tuple(column for column in mention.columns if column not in new or person.named_in(new[column]))
    return {column: sealed[column] for column in new}, rest


def _one(person: Person, table: str, column: str, value: Any) -> Any:
    """The value without the name; None where it cannot be without."""
    about = KINDS.get(table)
    if (about is not None and column in about.json) or (table, column) == ("delivery_secrets", "secret"):
        if table == "checkpoints" and value[:1] == b"[":
            return None  # a difference: it means something else when what it is applied to has changed
        return dumps(person.erased_json(orjson.loads(value)))
    if about is not None and column in about.binary:
        return _bytes(person, value)
    if column not in _TEXTS.get(table, ()):
        return None
    if (table, column) == ("facets", "value"):
        return value[0] + person.erased(value[1:])
    return person.erased(value)


def _bytes(person: Person, value: bytes) -> bytes | None:
    try:
        return person.erased(value.decode()).encode()
    except UnicodeDecodeError:
        return None
