"""Lists of runs, newest first, paged by the ordinal of the last one shown.

The most selective condition drives the list through its index; the others are tested on the rows that it yields, so
that a page costs the rows that are looked at, not the runs that there are.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator
from heapq import merge

from dragoman.memory.errors import InputInvalid
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import Page, Run, RunStatus, RunView
from dragoman.memory.statements import SQL
from dragoman.memory.verbs import facets
from dragoman.memory.verbs.matching import holds, needle
from dragoman.memory.verbs.reading import view_of
from dragoman.memory.verbs.rows import run_of

__all__ = ["read_runs"]

_BY_THREAD = SQL["runs_of_thread_before"]
_BY_PARENT = SQL["runs_of_parent_before"]
_WALKS = {
    RunStatus.QUEUED: SQL["pending_runs_before"],
    RunStatus.RUNNING: SQL["running_runs_before"],
    RunStatus.WAITING: SQL["pending_runs_before"],
    RunStatus.SUCCEEDED: SQL["ended_runs_before"],
    RunStatus.FAILED: SQL["ended_runs_before"],
    RunStatus.CANCELLED: SQL["ended_runs_before"],
}
_OF_FACET = SQL["runs_of_facet_before"]
_MAX_INT = 2**63 - 1


def read_runs(
    db: sqlite3.Connection, tenant: str, where: RunFilter, limit: int, cursor: str | None, bare: bool
) -> Page[RunView]:
    """See ``Ledger.runs``."""
    before = _MAX_INT if cursor is None else _decode(cursor)
    found: list[Run] = []
    db.execute("BEGIN")
    try:
        for run in _candidates(db, tenant, where, before):
            if not _matches(run, where):
                continue
            found.append(run)
            if len(found) > limit:
                break
        items = tuple(RunView(run) if bare else view_of(db, run) for run in found[:limit])
    finally:
        db.execute("COMMIT")
    return Page(items, _encode(items[-1].run.ordinal) if items and len(found) > limit else None)


def _candidates(db: sqlite3.Connection, tenant: str, where: RunFilter, before: int) -> Iterator[Run]:
    after = -1 if where.updated_after is None else where.updated_after
    tests = (before, after, needle(where.metadata), where.agent)
    if where.thread_id is not None:
        return map(run_of, db.execute(_BY_THREAD, (tenant, where.thread_id, *tests)))
    if where.parent_run_id is not None:
        return map(run_of, db.execute(_BY_PARENT, (tenant, where.parent_run_id, *tests)))
    facet = facets.best(db, tenant, {"run": where.metadata})
    if facet is not None and facet.number < facets.FEW:
        return map(run_of, db.execute(_OF_FACET, (tenant, facet.key, *tests, facet.value)))
    statuses = frozenset(RunStatus) if where.statuses is None else where.statuses
    # One walk a status, merged as they go: each is read only as far as the page needs.
    walks = [map(run_of, db.execute(_WALKS[status], (tenant, str(status), *tests))) for status in sorted(statuses)]
    return merge(*walks, key=lambda run: -run.ordinal)


def _matches(run: Run, where: RunFilter) -> bool:
    """What the walk has not tested, or not exactly."""
    return (
        (where.statuses is None or run.status in where.statuses)
        and (where.parent_run_id is None or run.parent_run_id == where.parent_run_id)
        and holds(run.metadata, where.metadata)
    )


def _encode(ordinal: int) -> str:
    return base64.urlsafe_b64encode(f"r{ordinal}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        ordinal = int(text[1:])
    except ValueError:
        ordinal = -1
    if not 0 <= ordinal <= _MAX_INT or _encode(ordinal) != cursor:
        raise InputInvalid(
            "The cursor is not one that this list gave out.", ({"field": "cursor", "problem": "unknown"},)
        )
    return ordinal
