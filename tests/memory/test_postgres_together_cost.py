"""What it costs to check what is remembered of runs, and to change many: as much with many in the table as with few."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from dragoman.memory.postgres.dialect import OWN, several

from .postgres_ledgers import ledger_in, url_of

pytestmark = pytest.mark.anyio

ENDED, RUNNING = 500, 700
CHECKS = {
    "hold_threads": "'acme', '{th-0}', '{1}', '{0}', '{busy}'",
    "hold_runs": "'acme', '{running-0}', '{1}', '{w}', '{0}', '{0}', '{0}'",
}
# Of statements of many rows: one row of each, of the n-th of those that are running.
MANY = 64
CHANGES = {
    "change_statuses": "'succeeded', 9, NULL, NULL, 0, 9, NULL, 0, 0, 0, {ordinal}, 'acme', 'running-{n}'",
    "note_progresses": "9, 0, 0, 0, 0, {ordinal}, 'acme', 'running-{n}'",
    "add_thread_value": "'acme', 'th-{n}', 'color', 'sred'",
}
_MOVED = "'acme', '{{{ids}}}', '{{{n}}}', '{{{n}}}', '{{{n}}}', '{{{n}}}', '{{{n}}}'"
_THREADS = """
INSERT INTO threads (
    tenant, id, ordinal, status, created_at, updated_at, checkpoint, metadata, last_seq, first_at, last_at)
SELECT 'acme', 'th-' || n, n, 'busy', n, n, 0, '{}', 1, n, n FROM generate_series(%(first)s::bigint, %(last)s) AS n
"""
_RUNS = """
INSERT INTO runs (ordinal, tenant, id, thread_id, agent, agent_version, status, created_at, updated_at, subject,
    attempt, crashes, cancel_requested, cancel_reason, rollback, woken, first_seq, base_checkpoint, interrupts,
    artifacts, emitted, metadata, rank, blocked, lease_owner, lease_until, ended_at)
SELECT n, 'acme', %(status)s || '-' || n, %(status)s || n, 'a', '1', %(status)s, n, n, '',
    1, 0, 0, '', 0, 0, 1, 0, 0,
    0, 0, '{}', 0, 0, 'w', n, CASE %(status)s WHEN 'running' THEN NULL ELSE n END
FROM generate_series(%(first)s::bigint, %(last)s) AS n
"""


async def test_a_run_is_looked_up_by_its_id_however_many_are_running(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    await ledger.open()
    await ledger.close()
    with psycopg.connect(url_of(tmp_path), autocommit=True) as db:
        fill(db, _THREADS, range(RUNNING))
        fill(db, _RUNS, range(1000, 1000 + ENDED), "succeeded")
        db.execute("ANALYZE threads; ANALYZE runs")  # which say that none is running
        db.execute("SET plan_cache_mode = force_generic_plan; SET ROLE dragoman_app")
        db.execute("SELECT set_config('dragoman.tenant', 'acme', false)")
        for name in CHECKS:
            db.execute(f"PREPARE {name} AS {OWN[name].text}".encode())
        fill(db, _RUNS, range(RUNNING))
        for name in CHECKS:
            explained(db, name, CHECKS[name])
            plan = explained(db, name, CHECKS[name])
            assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 10, plan


@pytest.mark.parametrize("known", [None, 500])
async def test_rows_are_changed_by_their_keys_however_many_there_are(tmp_path: Path, known: int | None) -> None:
    ledger = ledger_in(tmp_path)
    await ledger.open()
    await ledger.close()
    with psycopg.connect(url_of(tmp_path)) as db:  # one transaction: nobody else gathers statistics
        db.execute("TRUNCATE threads, runs, facets CASCADE")
        if known is not None:
            for text in (_THREADS, _RUNS):
                fill(db, text, range(known))
            db.execute("ANALYZE threads; ANALYZE runs")
        db.execute("SET plan_cache_mode = force_generic_plan; SET ROLE dragoman_app")
        db.execute("SELECT set_config('dragoman.tenant', 'acme', false)")
        db.execute(f"PREPARE move_threads AS {OWN['move_threads'].text}".encode())
        for name, row in CHANGES.items():
            statement = several(OWN[name], row.count(",") + 1, MANY)
            db.execute(f"PREPARE {name} AS {statement.text}".encode())
        for name in ("move_threads", *CHANGES):
            explained(db, name, parameters(name, 0))
        for text in (_THREADS, _RUNS):
            fill(db, text, range(1000, 4000))
        for name in ("move_threads", *CHANGES):
            plan = explained(db, name, parameters(name, 3000))
            looked_at = rows_looked_at(plan)
            assert MANY <= looked_at <= 3 * MANY, (name, looked_at, plan)
        db.rollback()


def parameters(name: str, first: int) -> str:
    """Of a statement that changes as many rows as go into one, from the ``first`` on."""
    numbers = range(first, first + MANY)
    if name == "move_threads":
        return _MOVED.format(ids=",".join(f"th-{n}" for n in numbers), n=",".join(["7"] * MANY))
    return ", ".join(CHANGES[name].format(n=n, ordinal=n) for n in numbers)


def fill(db: psycopg.Connection[Any], text: str, numbers: range, status: str = "running") -> None:
    """Make a row for each number."""
    db.execute(text.encode(), {"first": numbers.start, "last": numbers.stop - 1, "status": status})


def explained(db: psycopg.Connection[Any], name: str, values: str) -> Any:
    """How Postgres goes about a statement."""
    row = db.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name}({values})".encode()).fetchone()
    assert row is not None
    return row[0][0]["Plan"]


def rows_looked_at(plan: Any) -> int:
    """How many rows of tables a statement has read, whether they were those that it wanted or not."""
    read = sum(rows_looked_at(below) for below in plan.get("Plans", ()))
    if "Relation Name" in plan and plan["Node Type"] != "ModifyTable":
        return int(read + (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
    return int(read)
