"""A ledger moved into another, whole: every table copied as it is, counted and added up on both sides, or nothing.

What is read back is what was written, before anything is kept: the copy and its verification are one transaction of
the target. Rows are copied as they are kept (sealed values stay sealed); what belongs to the process that held the
source, its leases, is ended first. The target is called as the source was, so that the place of the blobs is its own.
Knows tables, not runs. Below: ``bulk.py``. Above: the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dragoman.memory.bulk import Bulk, Row
from dragoman.memory.digest import Digest, Digesting
from dragoman.memory.errors import Conflict, DragomanError
from dragoman.memory.verbs.blobs import ledger_name, name_ledger

__all__ = ["MoveTarget", "Verified", "move"]

Verified = Mapping[str, Digest]
Told = Callable[[str, Digest], None]


class MoveTarget(Bulk, Protocol):
    """A ledger that rows with numbers can be moved into."""

    def go_on(self) -> None:
        """Let new rows be numbered after those that were inserted with their numbers."""
        ...


def move(source: Bulk, target: MoveTarget, told: Told | None = None) -> Verified:
    """Copy all tables of ``source`` into ``target``, both within a transaction that is theirs alone; the digest of each
    table, equal on both sides. ``told`` hears of each table that is done.

    Raises ``Conflict`` when the target is not empty, lacks a table or a column, or gives back other rows than it was
    given; the caller then keeps nothing.
    """
    theirs = target.tables()
    wanted = source.tables()
    _check_shapes(wanted, theirs)
    _check_empty(target, wanted)
    verified: dict[str, Digest] = {}
    for name, columns in wanted.items():
        given = Digesting()
        target.insert(name, columns, given.through(_kept(name, columns, source.rows(name, columns))))
        found = _read_back(target, name, columns)
        if found != given.digest:
            raise Conflict(f"{name}: {given.digest.rows} rows were given, {found.rows} other ones are there.")
        verified[name] = found
        if told is not None:
            told(name, found)
    target.go_on()
    name_ledger(_Asked(target.ask), ledger_name(_Asked(source.ask)))
    return verified


@dataclass(frozen=True, slots=True)
class _Asked:
    execute: Callable[..., Any]


def _read_back(target: Bulk, name: str, columns: Sequence[str]) -> Digest:
    digesting = Digesting()
    for _ in digesting.through(target.rows(name, columns)):
        pass
    return digesting.digest


def _kept(name: str, columns: Sequence[str], rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, those of the text index as Postgres keeps them: what is searched has no NUL."""
    if name != "store_texts":
        yield from rows
        return
    at = columns.index("text")
    for row in rows:
        text = row[at]
        yield row if text is None or "\x00" not in text else (*row[:at], text.replace("\x00", " "), *row[at + 1 :])


def _check_shapes(wanted: Mapping[str, Sequence[str]], theirs: Mapping[str, Sequence[str]]) -> None:
    for name, columns in wanted.items():
        if name not in theirs:
            raise DragomanError(f"The target has no table {name}: it is of another version.")
        if lacking := set(columns) - set(theirs[name]):
            raise DragomanError(f"The target's {name} has no {', '.join(sorted(lacking))}: it is of another version.")


def _check_empty(target: Bulk, wanted: Mapping[str, Sequence[str]]) -> None:
    for name in wanted:
        if next(iter(target.rows(name, ("tenant",))), None) is not None:
            raise Conflict(
                f"The target is not empty: there are {name}. A ledger is moved into an empty database alone."
            )
