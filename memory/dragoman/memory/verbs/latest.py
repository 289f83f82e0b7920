"""Runs by their last change, each status by one index. Pages are by the change and the ordinal of the last one seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from heapq import merge
from itertools import islice

from dragoman.memory.latest import Latest
from dragoman.memory.model import Run, RunStatus, RunView
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.reading import view_of
from dragoman.memory.verbs.rows import run_of

__all__ = ["count_latest", "read_latest"]

_BEFORE = SQL["latest_runs_before"]
_COUNT = SQL["count_latest_runs"]
_MAX_INT = 2**63 - 1


def read_latest(
    db: sqlite3.Connection, tenant: str, which: Latest, limit: int, before: tuple[int, int] | None
) -> list[RunView]:
    """See ``LatestLedger.latest_runs``."""
    db.execute("BEGIN")
    try:
        pages = [
            db.execute(_BEFORE, (tenant, which.agent, status, *(before or (_MAX_INT, _MAX_INT)), _after(which), limit))
            for status in _statuses(which)
        ]
        runs: Iterator[Run] = merge(*(map(run_of, page) for page in pages), key=_newest_first)
        return [view_of(db, run) for run in islice(runs, limit)]
    finally:
        db.execute("COMMIT")


def count_latest(db: sqlite3.Connection, tenant: str, which: Latest, most: int) -> int:
    """See ``LatestLedger.count_latest``."""
    asked = [db.execute(_COUNT, (tenant, which.agent, status, _after(which), most)) for status in _statuses(which)]
    return sum(answer.fetchone()[0] for answer in asked)


def _newest_first(run: Run) -> tuple[int, int]:
    return -run.updated_at, -run.ordinal


def _statuses(which: Latest) -> list[str]:
    return sorted(map(str, RunStatus if which.statuses is None else which.statuses))


def _after(which: Latest) -> int:
    return -1 if which.updated_after is None else which.updated_after
