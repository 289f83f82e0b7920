"""The verb ``purge``: some of what a tenant keeps is looked at, and what is old and not needed goes.

Deletes are by sets of rows, but for whole threads, which go one by one as ``delete_thread`` has them go. A log that
loses its beginning keeps an event in its place: its numbers go on, and who reads from before it is told.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dragoman.memory.codec import dumps
from dragoman.memory.retention import PURGED, Cutoffs, Place, Purged, Walk
from dragoman.memory.statements import SQL
from dragoman.memory.verbs import facets
from dragoman.memory.verbs.rows import Row, load
from dragoman.memory.verbs.threads import remove_thread
from dragoman.memory.verbs.tx import Tx

__all__ = ["purge", "read_tenant_after"]

_NEXT_TENANT = SQL["next_tenant"]
_ENDED = SQL["ended_runs_after"]
_UNUSED = SQL["threads_unused_after"]
_THREADS = SQL["threads_after"]
_FREE_RUNS = SQL["free_runs"]
_FREE_THREADS = SQL["free_threads"]
_QUIET = SQL["quiet_logs"]
_OF_RUNS = {
    name: SQL[f"purge_{name}"]
    for name in ("steps", "interrupts", "artifacts", "dead_letters", "delivery_secrets", "deliveries", "runs")
}
_FORGET_ARTIFACTS = SQL["forget_artifacts_of_runs"]
_OLD_DELIVERIES = SQL["old_deliveries"]
_PASSED_LETTERS = SQL["purge_passed_letters"]
_OF_DELIVERY = tuple(SQL[name] for name in ("delete_letters_of_delivery", "delete_delivery_secret", "delete_delivery"))
_FIRST_EVENTS = SQL["first_events"]
_EVENTS_BEFORE = SQL["delete_events_before"]
_MARK = SQL["mark_purged"]
_FIRST_CHECKPOINTS = SQL["first_checkpoints"]
_CHECKPOINTS_BEFORE = SQL["delete_checkpoints_before"]
# Of one thread, at once.
_MOST_ROWS: Final = 500


def read_tenant_after(db: sqlite3.Connection, tenant: str) -> str | None:
    """See ``RetentionLedger.tenant_after``."""
    (found,) = db.execute(_NEXT_TENANT, (tenant,)).fetchone()
    return None if found is None else str(found)


def purge(tx: Tx, tenant: str, walk: Walk, cutoffs: Cutoffs, after: Place, limit: int, budget_s: float) -> Purged:
    """See ``RetentionLedger.purge``."""
    began = time.monotonic()
    until = began + budget_s
    if walk == "threads":
        done = _threads(tx, tenant, cutoffs.threads, after or (0, 0), limit, until)
    elif walk == "logs":
        done = _logs(tx, tenant, cutoffs, after or ("",), limit, until)
    else:
        done = _runs(tx, tenant, walk, cutoffs, after or (0,), limit)
    return replace(done, used_s=time.monotonic() - began)


# -- threads ----------------------------------------------------------------------------------------------------------
def _threads(tx: Tx, tenant: str, before: int, after: Place, limit: int, until: float) -> Purged:
    found: list[tuple[int, int, str]] = tx.execute(_UNUSED, (tenant, *after, before, limit)).fetchall()
    if not found:
        return Purged()
    names = _array([row[2] for row in found])
    free = {name for (name,) in tx.execute(_FREE_THREADS, (tenant, names, before)).fetchall()}
    counts: Counter[str] = Counter()
    last = after
    for updated_at, ordinal, name in found:
        if name in free:
            remove_thread(tx, tenant, name)
            counts["threads"] += 1
        last = (updated_at, ordinal)
        if time.monotonic() > until:
            break
    return Purged(counts, last)


# -- runs -------------------------------------------------------------------------------------------------------------
def _runs(tx: Tx, tenant: str, status: str, cutoffs: Cutoffs, after: Place, limit: int) -> Purged:
    found: list[tuple[int, str, int]] = tx.execute(_ENDED, (tenant, status, *after, limit)).fetchall()
    newest = max(cutoffs.runs, cutoffs.artifacts, cutoffs.deliveries, cutoffs.dead_letters)
    # In the order of their submission: after one that was opened too late there is no older one.
    old = [row for row in found if row[2] < newest]
    if not old:
        return Purged()
    counts: Counter[str] = Counter()
    names = _array([row[1] for row in old])
    _deliveries(tx, tenant, names, cutoffs, counts)
    free = tx.execute(_FREE_RUNS, (tenant, names)).fetchall() if cutoffs.runs or cutoffs.artifacts else []
    _whole(tx, tenant, [row for row in free if row[2] < cutoffs.runs], counts)
    bare = [row[0] for row in free if row[2] >= cutoffs.runs and row[2] < cutoffs.artifacts and row[3]]
    if bare:
        counts["artifacts"] += tx.execute(_OF_RUNS["artifacts"], (tenant, _array(bare))).rowcount
        tx.execute(_FORGET_ARTIFACTS, (tenant, _array(bare)))
    return Purged(counts, (old[-1][0],) if len(old) == len(found) else None)


def _whole(tx: Tx, tenant: str, runs: Sequence[Row], counts: Counter[str]) -> None:
    if not runs:
        return
    for _, ordinal, _, _, metadata in runs:
        if metadata != b"{}":
            facets.drop(tx, tenant, "run", load(metadata), ordinal)
    names = _array([row[0] for row in runs])
    for statement in _OF_RUNS.values():
        tx.execute(statement, (tenant, names))
    counts["runs"] += len(runs)


def _deliveries(tx: Tx, tenant: str, runs: str, cutoffs: Cutoffs, counts: Counter[str]) -> None:
    dead = max(cutoffs.deliveries, cutoffs.dead_letters)
    if not dead:
        return
    for (ordinal,) in tx.execute(_OLD_DELIVERIES, (tenant, runs, cutoffs.deliveries, dead)).fetchall():
        for statement in _OF_DELIVERY:
            tx.execute(statement, (ordinal,))
        counts["deliveries"] += 1
    if cutoffs.dead_letters:
        counts["dead_letters"] += tx.execute(_PASSED_LETTERS, (tenant, runs, cutoffs.dead_letters)).rowcount


# -- logs and checkpoints ---------------------------------------------------------------------------------------------
def _logs(tx: Tx, tenant: str, cutoffs: Cutoffs, after: Place, limit: int, until: float) -> Purged:
    found = [name for (name,) in tx.execute(_THREADS, (tenant, *after, limit)).fetchall()]
    if not found:
        return Purged()
    quiet: dict[str, int] = dict(tx.execute(_QUIET, (tenant, _array(found))).fetchall())
    counts: Counter[str] = Counter()
    last = after
    for name in found:
        if name in quiet and not _one_log(tx, tenant, name, quiet[name], cutoffs, counts):
            return Purged(counts, last)  # there is more of it
        last = (name,)
        if time.monotonic() > until:
            break
    return Purged(counts, last)


def _one_log(tx: Tx, tenant: str, thread_id: str, newest: int, cutoffs: Cutoffs, counts: Counter[str]) -> bool:
    """Whether all that is old in it is gone."""
    events = _events(tx, tenant, thread_id, cutoffs.events) if cutoffs.events else 0
    states = _checkpoints(tx, tenant, thread_id, newest, cutoffs.checkpoints) if cutoffs.checkpoints else 0
    counts["events"] += events
    counts["checkpoints"] += states
    return max(events + 1, states) < _MOST_ROWS


def _events(tx: Tx, tenant: str, thread_id: str, before: int) -> int:
    rows: list[tuple[int, int, str]] = tx.execute(_FIRST_EVENTS, (tenant, thread_id, _MOST_ROWS)).fetchall()
    old = _beginning([(seq, at) for seq, at, _ in rows], before)
    if not old or (old == 1 and rows[0][2] == PURGED):
        return 0
    last = rows[old - 1][0]
    tx.execute(_EVENTS_BEFORE, (tenant, thread_id, last))
    tx.execute(_MARK, (PURGED, dumps({"through": last}), tenant, thread_id, last))
    return old - (rows[0][2] == PURGED)


def _checkpoints(tx: Tx, tenant: str, thread_id: str, newest: int, before: int) -> int:
    rows = tx.execute(_FIRST_CHECKPOINTS, (tenant, thread_id, newest, _MOST_ROWS)).fetchall()
    old = _beginning(rows, before)
    if old:
        # What is kept of one is at most what differs from the next: those at the beginning are needed by none.
        tx.execute(_CHECKPOINTS_BEFORE, (tenant, thread_id, rows[old - 1][0] + 1))
    return old


def _beginning(rows: Sequence[Row], before: int) -> int:
    """How many there are before the first that is not old."""
    return next((n for n, row in enumerate(rows) if row[1] >= before), len(rows))


def _array(names: Sequence[str]) -> str:
    return dumps(names).decode()
