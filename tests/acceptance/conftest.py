"""One server that asks for keys, two tenants, and every kind of run that a bad request can be about.

The server is a process, as people start it, and its ledger is read from the file beside it: what a request changed is
seen whatever the server says of it. The first tenant owns all that is there; the second owns nothing.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests import postgres

from .wire import Ask, modern

pytest.register_assert_rewrite("tests.acceptance.refusals")

DEADLINE = 20.0
CALLERS = {"ada": "acme", "dan": "acme", "bob": "globex", "cleo": "initech", "eve": "acme"}
# One run at work, one in the queue. No lease is renewed and no key remembered while a test looks.
SETTINGS = {"ENGINE__CONCURRENCY": "1", "ENGINE__QUEUE_LIMIT": "1", "ENGINE__LEASE": "3600", "AUTH__CACHE": "0"}


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "dragoman.cli", *map(str, arguments)]


@dataclass
class Desk:
    """The server: its callers' keys, and by ``names`` what is there (``waiting`` is the id of the run that waits for
    one answer)."""

    folder: Path
    storage: str
    http: httpx.Client
    keys: Mapping[str, str]
    names: dict[str, str] = field(default_factory=dict[str, str])

    # -- asking -------------------------------------------------------------------------------------------------------
    def send(self, ask: Ask, key: str | None, **headers: str) -> httpx.Response:
        """Send a request, as one of the callers or as nobody."""
        sent = {"Content-Type": "application/json", **ask.headers, **headers}
        if key is not None:
            sent["Authorization"] = f"Bearer {self.keys[key]}"
        filled = {name: self.filled(value) for name, value in sent.items()}
        content = ask.raw
        if content is None and ask.body is not None:
            content = self.filled(json.dumps(ask.body)).encode()
        return self.http.request(ask.method, self.filled(ask.path), content=content, headers=filled)

    def asked(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST JSON as ada, which must go well."""
        answer = self.send(Ask("agent_protocol", "POST", path, body), "ada", **headers)
        assert answer.is_success, answer.text
        return answer

    def until(self, name: str, status: str) -> None:
        """Wait until a run of ada's has this status, of the LangGraph SDK's."""
        deadline = time.monotonic() + DEADLINE
        while True:
            found = self.send(Ask("langgraph", "GET", f"/threads/${name}_thread/runs/${name}"), "ada").json()
            if found["status"] == status:
                return
            assert time.monotonic() < deadline, found

    def open(self, name: str, body: Mapping[str, Any]) -> Mapping[str, str]:
        """Open a run that asks and note its names; the ids of its questions by their keys."""
        run = self.asked("/runs/wait", body).json()["run"]
        self.names |= {name: run["run_id"], f"{name}_thread": run["thread_id"]}
        if "artifacts" in run:
            self.names.setdefault("artifact", run["artifacts"][0]["id"])  # the first run's, which waits
        return {asked["key"]: asked["id"] for asked in run["interrupts"]}

    # -- names --------------------------------------------------------------------------------------------------------
    def filled(self, text: str) -> str:
        """A text with each ``$name`` replaced by what it stands for."""
        return re.sub(r"\$([a-z_]+)", lambda found: self.names.get(found[1], found[0]), text)

    def nowhere(self) -> Desk:
        """The same server, with names of what is not there."""
        return replace(self, names={name: f"{value[:-6]}000000" for name, value in self.names.items()})

    def anonymous(self, text: str) -> str:
        """A text with what the names stand for replaced by the names."""
        for name, value in self.names.items():
            text = text.replace(value, f"${name}")
        return text

    # -- looking ------------------------------------------------------------------------------------------------------
    def kept(self) -> Mapping[str, list[Any]]:
        """Every row of every table of the ledger, and what the log has above information."""
        rows = _rows_of_postgres(self.storage) if "://" in self.storage else _rows_of_file(self.storage)
        lines = (self.folder / "stderr.log").read_text().splitlines()
        return {**rows, "log": [line for line in lines if _complains(json.loads(line))]}


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The server over a file, with its keys made while it runs and its runs as they are wanted."""
    folder = tmp_path_factory.mktemp("desk")
    with _serving(folder, str(folder / "ledger.db")) as made:
        yield made


@pytest.fixture(scope="session")
def desk_on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The same over a database."""
    server, name = postgres.shared(), f"desk_{os.getpid()}"
    with psycopg.connect(server.url(), autocommit=True) as database:
        database.execute(f'CREATE DATABASE "{name}"'.encode())
        with _serving(tmp_path_factory.mktemp("desk"), server.url(name)) as made:
            yield made
        database.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(params=["desk", "desk_on_postgres"], ids=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest) -> Desk:
    """Each of the two servers."""
    found: Desk = request.getfixturevalue(request.param)
    return found


