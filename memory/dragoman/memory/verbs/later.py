"""Rows that are written at the end of a batch: one statement for the rows of many verbs.

A statement costs as much as the row that it writes, and the writer gives the interpreter's lock up at each. Rows that
no verb of the batch reads back are therefore kept and written together. Knows statements, not what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from typing import Any

__all__ = ["RowsLater", "tables_of"]

_TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)", re.IGNORECASE)
_SIZES = (64, 32, 16, 8, 4, 2, 1)


@cache
def tables_of(sql: str) -> frozenset[str]:
    """The tables that one of the named statements reads or writes; names that are no tables may be among them."""
    return frozenset(_TABLE.findall(sql))


class RowsLater:
    """An INSERT of one row, or an UPDATE of the one that its last parameters name, made one of many.

    An INSERT has just one ``VALUES (...)`` of ``?`` and constants; where it leaves a row out, what ``refusal`` makes of
    the rows is raised. An UPDATE sets all that it sets to ``?``, so that of several for a row the last one is enough;
    ``key`` is the number of parameters that name the row, 0 for an INSERT; all UPDATEs of a table name it alike.
    """

    __slots__ = ("_head", "_row", "_statements", "_tail", "key", "one", "refusal", "table", "width")

    def __init__(self, sql: str, refusal: Callable[[Sequence[Any]], Exception] | None = None) -> None:
        self.one = sql
        self.refusal = refusal
        self.key = 0
        if sql.startswith("UPDATE "):
            self._head, self._row, self._tail = _updates(sql)
            self.key = sql.partition(" WHERE ")[2].count("?")
        else:
            start = sql.rindex("VALUES (") + len("VALUES ")
            end = sql.index(")", start) + 1
            self._head, self._row, self._tail = sql[:start], sql[start:end], sql[end:]
        (self.table,) = tables_of(self._head)
        self.width = self._row.count("?")
        self._statements: dict[int, str] = {1: sql}

    def write(self, execute: Any, values: Sequence[Any]) -> None:
        """Write the rows whose values these are, one after another. Raises what ``refusal`` makes."""
        at, left = 0, len(values) // self.width
        for size in _SIZES:
            while left >= size:
                end = at + size * self.width
                done = execute(self._statement(size), values[at:end])
                if self.refusal is not None and done.rowcount != size:
                    raise self.refusal(values[at:end])
                at, left = end, left - size

    def _statement(self, size: int) -> str:
        found = self._statements.get(size)
        if found is None:
            found = self._statements[size] = f"{self._head}{', '.join([self._row] * size)}{self._tail}"
        return found


def _updates(sql: str) -> tuple[str, str, str]:
    """What stands before, between and after the rows of ``UPDATE ... FROM (VALUES ...)``."""
    numbers = count(1)
    set_, _, where = re.sub(r"\?", lambda _: f"w.column{next(numbers)}", sql).partition(" WHERE ")
    return f"{set_} FROM (VALUES ", f"({', '.join('?' * sql.count('?'))})", f") AS w WHERE {where}"
