"""A tenant's rows to lines, as of one moment, while others write."""

from __future__ import annotations

import heapq
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dragoman.memory.blobs import BlobPlace
from dragoman.memory.bulk import LAST_SEQ, Bulk
from dragoman.memory.codec import dumps
from dragoman.memory.errors import DragomanError
from dragoman.memory.ids import now_micros
from dragoman.memory.plain import Plain
from dragoman.memory.portable.kinds import KINDS, LEFT_OUT, Kind
from dragoman.memory.portable.lines import Header, Lines, written
from dragoman.memory.retention import PURGED
from dragoman.memory.sealing import MasterKeys

__all__ = ["check_known", "export_tenant"]

Named = dict[str, Any]

# Columns that are read besides those of the table.
_MORE: Final[Mapping[str, Mapping[str, str]]] = {
    "deliveries": {"secret": "(SELECT s.secret FROM delivery_secrets AS s WHERE s.delivery = deliveries.ordinal)"},
    "store_items": {"text": "text"},
}


def export_tenant(
    source: Bulk, tenant: str, path: Path, masters: MasterKeys | None = None, blobs: BlobPlace | None = None
) -> Mapping[str, int]:
    """Write all that a tenant has to a file; how many rows of each kind. ``masters`` open what is sealed,
    ``blobs`` is where large values are.

    Raises ``Conflict`` when the file is there, ``MasterKeyMissing``, and ``DragomanError`` when there is nothing or a
    table is not known.
    """
    with source.reading():
        tables = source.tables()
        check_known(tables)
        plain = Plain(source, masters, blobs)
        with written(path, Header(tenant, now_micros())) as lines:
            for kind, about in KINDS.items():
                for row in _rows(source, kind, about, tables[kind], tenant):
                    lines.add(kind, _told(kind, about, plain.opened(kind, row)))
            _check_any(lines, tenant)
            return dict(lines.rows)


def check_known(tables: Mapping[str, object]) -> None:
    """Raises ``DragomanError`` for a table of which nobody has said what becomes of it."""
    if unknown := set(tables) - set(KINDS) - set(LEFT_OUT):
        raise DragomanError(f"The ledger has tables that no export knows: {', '.join(sorted(unknown))}.")


def _check_any(lines: Lines, tenant: str) -> None:
    if not lines.rows:
        raise DragomanError(f"There is nothing of a tenant {tenant!r}.")


def _rows(source: Bulk, kind: str, about: Kind, columns: Any, tenant: str) -> Iterator[Named]:
    """The rows as they are kept, all columns of them."""
    more = _MORE.get(kind, {})
    names = [*columns, *more]
    rows = source.rows(kind, [*columns, *more.values()], tenant, about.order)
    found = (dict(zip(names, row, strict=True)) for row in rows)
    if kind == "events":
        gone = _purged(source, tenant, names)
        return heapq.merge(found, gone, key=lambda row: (row["thread_id"], row["seq"]))
    return _ranked(source, tenant, found) if kind == "dead_letters" else found


def _purged(source: Bulk, tenant: str, names: list[str]) -> Iterator[Named]:
    """An event for each log whose end is gone, so that its numbers go on where they were."""
    columns = ("id", "last_seq", LAST_SEQ, "updated_at")
    for thread, last, there, at in source.rows("threads", columns, tenant, "id"):
        if last > there:
            row = {"thread_id": thread, "seq": last, "run_id": "", "type": PURGED, "at": at}
            yield {**dict.fromkeys(names), **row, "tenant": tenant, "data": dumps({"through": last})}


def _ranked(source: Bulk, tenant: str, letters: Iterator[Named]) -> Iterator[Named]:
    """Dead letters with their deliveries named by their place in the file, from 0."""
    ordinals = [ordinal for (ordinal,) in source.rows("deliveries", ("ordinal",), tenant, "ordinal")]
    for letter in letters:
        yield {**letter, "delivery_place": bisect_left(ordinals, letter["delivery"])}


def _told(kind: str, about: Kind, row: Named) -> Named:
    """A row as its line has it: its columns by name, those that are NULL not at all."""
    left_out = {"tenant", *about.omitted, *(("delivery",) if kind == "dead_letters" else ())}
    told: Named = {}
    for name in sorted(row):
        value = row[name]
        if name in left_out or value is None:
            continue
        told[name] = b64encode(value).decode() if name in about.binary else value
        if type(told[name]) is bytes and name not in about.json:
            raise DragomanError(f"{kind}.{name} holds bytes, and no export knows what they are.")
    return told
