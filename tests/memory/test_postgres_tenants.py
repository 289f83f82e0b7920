"""Row-level security: what a connection of the server's role sees and writes, whatever SQL it sends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dragoman.memory.errors import Conflict
from dragoman.memory.ledger import Batch, Change, NewStep
from dragoman.memory.model import RunStatus, StepStatus
from dragoman.memory.postgres.bulk import PostgresBulk
from dragoman.memory.postgres.ledger import PostgresLedger

from .helpers import start, submission
from .postgres_ledgers import url_of

pytestmark = pytest.mark.anyio

_MANY = """
INSERT INTO steps SELECT 'a', 'r' || n, 'k', 'finished', '', 1, 0, 0, '1' FROM generate_series(1, 3000) AS n;
INSERT INTO threads SELECT 'a', 't' || n, n, 'idle', 0, n, 0, '{}' FROM generate_series(1, 3000) AS n;
"""
Db = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
async def url(tmp_path: Path) -> str:
    """Two tenants, each with a run that has ended, a word in the store and a thread."""
    where = url_of(tmp_path)
    ledger = PostgresLedger(where)
    await ledger.open()
    for tenant in ("a", "b"):
        _, lease = await start(ledger, tenant=tenant, thread_id="t")
        await ledger.commit(lease, Batch(values={"n": 1}, steps=[NewStep("s", StepStatus.FINISHED, result=1)]))
        await ledger.commit(lease, Batch(change=Change(RunStatus.SUCCEEDED)))
        await ledger.put_item(tenant, ("notes",), "n", {"text": "pelican"})
    await ledger.close()
    return where


@pytest.fixture
def login(url: str) -> Iterator[str]:
    """The URL of a role that an operator made: it may be dragoman_app and nothing else."""
    name = f"serves_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        db.execute(sql.SQL("GRANT dragoman_app TO {}").format(sql.Identifier(name)))
    yield url.replace("user=postgres", f"user={name}")
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def app(login: str) -> Iterator[Db]:
    with psycopg.connect(login, autocommit=True) as db:
        db.execute("SET ROLE dragoman_app")
        yield db


def _insert(bulk: PostgresBulk, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    with bulk.writing():
        bulk.insert(table, columns, rows)


def tables_of_tenants(url: str) -> list[str]:
    with psycopg.connect(url) as db:
        found = db.execute(
            "SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant'"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        )
        return sorted(name for (name,) in found.fetchall())


def seen(db: Db, table: str) -> set[str]:
    found = db.execute(sql.SQL("SELECT tenant FROM {}").format(sql.Identifier(table)))
    return {tenant for (tenant,) in found.fetchall()}


async def test_every_table_that_has_a_tenant_is_guarded_also_from_its_owner(url: str) -> None:
    names = tables_of_tenants(url)
    assert {"runs", "events", "steps", "threads", "checkpoints", "store_items", "api_keys"} <= set(names)
    with psycopg.connect(url) as db:
        found = db.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND NOT relispartition"
        )
        assert sorted(name for (name,) in found.fetchall()) == sorted([*names, "store_words"])


async def test_the_roles_own_nothing_and_obey(url: str) -> None:
    with psycopg.connect(url) as db:
        found = db.execute(
            "SELECT rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole, "
            "EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) FROM pg_roles AS r WHERE rolname LIKE 'dragoman%'"
        )
        assert found.fetchall() == [(False, False)] * 2


async def test_what_is_unique_is_unique_in_its_tenant(url: str) -> None:
    """So that a shard can promise it; what is the same on every shard is in docs/postgres.md."""
    with psycopg.connect(url) as db:
        found = db.execute(
            "SELECT DISTINCT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid"
            " WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT"
            " FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND a.attnum = i.indkey[0])"
        )
        assert {name for (name,) in found.fetchall()} == {
            "api_keys",
            "identity",
            "migrations",
            "store_words",
            "workers",
        }


async def test_with_no_tenant_named_no_row_is_seen(app: Db, url: str) -> None:
    assert {name: seen(app, name) for name in tables_of_tenants(url)} == {n: set[str]() for n in tables_of_tenants(url)}
    assert app.execute("SELECT count(*) FROM store_words").fetchone() == (0,)


async def test_a_tenant_sees_its_rows_alone(app: Db, url: str) -> None:
    with app.transaction():
        app.execute("SELECT set_config('dragoman.tenant', 'a', true)")
        assert {name: seen(app, name) - {"a"} for name in tables_of_tenants(url)} == {
            name: set[str]() for name in tables_of_tenants(url)
        }
        for table in ("runs", "events", "steps", "threads", "checkpoints", "store_items"):
            assert seen(app, table) == {"a"}
        assert app.execute("SELECT text FROM store_words").fetchall() == [("pelican\n",)]
        words = "dragoman_items_with_words('', 'z', 0, ARRAY['pelican'], 10)"
        assert len(app.execute(f"SELECT key FROM {words}".encode()).fetchall()) == 1
    assert seen(app, "runs") == set(), "the tenant is named for one transaction"


async def test_a_tenant_writes_nothing_of_another(app: Db) -> None:
    with app.transaction():
        app.execute("SELECT set_config('dragoman.tenant', 'a', true)")
        assert app.execute("UPDATE threads SET status = 'error' WHERE tenant = 'b'").rowcount == 0
        assert app.execute("DELETE FROM events WHERE tenant = 'b'").rowcount == 0
    for refused in (
        "INSERT INTO facts VALUES ('b', 'k', 'k', 0, 'x')",
        "INSERT INTO events (tenant, thread_id, seq, run_id, type, at, data) VALUES ('b', 't', 99, 'r', 'x', 0, 'x')",
        "UPDATE threads SET tenant = 'b', id = 'stolen'",
    ):
        with app.transaction(force_rollback=True):
            app.execute("SELECT set_config('dragoman.tenant', 'a', true)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                app.execute(refused.encode())


@pytest.mark.parametrize(
    "attempt",
    [
        "ALTER TABLE runs DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE runs NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY of_tenant ON runs",
        "CREATE POLICY mine ON runs USING (true)",
        "ALTER ROLE dragoman_app BYPASSRLS",
        "SET ROLE postgres",
        "SET ROLE dragoman_worker",
        "SET SESSION AUTHORIZATION postgres",
        "GRANT dragoman_worker TO dragoman_app",
        "TRUNCATE runs",
        "DROP TABLE runs",
        "CREATE OR REPLACE FUNCTION dragoman_tenant() RETURNS text LANGUAGE sql AS $$ SELECT 'b' $$",
        "SELECT dragoman_secure()",
        "SET row_security = off; SELECT * FROM runs",
        "INSERT INTO migrations VALUES (999, 'x', 0)",
    ],
)
async def test_the_policies_cannot_be_turned_off(app: Db, attempt: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.DuplicateObject)):
        app.execute(attempt.encode())


async def test_a_server_whose_role_only_serves_works(url: str, login: str) -> None:
    name = login.partition("user=")[2]
    with pytest.raises(Conflict, match="GRANT dragoman_app, dragoman_worker TO"):
        await PostgresLedger(login).open()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.SQL("GRANT dragoman_worker TO {}").format(sql.Identifier(name)))
    ledger = PostgresLedger(login)
    assert await ledger.migrate() == []
    await ledger.open()
    await ledger.submit(submission(tenant="c"))
    [(lease, _, _)] = await ledger.claim("w", 5)
    await ledger.commit(lease, Batch(change=Change(RunStatus.SUCCEEDED)))
    assert (await ledger.load("c", lease.run_id)).run.status is RunStatus.SUCCEEDED
    await ledger.close()
    with psycopg.connect(login) as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute("SET ROLE postgres")


async def test_an_owner_that_is_no_superuser_migrates_serves_and_brings_rows(url: str) -> None:
    owner = f"owns_{os.getpid()}"
    name = sql.Identifier(owner)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        db.execute(sql.SQL("GRANT dragoman_app, dragoman_worker TO {}").format(name))
        db.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
    own = url.replace("user=postgres", f"user={owner}").replace(f"ledger_{os.getpid()}", owner)
    ledger = PostgresLedger(own)
    await ledger.open()
    made = await ledger.submit(submission(tenant="c"), "w")
    assert made.lease is not None
    await ledger.commit(made.lease, Batch(change=Change(RunStatus.SUCCEEDED)))
    await ledger.close()
    with psycopg.connect(own) as db:
        assert db.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)
        assert seen(db, "runs") == {"c"}
    bulk = PostgresBulk(own)
    columns = ("tenant", "kind", "key", "expires_at", "value")
    rows = [("d", "kind", "key", 1, b"1")]
    await asyncio.to_thread(_insert, bulk, "facts", columns, rows)
    with psycopg.connect(own) as db:
        assert seen(db, "facts") == {"d"}
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        db.execute(sql.SQL("DROP ROLE {}").format(name))


async def test_an_index_is_used_as_if_there_were_no_policy(app: Db, url: str) -> None:
    with psycopg.connect(url) as db:
        db.execute(_MANY)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("ANALYZE")
    with app.transaction():
        app.execute("SELECT set_config('dragoman.tenant', 'a', true)")
        for query, index in {
            "SELECT 1 FROM steps WHERE tenant = 'a' AND run_id = 'r' AND key = 'k'": "steps_pkey",
            "SELECT 1 FROM threads WHERE tenant = 'a' AND ordinal < 5 ORDER BY ordinal DESC": "threads_newest",
        }.items():
            plan = "\n".join(row for (row,) in app.execute(f"EXPLAIN {query}".encode()).fetchall())
            assert index in plan
            assert "Seq Scan" not in plan
            assert "One-Time Filter" in plan, "the policy is looked at once, not for each row"


_AS_OWNER = (
    "dragoman_count_due(0, 10)",
    "dragoman_running_of_agent('echo')",
    "dragoman_due_of_agent('echo')",
    "dragoman_items_with_words('', 'z', 0, ARRAY['pelican'], 10)",
)


_SHADOWS = (
    "runs AS SELECT pg_temp.told() AS status, NULL::bigint AS wake_at, 'echo' AS agent, 0 AS blocked",
    "store_texts AS SELECT * FROM public.store_texts WHERE pg_temp.told() = ''",
)


@pytest.mark.parametrize("shadow", _SHADOWS)
async def test_what_stands_in_a_tables_place_is_not_run_as_the_owner(app: Db, shadow: str) -> None:
    with app.transaction(force_rollback=True):
        app.execute("SELECT set_config('dragoman.tenant', 'a', true)")
        app.execute(
            "CREATE FUNCTION pg_temp.told() RETURNS text LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'run as %', current_user; END $$"
        )
        app.execute(f"CREATE TEMPORARY VIEW {shadow}".encode())
        for call in _AS_OWNER:
            app.execute(f"SELECT {call}".encode()).fetchall()


async def test_no_function_of_the_owner_is_anybodys(url: str, login: str) -> None:
    name = f"serves_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(sql.SQL("REVOKE dragoman_app FROM {}").format(sql.Identifier(name)))
    with psycopg.connect(login, autocommit=True) as db:
        db.execute("SELECT set_config('dragoman.tenant', 'a', false)")
        for call in _AS_OWNER:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(f"SELECT {call}".encode())
