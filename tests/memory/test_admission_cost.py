"""What it costs to take runs: as much with ten thousand queued, or a thousand tenants, as with a few."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import pytest

from dragoman.memory.admission import ClaimTerms
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import RunStatus
from dragoman.memory.postgres.dialect import OWN
from dragoman.memory.sqlite.connection import connect_writer, migrate
from dragoman.memory.sqlite.tx import SqliteTx
from dragoman.memory.verbs.claim import claim
from dragoman.memory.verbs.submit import submit

from .helpers import WORKER, change, submission
from .helpers import submit as submit_to
from .postgres_ledgers import ledger_in, url_of

pytestmark = pytest.mark.anyio

FEW, MANY = 20, 600


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect_writer(tmp_path / "ledger.db")) as connection:
        migrate(connection)
        yield connection


def steps_of_a_claim(db: sqlite3.Connection, places: int) -> int:
    """How many instructions of SQLite's machine taking so many runs needs; what was taken is given back."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    tx = SqliteTx(db)
    db.execute("BEGIN")
    db.set_progress_handler(step, 1)
    taken = claim(tx, WORKER, places, 30.0, ClaimTerms(after="t"))
    tx.write()
    db.set_progress_handler(None, 0)
    assert len(taken) == places
    db.execute("ROLLBACK")
    return count


def filled(db: sqlite3.Connection, shape: str, count: int) -> None:
    """So many runs of a tenant (each on a thread of its own, or all on one), or tenants of a run each."""
    tx = SqliteTx(db)
    db.execute("BEGIN")
    for number in range(4):
        submit(tx, submission(tenant=f"a{number}"), None, 30.0)
    for number in range(count):
        of: dict[str, dict[str, Any]] = {
            "one tenant": {"tenant": "flood"},
            "one thread": {"tenant": "flood", "thread_id": "t"},
            "tenants": {"tenant": f"t{number}"},
            "parked tenants": {"tenant": f"t{number}", "wake_at": 4_000_000_000_000_000},
            "strange versions": {"tenant": f"t{number}", "agent_version": "2"},
        }
        submit(tx, submission(**of[shape]), None, 30.0)
    tx.write()
    db.execute("COMMIT")


@pytest.mark.parametrize("shape", ["one tenant", "one thread", "tenants", "parked tenants", "strange versions"])
@pytest.mark.parametrize("places", [1, 4])
def test_what_waits_does_not_slow_down_a_claim(db: sqlite3.Connection, shape: str, places: int) -> None:
    filled(db, shape, FEW)
    few = steps_of_a_claim(db, places)
    filled(db, shape, MANY)
    assert steps_of_a_claim(db, places) <= few * 1.1 + 50


def test_counting_a_queue_is_not_repeated_for_every_run(db: sqlite3.Connection) -> None:
    filled(db, "one tenant", 50)
    tx = SqliteTx(db)
    asked: list[str] = []
    db.execute("BEGIN")
    db.set_trace_callback(asked.append)
    for _ in range(200):
        submit(tx, submission(tenant="flood", queue_limit=900, tenant_queue_limit=800), None, 30.0)
    db.set_trace_callback(None)
    assert sum("count(*)" in each for each in asked) == 2
    db.execute("ROLLBACK")


STATEMENTS = {
    "due_kinds": "0",
    "due_tenants": "'refunds@1', 'b', 16",
    "lock_claimable": """'[["refunds@1","flood"],["refunds@1","t7"]]', 2""",
    "count_due_of_tenant": "'t7', 10",
}


async def test_postgres_goes_by_the_index_of_what_is_due(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    await ledger.open()
    with psycopg.connect(url_of(tmp_path), autocommit=True) as db:
        for number in range(40):
            await submit_to(ledger, tenant=f"t{number}")
        copy = _COPY.encode()
        db.execute(copy, {"count": MANY, "tenant": "flood"})
        db.execute("ANALYZE runs")
        db.execute("SET ROLE dragoman_worker")
        db.execute("SET plan_cache_mode = force_generic_plan")  # as a server's connections do
        for name in STATEMENTS:
            db.execute(f"PREPARE {name} AS {OWN[name].text}".encode())
        few = {name: pages(db, name) for name in STATEMENTS}
        db.execute("RESET ROLE")
        db.execute(copy, {"count": 5 * MANY, "tenant": "flood"})
        db.execute("SET ROLE dragoman_worker")
        for name in STATEMENTS:
            # Of each tenant the first hundred are looked at, whichever plan is taken.
            assert pages(db, name) <= few[name] + 250, name
            assert "Seq Scan on runs" not in str(explained(db, name)), explained(db, name)
    await ledger.close()


# Runs as they are queued, made of one that is, each with a thread of its own.
_COPY = """
WITH one AS (SELECT * FROM runs WHERE status = 'queued' LIMIT 1),
ids AS (SELECT nextval('run_ordinals') AS ordinal FROM generate_series(1, %(count)s)),
threads AS (INSERT INTO threads (tenant, id, ordinal, status, created_at, updated_at, checkpoint, metadata)
    SELECT %(tenant)s, 'th' || ordinal, 1, 'busy', 1, 1, 0, '{}' FROM ids)
INSERT INTO runs (ordinal, tenant, id, thread_id, agent, agent_version, status, created_at, updated_at, subject,
    attempt, crashes, cancel_requested, cancel_reason, rollback, woken, first_seq, base_checkpoint, interrupts,
    artifacts, emitted, metadata, rank, blocked)
SELECT ids.ordinal, %(tenant)s, 'id' || ids.ordinal, 'th' || ids.ordinal, agent, agent_version, status, created_at,
    updated_at, subject, 0, 0, 0, '', 0, 0, 1, 0, 0, 0, 0, metadata, rank, 0 FROM one, ids
"""


def explained(db: psycopg.Connection[Any], name: str) -> Any:
    """How Postgres goes about a statement."""
    row = db.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name}({STATEMENTS[name]})".encode()).fetchone()
    assert row is not None
    return row[0][0]["Plan"]


def pages(db: psycopg.Connection[Any], name: str) -> int:
    """How many pages it looks at."""
    explained(db, name)
    plan = explained(db, name)
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shape", ["10,000 runs of one tenant", "1,000 tenants with a run each"])
async def test_what_a_claim_takes(ledger: Ledger, shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    one = shape.startswith("10,000")
    for number in range(10_000 if one else 1000):
        await submit_to(ledger, tenant="flood" if one else f"t{number}")
    took: list[float] = []
    after = ""
    for _ in range(50):
        began = time.perf_counter()
        [(lease, _, _)] = await ledger.claim(WORKER, 1, terms=ClaimTerms(after=after))
        took.append(time.perf_counter() - began)
        after = lease.tenant
        await change(ledger, lease, RunStatus.SUCCEEDED)
    with capsys.disabled():
        print(f"\n{type(ledger).__name__}, {shape}: a claim takes {median(took) * 1000:.2f} ms")
