"""A ledger's tables as they are, row by row: what a move, an export and an import work on.

Not the ledger: it knows tables and columns and no rule of a run, and nothing is looked after but what is asked for
here. Blocks: not for the event loop. ``sqlite/bulk.py`` and ``postgres/bulk.py`` are the two; ``move.py`` and
``portable/`` use them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Final, Literal, Protocol, TypeVar

__all__ = ["LAST_SEQ", "PIECE", "Bulk", "Numbered", "Row", "pieces"]

T = TypeVar("T")
Row = tuple[Any, ...]
Numbered = Literal["runs", "deliveries", "store_texts"]
"""Tables whose rows get a number of the whole ledger, by which others name them."""

PIECE: Final = 1000
"""Rows that are held at once."""

LAST_SEQ: Final = (
    "(SELECT coalesce(max(e.seq), 0) FROM events AS e WHERE e.tenant = threads.tenant AND e.thread_id = threads.id)"
)
"""The number of a thread's last event, where it has no column."""


class Bulk(Protocol):
    """The tables of one ledger, within one transaction at a time."""

    def reading(self) -> AbstractContextManager[None]:
        """A transaction that sees one moment, and lets others write."""
        ...

    def writing(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """A transaction that lands whole or not at all; ``alone`` lets nobody else write meanwhile. Raises
        ``Conflict`` for a row that is there already, ``InputInvalid`` for a value that cannot be kept."""
        ...

    def tables(self) -> Mapping[str, Sequence[str]]:
        """The columns of each table, but for the database's own (its migrations). ``threads`` has ``last_seq``, kept or
        not; ``store_texts`` has the ``text`` whose words are the index, which is no table here."""
        ...

    def rows(self, table: str, columns: Sequence[str], tenant: str | None = None, order: str = "") -> Iterator[Row]:
        """The rows of a table, of all tenants or of one, as they are asked for. A column may be an expression;
        ``store_items`` has a ``text`` too."""
        ...

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """Add rows, as they come; how many."""
        ...

    def update(self, table: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> int:
        """Change the rows that have these values in these columns; how many. ``store_texts`` has its ``text`` changed
        in the index too."""
        ...

    def ask(self, sql: str, values: Sequence[Any]) -> Any:
        """Run a statement with ``?`` for its parameters; a cursor."""
        ...

    def vacuum(self) -> None:
        """Rewrite the storage, outside of a transaction, so that nothing is left of what was deleted or changed."""
        ...

    def numbers(self, table: Numbered, count: int) -> Sequence[int]:
        """Numbers for rows that will be inserted, in order, that no other row has or gets."""
        ...


def pieces(rows: Iterable[T], size: int = PIECE) -> Iterator[list[T]]:
    """The rows, so many at a time."""
    iterator = iter(rows)
    while piece := list(islice(iterator, size)):
        yield piece
