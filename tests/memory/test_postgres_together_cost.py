"""What it costs to check what is remembered of a run: as much with hundreds running as with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from dragoman.memory.postgres.dialect import OWN

from .postgres_ledgers import ledger_in, url_of

pytestmark = pytest.mark.anyio

ENDED, RUNNING = 500, 700
CHECKS = {
    "hold_threads": "'acme', '{th-0}', '{1}', '{0}', '{busy}'",
    "hold_runs": "'acme', '{running-0}', '{1}', '{w}', '{0}', '{0}', '{0}'",
}
_THREADS = """
INSERT INTO threads (tenant, id, ordinal, status, created_at, updated_at, checkpoint, metadata, last_seq)
SELECT 'acme', 'th-' || n, n, 'busy', n, n, 0, '{}', 1 FROM generate_series(0, %(count)s) AS n
"""
_RUNS = """
INSERT INTO runs (ordinal, tenant, id, thread_id, agent, agent_version, status, created_at, updated_at, subject,
    attempt, crashes, cancel_requested, cancel_reason, rollback, woken, first_seq, base_checkpoint, interrupts,
    artifacts, emitted, metadata, rank, blocked, lease_owner, lease_until, ended_at)
SELECT nextval('run_ordinals'), 'acme', %(status)s || '-' || n, %(status)s || n, 'a', '1', %(status)s, n, n, '',
    1, 0, 0, '', 0, 0, 1, 0, 0,
    0, 0, '{}', 0, 0, 'w', n, CASE %(status)s WHEN 'running' THEN NULL ELSE n END
FROM generate_series(0, %(count)s) AS n
"""


async def test_a_run_is_looked_up_by_its_id_however_many_are_running(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    await ledger.open()
    await ledger.close()
    with psycopg.connect(url_of(tmp_path), autocommit=True) as db:
        db.execute(_THREADS.encode(), {"count": RUNNING})
        db.execute(_RUNS.encode(), {"status": "succeeded", "count": ENDED})
        db.execute("ANALYZE threads; ANALYZE runs")  # which say that none is running
        db.execute("SET plan_cache_mode = force_generic_plan; SET ROLE dragoman_app")
        db.execute("SELECT set_config('dragoman.tenant', 'acme', false)")
        for name in CHECKS:
            db.execute(f"PREPARE {name} AS {OWN[name].text}".encode())
        db.execute(_RUNS.encode(), {"status": "running", "count": RUNNING})
        for name in CHECKS:
            explained(db, name)
            plan = explained(db, name)
            assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 10, plan


def explained(db: psycopg.Connection[Any], name: str) -> Any:
    """How Postgres goes about a check, which holds."""
    row = db.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name}({CHECKS[name]})".encode()).fetchone()
    assert row is not None
    return row[0][0]["Plan"]
