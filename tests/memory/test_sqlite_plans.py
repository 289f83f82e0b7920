"""How SQLite goes about the statements: a million finished runs must not slow down the next one."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.memory.sqlite.connection import connect_writer, migrate
from dragoman.memory.statements import SQL

# Small by nature: the keys, the workers, what was given up, what is running, what is queued (up to a limit), a list
# just made.
MAY_SCAN = {
    "all_keys": "api_keys",
    "any_data_key": "data_keys",
    "any_whole_data_key": "data_keys",
    "data_keys_not_whole": "data_keys",
    "any_sealed_run": "runs",  # of a ledger without data keys, by a server that has a master key
    "keys_of_tenant": "api_keys",
    "count_dead_letters": "dead_letters USING COVERING INDEX dead_letters_by_tenant",
    "count_due": "runs USING INDEX runs_due_by_tenant",
    "count_latest_runs": "found",
    "drop_silent_workers": "workers",
    "expire_leases": "runs USING INDEX runs_running",
    "delete_item_words": "store_words VIRTUAL TABLE INDEX 0:=",
    "items_with_words": "w VIRTUAL TABLE INDEX 0:M2",
    "data_keys_under_others": "data_keys",
    "live_workers": "workers",
    "master_keys_used": "data_keys",
    "texts_after": "w VIRTUAL TABLE INDEX 0:=",
    "renew_leases": "runs USING INDEX runs_running",
    "running_of_agent": "runs USING INDEX runs_running",
    "runs_with_overdue_lease": "runs USING INDEX runs_running",
}
OF_THE_STATEMENT = ("active", "json_each", "(subquery", "CONSTANT ROW", "kinds", "tenants", "places", "due", "woken")

# These are bounded by one run, one thread's open runs, what is active, how many crons a tenant may have, or how many
# threads with a pair are sorted.
SORTED = {
    *(
        f"crons_by_{order}{way}"
        for order in ("thread_id", "updated_at", "next_at", "end_at")
        for way in ("", "_descending")
    ),
    *(f"threads_of_facet_by_{order}_{way}" for order in ("updated_at", "thread_id") for way in ("up", "down")),
    "active_runs_of_thread",
    "answered_until",
    "artifacts_of_run",
    "deliveries_of_run",
    "interrupts_of_run",
    "last_ended_status",
    "steps_of_run",
}


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    with closing(connect_writer(tmp_path_factory.mktemp("plans") / "ledger.db")) as connection:
        migrate(connection)
        yield connection


def plan(db: sqlite3.Connection, name: str) -> list[str]:
    sql = SQL[name]
    numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    parameters = [None] * (max(numbered) if numbered else sql.count("?"))
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]


STATEMENTS = [name for name, sql in SQL.items() if re.match("SELECT|INSERT|UPDATE|DELETE", sql)]


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_reads_no_more_than_it_needs(db: sqlite3.Connection, name: str) -> None:
    for line in plan(db, name):
        of_blobs = name == "any_blob_reference" and line.endswith("_blobs")  # the first entry of each index
        first = of_blobs or name == "any_value_in_plain"  # asked with the one before it, and mostly the first row
        if line.startswith("SCAN ") and not first and not line.removeprefix("SCAN ").startswith(OF_THE_STATEMENT):
            assert line == f"SCAN {MAY_SCAN.get(name)}"
        assert "AUTOMATIC" not in line
        assert "TEMP B-TREE FOR ORDER BY" not in line or name in SORTED


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("active_runs_of_thread", "runs_pending (tenant=? AND thread_id=?)"),
        ("other_active_statuses", "runs_pending (tenant=? AND thread_id=?)"),
        ("due_kinds", "runs_due (blocked=? AND <expr>>?)"),
        ("due_tenants", "runs_due (blocked=? AND <expr>=? AND tenant>?)"),
        ("due_tenants", "runs_running (tenant=?)"),
        ("claimable", "runs_due (blocked=? AND <expr>=? AND tenant=?)"),
        ("unblock_next", "runs_pending (tenant=? AND thread_id=?)"),
        ("count_due_of_tenant", "runs_due_by_tenant (tenant=?)"),
        ("count_due_of_kind", "runs_due (blocked=? AND <expr>=?)"),
        ("claimable", "runs_running (tenant=? AND thread_id=?)"),
        ("claimable", "runs_pending (tenant=? AND thread_id=? AND ordinal<?)"),
        ("promote_due", "runs_asleep (wake_at>? AND wake_at<?)"),
        ("runs_with_expired_interrupt", "runs_expiring (wake_at>? AND wake_at<?)"),
        ("ended_runs_before", "runs_ended (tenant=? AND status=? AND ordinal<?)"),
        ("runs_of_thread_before", "runs_by_thread (tenant=? AND thread_id=? AND ordinal<?)"),
        ("threads_by_created_at_down", "threads_newest (tenant=?)"),
        ("threads_by_updated_at_up", "threads_updated (tenant=?)"),
        ("threads_by_thread_id_down", "PRIMARY KEY (tenant=?)"),
        ("threads_needing_attention_down", "threads_attention (tenant=? AND status=?)"),
        ("threads_of_facet_by_created_at_down", "PRIMARY KEY (tenant=? AND kind=? AND key=? AND value=?)"),
        ("threads_of_facet_walked_down", "COVERING INDEX threads_updated (tenant=?)"),
        ("threads_of_facet_walked_down", "PRIMARY KEY (tenant=? AND kind=? AND key=? AND value=? AND ordinal=?)"),
        ("runs_of_facet_before", "PRIMARY KEY (tenant=? AND kind=? AND key=? AND value=? AND ordinal<?)"),
        ("page_by_updated_at_down", "COVERING INDEX threads_updated (tenant=?)"),
        ("page_by_created_at_down", "COVERING INDEX threads_newest (tenant=?)"),
        ("expiring_threads", "threads_expiring (expires_at<?)"),
        ("next_thread_expiry", "threads_expiring (expires_at>?)"),
        ("events_of_thread", "PRIMARY KEY (tenant=? AND thread_id=? AND seq>?)"),
        ("items_under", "PRIMARY KEY (tenant=? AND namespace>? AND namespace<?)"),
        ("expired_items", "store_items_expiring (expires_at>? AND expires_at<?)"),
        ("items_with_words", "PRIMARY KEY (tenant=? AND namespace=? AND key=?)"),
        ("drop_expired_facts", "facts_expiring (expires_at<?)"),
        ("drop_expired_facts", "PRIMARY KEY (tenant=? AND kind=? AND key=?)"),
        ("due_crons", "crons_due (wake_at>? AND wake_at<?)"),
        ("next_cron", "crons_due (wake_at>?)"),
        ("crons_by_created_at_descending", "crons_by_creation (tenant=?)"),
        ("assistants_by_created_at_descending", "assistants_by_creation (tenant=?)"),
        ("assistants_by_name", "assistants_by_name (tenant=?)"),
        ("next_due", "runs_asleep (wake_at>?)"),
        ("due_deliveries", "deliveries_due (next_at>? AND next_at<?)"),
        ("next_delivery", "deliveries_due (next_at>?)"),
        ("announce_overdue_deliveries", "deliveries_by_status (status=?)"),
        ("announce_overdue_deliveries", "PRIMARY KEY (tenant=? AND thread_id=? AND seq>?)"),
        ("free_overdue_deliveries", "deliveries_by_status (status=?)"),
        ("deliveries_with_status", "deliveries_by_status (status=? AND ordinal>?)"),
    ],
)
def test_a_statement_goes_by_its_index(db: sqlite3.Connection, name: str, index: str) -> None:
    assert any(line.endswith(index) for line in plan(db, name)), plan(db, name)


def test_migrations_are_applied_once(tmp_path: Path) -> None:
    with closing(connect_writer(tmp_path / "ledger.db")) as connection:
        migrate(connection)
        applied = connection.execute("SELECT number, name, at FROM migrations").fetchall()
        migrate(connection)
        assert connection.execute("SELECT number, name, at FROM migrations").fetchall() == applied
        names = ["0001_initial", "0002_facts", "0003_deliveries", "0004_time_travel"]
        assert [(number, name) for number, name, _ in applied][:4] == [*enumerate(names, 1)]


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "migrations"
    broken.mkdir()
    (broken / "0001_broken.sql").write_text("CREATE TABLE one (a);\nCREATE TABLE one (a);\n")
    monkeypatch.setattr("dragoman.memory.sqlite.connection._MIGRATIONS", broken)
    with closing(connect_writer(tmp_path / "ledger.db")) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection)
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == []
