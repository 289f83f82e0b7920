"""Rows that are written at the end of a batch: one statement for the rows of many verbs.

A statement costs as much as the row that it inserts, and the writer gives the interpreter's lock up at each. Insertions
that no verb of the batch reads back are therefore kept and made together. Knows statements, not what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["RowsLater"]

_SIZES = (64, 32, 16, 8, 4, 2, 1)


class RowsLater:
    """An INSERT of one row, made one of many; where it leaves a row out what ``refusal`` makes of the rows is raised.

    The statement has just one ``VALUES (...)`` of ``?`` and constants.
    """

    __slots__ = ("_head", "_row", "_statements", "_tail", "one", "refusal", "width")

    def __init__(self, sql: str, refusal: Callable[[Sequence[Any]], Exception] | None = None) -> None:
        start = sql.rindex("VALUES (") + len("VALUES ")
        end = sql.index(")", start) + 1
        self._head, self._row, self._tail = sql[:start], sql[start:end], sql[end:]
        self.one = sql
        self.width = self._row.count("?")
        self.refusal = refusal
        self._statements: dict[int, str] = {}

    def write(self, execute: Any, values: Sequence[Any]) -> None:
        """Insert the rows whose values these are, one after another. Raises what ``refusal`` makes."""
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
