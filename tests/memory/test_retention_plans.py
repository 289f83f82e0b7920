"""A batch of retention costs the same whether a thousand threads are as old as its own or a million."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from dragoman.memory.sqlite.connection import connect_writer, migrate
from dragoman.memory.statements import SQL

ONE = re.compile(r"tenant=\? AND (id|run_id|thread_id|parent_run_id|key)=\?|delivery=\?|rowid=\?|LIST|SCALAR|json_each")
NAMES = [
    "free_threads",
    "free_runs",
    "quiet_logs",
    "old_deliveries",
    "purge_passed_letters",
    "forget_artifacts_of_runs",
]
OF_RUNS = ["steps", "interrupts", "artifacts", "dead_letters", "delivery_secrets", "deliveries", "runs"]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    with closing(connect_writer(tmp_path_factory.mktemp("plans") / "ledger.db")) as connection:
        migrate(connection)
        yield connection


@pytest.mark.parametrize("name", [*NAMES, *(f"purge_{table}" for table in OF_RUNS)])
def test_what_is_looked_at_is_found_by_what_names_it(db: sqlite3.Connection, name: str) -> None:
    width = max(map(int, re.findall(r"\?(\d)", SQL[name])))
    for *_, line in db.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", [None] * width):
        assert ONE.search(line), line


def test_a_walk_goes_on_from_its_place_by_an_index(db: sqlite3.Connection) -> None:
    for name, index in (("ended_runs_after", "runs_ended"), ("threads_unused_after", "threads_updated")):
        [(*_, line)] = db.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", [None] * SQL[name].count("?")).fetchall()
        assert f"{index} (tenant=? AND" in line
        assert "ordinal" in line
