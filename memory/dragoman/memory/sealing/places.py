"""Where a statement carries what is sealed: told from its text, so that no list must be kept beside the SQL.

``place_of`` reads the shape that ``queries/*.sql`` is written in (not SQL in general) and finds which parameters and
which columns of its rows are sealed, and which of either name the row. A statement that would move a sealed value
without naming its row is refused before any is run. Pure. Above: ``cursors.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from dragoman.memory.sealing.tables import TABLES, Table
from dragoman.memory.statements import SQL

__all__ = ["Column", "Place", "place_of", "places"]


class Column(NamedTuple):
    """A sealed value at ``at`` of the parameters or of a row. Its row is named by ``key``: an index of a parameter
    as it is, one of a row's column as its complement (``~index``)."""

    at: int
    prefix: str
    text: bool
    key: tuple[int, ...]


class Place(NamedTuple):
    """What a statement writes and what it reads; ``width`` is the number of its parameters. ``numbered`` is what it
    writes where that is one column of bytes, and its rows are numbered within something else."""

    writes: tuple[Column, ...]
    reads: tuple[Column, ...]
    width: int
    numbered: Column | None


_MARKS = re.compile(r"[(),]| FROM | WHERE | RETURNING ")
_BARE = re.compile(r"\?(\d+)?")
_FROM = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO) (\w+)(?: AS (\w+))?")
_INSERT = re.compile(r"INSERT (?:OR \w+ )?INTO (\w+)(?: AS (\w+))? \(")
_UPDATE = re.compile(r"UPDATE (\w+)(?: AS (\w+))? SET ")
_EQUAL = re.compile(r"((?:\w+\.)?\w+|\?\d+) = ((?:\w+\.)?\w+|\?\d+)")
_NAME = re.compile(r"(?:(\w+)\.)?(\w+)")
_PARAMETER = re.compile(r"\?(\d+)")
_SELECT = len("SELECT ")
_RETURNING = " RETURNING "
_NUMBERS = (("seq",), ("number",))
_EMPTY = ("''", "NULL")


def _numbered(sql: str) -> str:
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"?{match[1] or count}"

    return _BARE.sub(replace, sql)


def _top(text: str, *ends: str) -> tuple[list[str], int]:
    """What stands between commas outside of parentheses, up to one of ``ends`` or a parenthesis that was not opened;
    and where that is."""
    parts: list[str] = []
    depth = start = 0
    end = len(text)
    for match in _MARKS.finditer(text):
        mark = match[0]
        if depth == 0 and (mark == ")" or mark in ends):
            end = match.start()
            break
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if depth == 0 and mark == ",":
            parts.append(text[start : match.start()].strip())
            start = match.end()
    return [*parts, text[start:end].strip()], end


