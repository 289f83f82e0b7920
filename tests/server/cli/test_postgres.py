"""The command line on a ledger that is a Postgres database: migrate, keys, a worker, a server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from tests import postgres

from dragoman.memory.ledger import Submission
from dragoman.memory.model import RunStatus
from dragoman.memory.postgres.ledger import PostgresLedger

pytestmark = pytest.mark.anyio
AGENTS = """
from dragoman.agents import Context, agent

@agent
async def greet(ctx: Context, name: str) -> str:
    return f"Hello, {name}"
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    server = postgres.shared()
    name = f"cli_{os.getpid()}"
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server.url(name)
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    file = tmp_path / "agents.py"
    file.write_text(AGENTS)
    return file


def dragoman(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dragoman.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


@asynccontextmanager
async def begun(folder: Path, *arguments: str) -> AsyncGenerator[str]:
    """A process, from its first line on stdout until SIGTERM ends it well."""
    command = [sys.executable, "-m", "dragoman.cli", *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            yield (await process.stdout.readline()).decode()
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 0


async def test_migrate_applies_what_is_lacking_once(url: str, tmp_path: Path) -> None:
    first, second = (dragoman(tmp_path, "migrate", "--storage", url) for _ in range(2))
    assert (first.returncode, first.stderr.splitlines()[0]) == (0, "applied 0001_initial")
    assert (second.returncode, second.stderr) == (0, "nothing to do\n")


async def test_keys_are_made_listed_and_revoked_in_the_database(url: str, tmp_path: Path) -> None:
    made = dragoman(tmp_path, "keys", "create", "ada", "--storage", url)
    assert made.returncode == 0, made.stderr
    [row] = json.loads(dragoman(tmp_path, "keys", "list", "--storage", url, "--json").stdout)
    assert row["subject"] == "ada"
    assert dragoman(tmp_path, "keys", "revoke", row["id"], "--storage", url).returncode == 0
    assert made.stdout.strip() not in made.stderr
    assert json.loads(dragoman(tmp_path, "deliveries", "list", "--storage", url, "--json").stdout) == []


async def test_a_worker_drives_what_another_process_submits(url: str, tmp_path: Path, agents: Path) -> None:
    ledger = PostgresLedger(url, connections=2)
    await ledger.open()
    try:
        worker = begun(tmp_path, "worker", str(agents), "--storage", url)
        async with worker as line, aclosing(ledger.news()) as news:
            assert line.startswith("Dragoman works on postgresql://")
            await anext(news)  # it listens
            wanted = Submission("acme", "greet", "1.0.0", "01234567-89ab-7def-8123-456789abcdef", {"name": "Ada"})
            submitted = await ledger.submit(wanted)
            assert submitted.lease is None
            run = submitted.run
            while not run.ended:
                await anext(news)
                run = (await ledger.load("acme", run.id)).run
            assert (run.status, run.output) == (RunStatus.SUCCEEDED, "Hello, Ada")
    finally:
        await ledger.close()


async def test_a_server_says_where_its_ledger_is_without_a_password(url: str, tmp_path: Path, agents: Path) -> None:
    named = url.replace("user=postgres", "user=postgres&password=hunter2")
    async with begun(tmp_path, "serve", str(agents), "--port", "0", "--storage", named) as line:
        assert line == "Dragoman serves greet\n"


def test_a_worker_without_a_database_is_told_what_it_needs(tmp_path: Path, agents: Path) -> None:
    refused = dragoman(tmp_path, "worker", str(agents), "--storage", "ledger.db")
    assert refused.returncode == 2
    assert "give a Postgres URL as --storage" in refused.stderr
