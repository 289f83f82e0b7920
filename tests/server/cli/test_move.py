"""A served ledger is moved from its file to Postgres by one command, and all that was under way goes on there."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests import postgres

Run = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[..., Any]
Until = Callable[[Callable[[], bool]], None]

SETTINGS = """
agents = ["agents.py"]
[egress]
allow = ["127.0.0.1"]
[outbox]
backoff = 0.05
backoff_limit = 0.1
attempts = 1000
"""
MCP = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}


@pytest.fixture
def url() -> Iterator[str]:
    server = postgres.shared()
    name = f"moved_{os.getpid()}"
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server.url(name)
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


class Hook:
    """A port that refuses until it is opened, and then notes what comes."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.server_bind()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def open(self) -> None:
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _mcp(client: httpx.Client, method: str, session: str | None, **params: Any) -> httpx.Response:
    more = {} if session is None else {"mcp-session-id": session}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return client.post("/mcp", json=body, headers={**MCP, **more})


def _session(client: httpx.Client) -> str:
    about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    begun = _mcp(client, "initialize", None, **about)
    assert begun.status_code == 200, begun.text
    return begun.headers["mcp-session-id"]


def test_all_that_was_under_way_goes_on_in_the_database(
    run: Run, serve: Serve, folder: Path, url: str, until: Until
) -> None:
    (folder / "dragoman.toml").write_text(SETTINGS)
    hook = Hook()
    key = run("keys", "create", "ada").stdout.strip()
    bearer = {"authorization": f"Bearer {key}"}
    server = serve("--auth", "keys")
    with server.client(**bearer) as client:
        waiting = client.post("/runs/wait", json={"agent_id": "picker", "input": {}}).json()["run"]
        at_work = client.post("/runs", json={"agent_id": "finisher", "input": {"folder": str(folder)}}).json()
        until(lambda: (folder / "started").exists())
        told = client.post("/threads", json={}).json()["thread_id"]
        owed = client.post(
            f"/threads/{told}/runs", json={"assistant_id": "greeter", "input": {"name": "Ada"}, "webhook": hook.url}
        )
        assert owed.status_code == 200, owed.text
        cron = client.post(
            "/runs/crons", json={"assistant_id": "greeter", "schedule": "@yearly", "input": {"name": "Cron"}}
        )
        assert cron.status_code == 200, cron.text
        item = {"namespace": ["users", "ada"], "key": "likes", "value": {"tea": "green"}}
        assert client.put("/store/items", json=item).status_code == 204
        session = _session(client)
        refused = run("move", "--to", url)
        assert refused.returncode == 1
        assert "open in process" in refused.stderr
    server.stop(signal.SIGKILL)
    ledger = folder / ".dragoman/ledger.db"
    with closing(sqlite3.connect(ledger)) as db:
        db.execute("UPDATE crons SET next_at = 1, wake_at = 1")  # it is the first of January
        before = dict(db.execute("SELECT thread_id, max(seq) FROM events GROUP BY thread_id").fetchall())
        db.commit()

    done = run("move", "--to", url)
    assert done.returncode == 0, done.stderr
    assert not ledger.exists()
    assert "ledger.db.key" in done.stderr

    hook.open()
    again = serve("--auth", "keys", "--storage", url)
    try:
        with again.client(**bearer) as client:
            got = client.get("/store/items", params={"namespace": ["users", "ada"], "key": "likes"}).json()
            assert got["value"] == {"tea": "green"}
            assert _mcp(client, "tools/list", session).status_code == 200
            assert _mcp(client, "tools/list", "another").status_code == 404
            (folder / "finish").touch()
            ended = client.get(f"/runs/{at_work['run_id']}/wait").json()
            assert ended["run"]["status"] == "success", ended
            for question in ("colour", "size"):
                answered = run(
                    "approve",
                    waiting["run_id"],
                    "--question",
                    question,
                    "--answer",
                    "x",
                    "--url",
                    again.url,
                    "--key",
                    key,
                )
                assert answered.returncode == 0, answered.stderr
            assert client.get(f"/runs/{waiting['run_id']}/wait").json()["run"]["status"] == "success"
            until(lambda: len(hook.got) == 1)
            until(lambda: _by_cron(client))
    finally:
        hook.close()
    with psycopg.connect(url) as db:
        logs = db.execute("SELECT thread_id, min(seq), max(seq), count(*) FROM events GROUP BY thread_id").fetchall()
        heads: dict[str, int] = dict(db.execute("SELECT id, last_seq FROM threads").fetchall())
    for thread, first, last, count in logs:
        assert (first, last) == (1, count), f"the log of {thread} has a gap"
        assert heads[thread] == last >= before.get(thread, 0)


def _by_cron(client: httpx.Client) -> bool:
    found = client.post("/runs/search", json={"status": "success", "limit": 50}).json()
    return any(each["input"] == {"name": "Cron"} for each in found)


def test_a_target_that_is_no_database_is_refused(run: Run) -> None:
    refused = run("move", "--to", "other.db")
    assert refused.returncode == 2
    assert "postgresql://" in refused.stderr


def test_a_file_that_is_kept_stays_where_it_is(run: Run, folder: Path, url: str) -> None:
    assert run("run", "greeter", '{"name": "Ada"}').returncode == 0
    done = run("move", "--to", url, "--keep", "--from", folder / ".dragoman/ledger.db")
    assert done.returncode == 0, done.stderr
    assert (folder / ".dragoman/ledger.db").exists()
    again = run("move", "--to", url)
    assert again.returncode == 1
    assert "not empty" in again.stderr