@contextmanager
def _serving(folder: Path, ledger: str) -> Generator[Desk]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
    environment = {**kept, **{f"DRAGOMAN_{name}": value for name, value in SETTINGS.items()}}
    serve = _command("serve", Path(__file__).with_name("agents.py"), "--port", "0", "--storage", ledger)
    with (folder / "stderr.log").open("w") as errors:
        process = subprocess.Popen(
            [*serve, "--auth", "keys"], env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        url = _address(process, folder)
        keys = {name: _key(ledger, name, tenant) for name, tenant in CALLERS.items()}
        revoked = _command("keys", "revoke", keys["eve"], "--storage", ledger)
        subprocess.run(revoked, check=True, capture_output=True, timeout=DEADLINE)
        with httpx.Client(base_url=url, timeout=DEADLINE) as http:
            made = Desk(folder, ledger, http, keys, {"eve_key": keys["eve"], "ada_key": keys["ada"]})
            _furnish(made)
            yield made
    finally:
        process.kill()
        process.communicate()


def _complains(line: Mapping[str, Any]) -> bool:
    return line["level"] not in ("debug", "info")


def _rows_of_file(path: str) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


def _rows_of_postgres(url: str) -> dict[str, list[Any]]:
    with psycopg.connect(url) as database:
        found = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        read = {name: database.execute(f'SELECT * FROM "{name}"'.encode()).fetchall() for (name,) in found}
    return {name: sorted(rows, key=repr) for name, rows in read.items()}


def _address(process: subprocess.Popen[str], folder: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("  Agent Protocol"):
            return line.split()[-1]
    raise AssertionError((folder / "stderr.log").read_text())


def _key(ledger: str, name: str, tenant: str) -> str:
    made = _command("keys", "create", name, "--tenant", tenant, "--storage", ledger)
    return subprocess.run(made, check=True, capture_output=True, text=True, timeout=DEADLINE).stdout.strip()


def _furnish(desk: Desk) -> None:
    """A run that waits, one that waits for a second answer, one that has ended; an item, a session, a request's
    state."""
    refund = {"agent_id": "refund", "input": {"order_id": "A-1", "amount": 250}}
    names = desk.names
    names["question"] = desk.open("waiting", refund)["decision"]
    names["done_question"] = desk.open("done", refund)["decision"]
    desk.asked("/runs/$done/resume", {"answer": "approve"})
    desk.until("done", "success")
    names["heavy"] = desk.open("half", {"agent_id": "weigh", "input": {"order_id": "A-2"}})["heavy"]
    desk.asked("/runs/$half/resume", {"answers": {"heavy": "yes"}})
    desk.until("half", "interrupted")
    item = {"namespace": ["notes"], "key": "one", "value": {"text": "mine"}}
    assert desk.send(Ask("agent_protocol", "PUT", "/store/items", item), "ada").is_success
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    opened = desk.asked("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    names["session"] = opened.headers["mcp-session-id"]
    call = modern("tools/call", {"name": "refund", "arguments": refund["input"]}, elicitation={})
    names["state"] = desk.send(call, "ada").json()["result"]["requestState"]
