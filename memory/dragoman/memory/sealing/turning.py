"""What is there already, turned over while servers work: rows from before sealing was on, values under an older data
key, data keys under an older master key. In small pieces, each a transaction of its own.

Plain functions of what runs a statement, for both ledgers; ``?1`` marks parameters. Below: ``cells``. Above: each
ledger's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from dragoman.memory.errors import Conflict
from dragoman.memory.sealing.cells import Cells
from dragoman.memory.sealing.data_keys import Ask, Keyring
from dragoman.memory.sealing.errors import Unreadable
from dragoman.memory.sealing.master_keys import MasterKeys
from dragoman.memory.sealing.references import BLOB, BLOBBED, BLOBS_UNNAMED, References
from dragoman.memory.sealing.tables import TABLES, Table
from dragoman.memory.sealing.wholeness import is_whole
from dragoman.memory.sealing.words import are_hidden
from dragoman.memory.statements import SQL

__all__ = [
    "LIMIT",
    "After",
    "Piece",
    "Sealing",
    "forget_values",
    "new_data_keys",
    "rewrap",
    "seal_rows",
    "seal_words",
    "tables",
]

LIMIT: Final = 200
"""Rows of a piece."""

_UNDER_OTHERS: Final = SQL["data_keys_under_others"]
_REWRAP: Final = SQL["rewrap_data_key"]
_NEWEST_AFTER: Final = SQL["newest_data_keys_after"]
_TEXTS: Final = SQL["texts_after"]
_DROP_WORDS: Final = SQL["delete_item_words"]
_PUT_WORDS: Final = SQL["put_item_words"]
_FACETS: Final = "SELECT tenant, kind, key, value, ordinal, id FROM facets"
_FACETS_ORDER: Final = f"ORDER BY tenant, kind, key, value, ordinal, id LIMIT {LIMIT}"
_DROP_FACET: Final = SQL["delete_facet"]


After: TypeAlias = tuple[Any, ...] | None
"""What the last piece ended with, None for the first."""


class Piece(NamedTuple):
    """What the next piece comes after, None after the last; and how many rows of this one were turned over."""

    after: After
    turned: int


class Sealing(Protocol):
    """The sealing of one ledger, from outside of a server. Blocks. Each method raises ``MasterKeyMissing`` and
    ``LedgerBusy``."""

    def used(self) -> Mapping[str, int]:
        """How many data keys each master key wraps, by its id."""
        ...

    def rewrap(self) -> int:
        """See ``rewrap``."""
        ...

    def new_data_keys(self, before: int, after: After) -> Piece:
        """See ``new_data_keys``."""
        ...

    def seal_rows(self, table: str, after: After) -> Piece:
        """See ``seal_rows``."""
        ...

    def seal_words(self, after: After) -> Piece:
        """See ``seal_words``."""
        ...

    def forget_values(self, after: After) -> Piece:
        """See ``forget_values``."""
        ...

    def make_whole(self) -> int:
        """See ``wholeness.make_whole``."""
        ...

    def vacuum(self) -> None:
        """Rewrite the storage, so that nothing is left of what was deleted in it. Servers wait meanwhile."""
        ...


class _Texts(NamedTuple):
    first: str
    next: str
    update: str
    named: tuple[int, ...]
    columns: tuple[str, ...]


def tables() -> tuple[str, ...]:
    """The tables that hold what is sealed."""
    return tuple(TABLES)


def rewrap(ask: Ask, masters: MasterKeys) -> int:
    """Put some data keys under the first master key; how many there were. Raises ``MasterKeyMissing``."""
    rows = ask(_UNDER_OTHERS, (masters.first, LIMIT)).fetchall()
    for tenant, number, master, wrapped in rows:
        key, whole = masters.unwrap(wrapped, master, tenant, number)
        ask(_REWRAP, (masters.first, masters.wrap(key, tenant, number, whole=whole), tenant, number, master))
    return len(rows)


def new_data_keys(ask: Ask, masters: MasterKeys, before: int, after: After) -> Piece:
    """A new data key for some of the tenants whose newest was made before a time (microseconds)."""
    rows = ask(_NEWEST_AFTER, (after[0] if after else "", before, LIMIT)).fetchall()
    keys = Keyring(masters, whole=is_whole(ask))
    made = sum(keys.make(tenant, number + 1, ask) is not None for tenant, number in rows)
    return Piece((rows[-1][0],) if len(rows) == LIMIT else None, made)


def seal_rows(
    ask: Ask, cells: Cells, references: References | None, name: str, after: After, *, lock: str = ""
) -> Piece:
    """Seal some rows of a table, in the order of its primary key, and again what an older data key seals; blobs that
    they refer to, too. ``lock`` is what keeps the rows from changing meanwhile. Raises ``BlobsWanted``; ``Conflict``
    for a blob without ``references``."""
    table, texts = TABLES[name], _TEXTS_OF[name]
    limit = f"LIMIT {LIMIT}{lock}"
    rows = ask(f"{texts.next} {limit}", after).fetchall() if after else ask(f"{texts.first} {limit}", ()).fetchall()
    primary, turned = table.primary or table.key, 0
    for row in rows:
        changed = dict(_changed(cells, references, name, table, texts, row))
        if changed:
            turned += 1
            values = [changed.get(at, row[at]) for at, _ in enumerate(texts.columns, len(primary))]
            ask(texts.update, (*values, *row[: len(primary)]))
    return Piece(tuple(rows[-1][: len(primary)]) if len(rows) == LIMIT else None, turned)


def _changed(
    cells: Cells, references: References | None, name: str, table: Table, texts: _Texts, row: Sequence[Any]
) -> Iterator[tuple[int, bytes | str]]:
    start = len(table.primary or table.key)
    key = [row[at] for at in texts.named]
    for at, column in enumerate(texts.columns, start):
        text, prefix = column in table.texts, f"{name}|{column}|"
        if (new := _turned(cells, references, row[at], prefix, key, text)) is not None:
            yield at, new


def _turned(
    cells: Cells, references: References | None, value: Any, prefix: str, key: Sequence[Any], text: bool
) -> bytes | str | None:
    try:
        if prefix not in BLOBBED or value is None or not value.startswith(BLOB):
            return cells.turned(value, prefix, key, text)
        if references is None:
            raise Conflict(BLOBS_UNNAMED)
        return references.turned(value, prefix, key)
    except Unreadable:  # who reads it is told
        return None


def seal_words(ask: Ask, cells: Cells, after: After) -> Piece:
    """Hide the words of some texts of the full-text index."""
    rows = ask(_TEXTS, (after[0] if after else 0, LIMIT)).fetchall()
    turned = 0
    for known, tenant, text in rows:
        if not are_hidden(text):
            turned += 1
            ask(_DROP_WORDS, (known,))
            ask(_PUT_WORDS, (known, f"t{tenant.encode().hex()}", cells.words.hidden(tenant, text)))
    return Piece((rows[-1][0],) if len(rows) == LIMIT else None, turned)


def forget_values(ask: Ask, after: After) -> Piece:
    """Take what is indexed of threads' values out of some of the index: there it stands in plain. Searches of a tenant
    who has a data key do without."""
    where = "" if after is None else "WHERE (tenant, kind, key, value, ordinal, id) > (?1, ?2, ?3, ?4, ?5, ?6) "
    rows = ask(f"{_FACETS} {where}{_FACETS_ORDER}", after or ()).fetchall()
    gone = [row[:5] for row in rows if row[1] == "value"]
    for row in gone:
        ask(_DROP_FACET, row)
    return Piece(tuple(rows[-1]) if len(rows) == LIMIT else None, len(gone))


def _texts(name: str, table: Table) -> _Texts:
    primary, columns = table.primary or table.key, (*table.columns, *table.texts)
    asked = (*primary, *columns, *(table.key if table.primary else ()))
    names, width = ", ".join(primary), len(columns)
    select = f"SELECT {', '.join(asked)} FROM {name}"
    places = ", ".join(f"?{n}" for n, _ in enumerate(primary, 1))
    assigned = ", ".join(f"{column} = ?{n}" for n, column in enumerate(columns, 1))
    where = " AND ".join(f"{part} = ?{width + n}" for n, part in enumerate(primary, 1))
    named = tuple(range(len(primary) + width, len(asked))) if table.primary else tuple(range(len(primary)))
    return _Texts(
        f"{select} ORDER BY {names}",
        f"{select} WHERE ({names}) > ({places}) ORDER BY {names}",
        f"UPDATE {name} SET {assigned} WHERE {where}",
        named,
        columns,
    )


_TEXTS_OF: Final[Mapping[str, _Texts]] = {name: _texts(name, table) for name, table in TABLES.items()}
