"""Statements run with their parameters sealed and large ones put aside, and their rows opened as they are read.

One row that cannot be read must not hold up the others: a list of work is given without it, a list that is shown tells
it in the place of the value, and what reads the row itself is told ``Unreadable``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from dragoman.memory.blobs.aside import Blobs, BlobsWanted, Name
from dragoman.memory.codec import dumps
from dragoman.memory.sealing.cells import Cells
from dragoman.memory.sealing.data_keys import Ask, Keyring
from dragoman.memory.sealing.errors import Unreadable
from dragoman.memory.sealing.places import Place, places
from dragoman.memory.sealing.references import BLOB, References
from dragoman.memory.sealing.words import FOUND, KEPT, shown
from dragoman.memory.statements import SQL

__all__ = ["Opened", "Statements"]

Run = Callable[[str, Any], Any]

_WORK: Final = frozenset(
    SQL[name] for name in ("due_crons", "due_deliveries", "runs_with_overdue_lease", "runs_with_expired_interrupt")
)
_SHOWN: Final = frozenset(
    sql
    for name, sql in SQL.items()
    if name.startswith(("assistants_by_", "assistant_versions", "deliveries_", "dead_letters_", "items_"))
    or ("runs_" in name and name.endswith("_before"))
)
_AT_ONCE: Final = 200  # rows
_NO_VALUE: Final = ("runs|setup|", "deliveries|options|")


class Opened:
    """A cursor whose rows are opened when they are looked at."""

    __slots__ = ("_cursor", "_of", "_parameters", "_place", "_sql", "_words")

    def __init__(
        self, cursor: Any, of: Statements, sql: str, place: Place, parameters: Sequence[Any], words: Mapping[str, str]
    ) -> None:
        self._cursor = cursor
        self._of = of
        self._sql = sql
        self._place = place
        self._parameters = parameters
        self._words = words

    @property
    def rowcount(self) -> int:
        """How many rows were touched."""
        count: int = self._cursor.rowcount
        return count

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row. Raises ``Unreadable``."""
        row = self._cursor.fetchone()
        return None if row is None else self._of.row(self._place, self._parameters, row)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows that are left."""
        return list(self)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        rows = iter(self._cursor)
        for row in rows:
            try:
                found = self._of.row(self._place, self._parameters, row)
            except Unreadable as error:
                if self._sql in _WORK:
                    continue
                if self._sql not in _SHOWN or error.row is None:
                    raise
                found = _told(self._place, row, error)
            except BlobsWanted as wanted:
                raise BlobsWanted({}, (*wanted.get, *self._also(rows)), wanted.key) from None
            yield shown(found, self._words) if self._words else found

    def _also(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[Name]:
        """What the next rows want, so that it is got at once."""
        for row in islice(rows, _AT_ONCE):
            try:
                self._of.row(self._place, self._parameters, row)
            except BlobsWanted as wanted:
                yield from wanted.get
            except Unreadable:
                continue


class Statements:
    """The statements of one transaction or connection. ``ask`` runs one on it as it is; with ``keys`` values are
    sealed, with ``blobs`` large ones are put aside."""

    __slots__ = ("_cells", "_given", "_places", "_references")

    def __init__(self, keys: Keyring | None, ask: Ask, blobs: Blobs | None = None) -> None:
        self._cells = None if keys is None else Cells(keys, ask)
        self._references = None if blobs is None else References(blobs, self._cells)
        self._places = places()
        self._given = self._cells.sealed if self._cells is not None and self._references is None else self._referred

    def run(self, execute: Run, sql: str, parameters: Sequence[Any]) -> Any:
        """Run a statement by ``execute``; what it gives is a cursor as that one's. Raises ``BlobsWanted``."""
        cells = self._cells
        if sql is KEPT and cells is not None:
            return execute(sql, cells.words.kept(parameters))
        place = self._places.get(sql)
        if place is None:
            return execute(sql, parameters)
        words: Mapping[str, str] = {}
        given = self._given(place, parameters) if place.writes else parameters
        if sql is FOUND and cells is not None:
            given, words = cells.words.asked(parameters)
        cursor = execute(sql, given)
        return Opened(cursor, self, sql, place, parameters, words) if place.reads else cursor

    def rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The values of rows that are inserted later, sealed. Raises ``BlobsWanted``."""
        place = self._places.get(sql)
        return [*values] if place is None else self._given(place, values)

    def opened(self, sql: str, parameters: Sequence[Any], row: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        """A row that a statement gave, opened. Raises ``Unreadable``, ``BlobsWanted``."""
        return None if row is None else self.row(self._places[sql], parameters, row)

    def row(self, place: Place, parameters: Sequence[Any], row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row, opened. Raises ``Unreadable``, ``BlobsWanted``."""
        if self._references is None:
            return row if self._cells is None else self._cells.opened(place, parameters, row)
        bare, names = self._references.bare(place, row)
        try:
            opened = bare if self._cells is None else self._cells.opened(place, parameters, bare)
        except Unreadable as error:
            if error.row is not None:  # the rest of it is shown
                left = {at: name for at, name in names.items() if error.row[at] is not None}
                error.row = self._references.filled(place, parameters, error.row, left)
            raise
        return self._references.filled(place, parameters, opened, names) if names else tuple(opened)

    def _referred(self, place: Place, parameters: Sequence[Any]) -> list[Any]:
        if self._references is None:
            return list(parameters)
        values, names = self._references.given(place, parameters)
        if self._cells is not None:
            values = self._cells.sealed(place, values)
        for at, name in names.items():
            values[at] = BLOB + name + values[at]
        return values

    def make_key(self, tenant: str) -> None:
        """See that a tenant has a data key."""
        if self._cells is not None:
            self._cells.namer(tenant)

    def forget(self) -> None:
        """Something was rolled back."""
        if self._cells is not None:
            self._cells.forget()


def _told(place: Place, row: Sequence[Any], error: Unreadable) -> tuple[Any, ...]:
    """A row that tells why a value of it cannot be read."""
    assert error.row is not None
    values = list(error.row)
    for column in place.reads:
        if values[column.at] is None and row[column.at] is not None and column.prefix not in _NO_VALUE:
            if column.text:
                values[column.at] = error.message
            elif column.prefix == "runs|failure|":
                values[column.at] = dumps({"kind": "error", "message": error.message, "type": "Unreadable"})
            else:
                values[column.at] = dumps({"unreadable": error.message})
    return tuple(values)