class _Reader:
    """One statement, taken apart."""

    def __init__(self, name: str, sql: str) -> None:
        self.name = name
        self.sql = _numbered(sql)
        self.aliases = {alias or table: table for table, alias in _FROM.findall(self.sql)}
        found = _INSERT.match(self.sql) or _UPDATE.match(self.sql) or _FROM.match(self.sql, self._from())
        self.main = (found[2] or found[1]) if found else ""
        self.same: dict[str, set[str]] = {}
        where = min((at for word in (" WHERE ", " ON ") if (at := self.sql.find(word)) >= 0), default=len(self.sql))
        for left, right in _EQUAL.findall(self.sql[where:]):
            self._pair(self._full(left), self._full(right))

    def _from(self) -> int:
        """Where the rows come from: of a SELECT not what a subquery reads."""
        start = _SELECT if self.sql.startswith("SELECT ") else 0
        return start + _top(self.sql[start:], " FROM ")[1] + 1

    def _full(self, name: str) -> str:
        return name if name.startswith("?") or "." in name else f"{self.main}.{name}"

    def _pair(self, left: str, right: str) -> None:
        self.same.setdefault(left, set()).add(right)
        self.same.setdefault(right, set()).add(left)

    def _table(self, alias: str) -> Table | None:
        return TABLES.get(self.aliases.get(alias, alias))

    def place(self) -> Place | None:
        writes = list(self._writes())
        reads = list(self._reads())
        if not writes and not reads:
            return None
        numbers = [int(number) for number in _PARAMETER.findall(self.sql)]
        table = self._table(self.main)
        of_one = len(writes) == 1 and not writes[0].text and table is not None and table.key[2:] in _NUMBERS
        return Place(tuple(writes), tuple(reads), max(numbers, default=0), writes[0] if of_one else None)

    def _writes(self) -> Iterator[Column]:
        insert, update = _INSERT.match(self.sql), _UPDATE.match(self.sql)
        pairs: list[tuple[str, str]] = []
        if insert:
            names, end = _top(self.sql[insert.end() :])
            rest = self.sql[insert.end() + end + 1 :].lstrip()
            if rest.startswith("VALUES ("):
                values, _ = _top(rest[len("VALUES (") :])
                pairs = list(zip(names, values, strict=True))
                for name, value in pairs:
                    self._pair(f"{self.main}.{name}", value)
            elif self._table(self.main) is not None:
                raise ValueError(f"{self.name}: rows of {self.main} are copied, and what is sealed cannot be")
            at = self.sql.find(" DO UPDATE SET ")
            self._check_conflict(self.sql[at + len(" DO UPDATE SET ") :] if at >= 0 else "", dict(pairs))
        elif update:
            assigned, _ = _top(self.sql[update.end() :], " WHERE ", _RETURNING)
            pairs = [(name, value) for name, _, value in (part.partition(" = ") for part in assigned)]
        table = self._table(self.main)
        for name, value in pairs if table is not None else ():
            if (column := self._written(name, value)) is not None:
                yield column

    def _written(self, name: str, value: str) -> Column | None:
        table = self._table(self.main)
        assert table is not None
        if name not in table.columns + table.texts or value in _EMPTY:
            return None
        number = _PARAMETER.fullmatch(value)
        if number is None:
            raise ValueError(f"{self.name}: {name} is sealed and must be a parameter of its own, not {value}")
        key = tuple(self._named_by(f"{self.main}.{part}", {}) for part in table.key)
        return self._column(int(number[1]) - 1, self.main, name, key)

    def _check_conflict(self, text: str, given: Mapping[str, str]) -> None:
        table = self._table(self.main)
        sealed = () if table is None else table.columns + table.texts
        for part in _top(text, " WHERE ", _RETURNING)[0]:
            name, _, value = part.partition(" = ")
            if name in sealed and value not in (f"excluded.{name}", given.get(name), *_EMPTY):
                raise ValueError(f"{self.name}: {name} is sealed and must be the same value in both places")

    def _reads(self) -> Iterator[Column]:
        at = self.sql.find(_RETURNING)
        start = _SELECT if self.sql.startswith("SELECT ") else at + len(_RETURNING)
        if start != _SELECT and at < 0:
            return
        items, _ = _top(self.sql[start:].removeprefix("DISTINCT "), " FROM ")
        columns = [_NAME.fullmatch(item) for item in items]
        told = {f"{c[1] or self.main}.{c[2]}": at for at, c in enumerate(columns) if c is not None}
        for full, at in told.items():
            alias, name = full.split(".")
            table = self._table(alias)
            if table is not None and name in table.columns + table.texts:
                key = tuple(self._named_by(f"{alias}.{part}", told) for part in table.key)
                yield self._column(at, alias, name, key)

    def _named_by(self, full: str, told: Mapping[str, int]) -> int:
        """A column of the row, or a parameter, that is equal to this column."""
        seen, line = {full}, [full]
        while line:
            name = line.pop(0)
            if name in told:
                return ~told[name]
            if name.startswith("?"):
                return int(name[1:]) - 1
            more = self.same.get(name, set()) - seen
            seen |= more
            line += sorted(more)
        raise ValueError(f"{self.name}: carries a sealed value, and {full} is neither asked for nor given")

    def _column(self, index: int, alias: str, name: str, key: tuple[int, ...]) -> Column:
        table = self.aliases.get(alias, alias)
        return Column(index, f"{table}|{name}|", name in TABLES[table].texts, key)


def place_of(name: str, sql: str) -> Place | None:
    """Where this statement carries what is sealed; None where it does not. Raises ``ValueError`` when it does not name
    the row."""
    return _Reader(name, sql).place() if sql.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")) else None


@cache
def places() -> Mapping[str, Place]:
    """Of every statement that has one, by its text."""
    found = {sql: place_of(name, sql) for name, sql in SQL.items()}
    return {sql: place for sql, place in found.items() if place is not None}
