"""Many finished runs in a ledger, without driving each: the rows of a few that were driven, again under other ids.

A template is a thread with its runs as a server wrote them. A copy has other ids, a later time and the next ordinals,
and is else the same, row by row, in every table. So a million runs take minutes, and each is one a server might have
written. Knows the columns that name, count and date things; nothing of what rows mean.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIMES = {"created_at", "updated_at", "started_at", "ended_at", "at"}
# What belongs to a thread, and how it is found by its own and its runs' ids.
_TABLES: Mapping[str, str] = {
    "threads": "id = ?",
    "runs": "thread_id = ?",
    "checkpoints": "thread_id = ?",
    "events": "thread_id = ?",
    "steps": "run_id IN (SELECT id FROM runs WHERE thread_id = ?)",
    "facets": "id = ? OR (kind = 'run' AND ordinal IN (SELECT ordinal FROM runs WHERE thread_id = ?))",
}
_APART_US = 50


@dataclass(frozen=True, slots=True)
class Copies:
    """Rows of one table, as they are made for each copy."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


Read = Callable[[str, Sequence[Any]], tuple[Sequence[str], Sequence[Sequence[Any]]]]


class Template:
    """A thread with ``runs`` runs, in the order of their ordinals. ``read`` gives the columns and rows of a query."""

    def __init__(self, read: Read, thread: str) -> None:
        _, runs = read("SELECT id, ordinal FROM runs WHERE thread_id = ? ORDER BY ordinal", [thread])
        _, [(self._began,)] = read("SELECT ordinal FROM threads WHERE id = ?", [thread])
        self.ids = [thread, *(id for id, _ in runs)]
        self.runs = len(runs)
        self._first_run = runs[0][1]
        self._split = re.compile("|".join(self.ids))
        self._split_bytes = re.compile("|".join(self.ids).encode())
        self.tables = [self._of(read, table, where, thread) for table, where in _TABLES.items()]

    def _of(self, read: Read, table: str, where: str, thread: str) -> Copies:
        columns, rows = read(f"SELECT * FROM {table} WHERE {where}", [thread] * where.count("?"))
        return Copies(table, columns, [self._marked(columns, row) for row in rows])

    def _marked(self, columns: Sequence[str], row: Sequence[Any]) -> list[Any]:
        """Cells that change are functions of the copy."""
        named = dict(zip(columns, row, strict=True))
        of_run = ("status" in named and "agent" in named) or named.get("kind") == "run"
        return [self._cell(name, value, of_run) for name, value in named.items()]

    def _cell(self, name: str, value: Any, of_run: bool) -> Any:
        if name == "ordinal":
            offset: int = value - (self._first_run if of_run else self._began)
            return _shifted("run" if of_run else "time", offset)
        if name in _TIMES and value is not None:
            return _shifted("time", value - self._began)
        if isinstance(value, str | bytes):
            split: Any = self._split if isinstance(value, str) else self._split_bytes
            if split.search(value):
                return self._naming(value, split)
        return value

    def _naming(self, value: Any, split: Any) -> Any:
        # The literal parts and the places of ids between them.
        parts = split.split(value)
        places = [self.ids.index(i if isinstance(i, str) else i.decode()) for i in split.findall(value)]
        text = isinstance(value, str)

        def named(at: At) -> Any:
            ids = at.ids if text else at.raw
            found = [parts[0]]
            for place, part in zip(places, parts[1:], strict=True):
                found += (ids[place], part)
            return "".join(found) if text else b"".join(found)

        return named


@dataclass(slots=True)
class At:
    """One copy: its ids, as text and bytes, its time in µs and the ordinal of its first run."""

    ids: Sequence[str]
    raw: Sequence[bytes]
    time: int
    run: int


def _shifted(of: str, offset: int) -> Callable[[At], int]:
    def shifted(at: At) -> int:
        return (at.run if of == "run" else at.time) + offset

    return shifted


def copies(templates: Sequence[Template], runs: int, first_run: int, first_time: int) -> Iterator[tuple[Template, At]]:
    """Copies in the order of time until there are ``runs`` runs."""
    made = number = 0
    while made < runs:
        template = templates[number % len(templates)]
        ids = [f"019{number:05x}-{place:04x}-7000-8000-{number:012x}" for place in range(len(template.ids))]
        yield template, At(ids, [i.encode() for i in ids], first_time + number * _APART_US, first_run + made)
        made += template.runs
        number += 1


def rows_of(table: int, at: At, template: Template) -> Iterator[list[Any]]:
    """The rows of a copy in one table."""
    for row in template.tables[table].rows:
        yield [cell(at) if callable(cell) else cell for cell in row]


def batches(read: Read, threads: Sequence[str], runs: int, size: int = 2_000) -> Iterator[list[tuple[Template, At]]]:
    """Copies of these threads in turn, ``size`` at a time."""
    templates = [Template(read, id) for id in threads]
    _, [(last, time)] = read("SELECT max(ordinal), (SELECT max(ordinal) FROM threads) FROM runs", [])
    waiting: list[tuple[Template, At]] = []
    for one in copies(templates, runs, last + 1, time + 1):
        waiting.append(one)
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def tables(waiting: Sequence[tuple[Template, At]]) -> Iterator[tuple[str, Sequence[str], list[list[Any]]]]:
    """Each table's name, columns and rows for these copies."""
    for number, table in enumerate(_TABLES):
        yield table, waiting[0][0].tables[number].columns, [r for t, at in waiting for r in rows_of(number, at, t)]


def fill_sqlite(path: Path, threads: Sequence[str], runs: int) -> int:
    """Copy these threads until ``runs`` runs more are there; how many events those have."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -400000")

        def read(sql: str, parameters: Sequence[Any]) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
            found = db.execute(sql, parameters)
            return [name for name, *_ in found.description], found.fetchall()

        events = 0
        for waiting in batches(read, threads, runs):
            db.execute("BEGIN IMMEDIATE")
            for table, columns, rows in tables(waiting):
                marks = ", ".join("?" * len(columns))
                db.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
                events += len(rows) if table == "events" else 0
            db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return events


def fill_postgres(url: str, threads: Sequence[str], runs: int) -> int:
    """The same for a database, by COPY. The role is the tables' owner, or one that row-level security lets by."""
    import psycopg

    with psycopg.connect(url) as db:

        def read(sql: str, parameters: Sequence[Any]) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
            found = db.execute(sql.replace("?", "%s").encode(), parameters)
            assert found.description is not None
            return [column.name for column in found.description], found.fetchall()

        events = 0
        for waiting in batches(read, threads, runs):
            for table, columns, rows in tables(waiting):
                with db.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as copy:
                    for row in rows:
                        copy.write_row(row)
                events += len(rows) if table == "events" else 0
            db.commit()
        db.autocommit = True
        db.execute("VACUUM ANALYZE")
    return events
