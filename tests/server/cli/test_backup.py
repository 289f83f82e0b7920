"""A backup is made while a server writes; what was acknowledged before it began is in it, and goes on from it."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from dragoman.memory.sqlite.backup import back_up

Run = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[..., Any]


class _Load:
    """Runs, one after another in each of four threads, and those that were acknowledged."""

    def __init__(self, server: Any) -> None:
        self.acknowledged: list[str] = []
        self.longest = 0.0
        self._server = server
        self._over = threading.Event()

    def _submit(self) -> None:
        with self._server.client() as client:
            while not self._over.is_set():
                try:
                    answer = client.post("/runs/wait", json={"agent_id": "greeter", "input": {"name": "Ada"}})
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                self.acknowledged.append(answer.json()["run"]["run_id"])
                self.longest = max(self.longest, answer.elapsed.total_seconds())

    @contextmanager
    def going_on(self) -> Generator[None]:
        threads = [threading.Thread(target=self._submit) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()


def _waiting(client: httpx.Client) -> str:
    asked = client.post("/runs/wait", json={"agent_id": "picker", "input": {}})
    assert asked.status_code == 200, asked.text
    assert asked.json()["run"]["status"] == "interrupted"
    return str(asked.json()["run"]["run_id"])


def test_what_was_acknowledged_before_a_backup_is_there_after_kill_nine_and_restore(
    run: Run, serve: Serve, folder: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    server = serve()
    load = _Load(server)
    with server.client() as client:
        waiting = _waiting(client)
    with load.going_on():
        until(lambda: len(load.acknowledged) >= 200)
        before = list(load.acknowledged)
        made = run("backup", "saved.db")
        during = len(load.acknowledged) - len(before)
        until(lambda: len(load.acknowledged) >= len(before) + during + 20)
        server.stop(signal.SIGKILL)
    assert made.returncode == 0, made.stderr
    assert during > 0, "no run was done while the backup was made"

    refused = run("restore", "saved.db")
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    restored = run("restore", "saved.db", "--replace")
    assert restored.returncode == 0, restored.stderr
    assert len(list((folder / ".dragoman").glob("ledger.db.before-*"))) >= 1

    again = serve()
    with again.client() as client:
        for run_id in before:
            assert client.get(f"/runs/{run_id}").json()["status"] == "success", run_id
        answered = run("approve", waiting, "--question", "colour", "--answer", "red", "--url", again.url)
        assert answered.returncode == 0, answered.stderr
        answered = run("approve", waiting, "--question", "size", "--answer", "small", "--url", again.url)
        assert answered.returncode == 0, answered.stderr
        ended = client.get(f"/runs/{waiting}/wait").json()
        assert ended["run"]["status"] == "success", ended
    with closing(sqlite3.connect(folder / ".dragoman/ledger.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_manifest_says_what_a_backup_holds(run: Run, folder: Path) -> None:
    assert run("run", "greeter", '{"name": "Ada"}').returncode == 0
    assert run("backup", "saved.db").returncode == 0
    manifest = json.loads((folder / "saved.db.manifest.json").read_text())
    assert manifest["rows"]["runs"] == 1
    assert manifest["size"] == (folder / "saved.db").stat().st_size
    assert (folder / "saved.db").stat().st_mode & 0o077 == 0


def test_a_backup_overwrites_nothing_and_leaves_nothing_half_made(run: Run, folder: Path) -> None:
    assert run("run", "greeter", '{"name": "Ada"}').returncode == 0
    (folder / "saved.db").write_text("mine")
    refused = run("backup", "saved.db")
    assert refused.returncode == 1
    assert (folder / "saved.db").read_text() == "mine"
    assert not list(folder.glob("*.partial*"))


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_damaged_backup_is_refused_and_the_ledger_stays(run: Run, folder: Path, damage: str) -> None:
    assert run("run", "greeter", '{"name": "Ada"}').returncode == 0
    assert run("backup", "saved.db").returncode == 0
    data = bytearray((folder / "saved.db").read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 0xFF
    else:
        del data[len(data) // 2 :]
    (folder / "saved.db").write_bytes(data)
    kept = (folder / ".dragoman/ledger.db").read_bytes()
    refused = run("restore", "saved.db", "--replace")
    assert refused.returncode == 1
    assert "manifest" in refused.stderr
    (folder / "saved.db.manifest.json").unlink()
    if damage == "cut":
        assert "damaged" in run("restore", "saved.db", "--replace").stderr
    assert (folder / ".dragoman/ledger.db").read_bytes() == kept
    assert not list((folder / ".dragoman").glob("*.partial*"))


def test_a_ledger_that_a_server_has_open_is_not_replaced(run: Run, serve: Serve) -> None:
    serve()
    assert run("backup", "saved.db").returncode == 0
    refused = run("restore", "saved.db", "--replace")
    assert refused.returncode == 1
    assert "open in process" in refused.stderr


def test_for_postgres_the_command_names_the_means_of_postgres(run: Run) -> None:
    refused = run("backup", "saved.db", "--storage", "postgresql://ada:secret@db/dragoman")
    assert refused.returncode == 2
    assert "pg_dump" in refused.stderr
    assert "secret" not in refused.stderr


def test_a_backup_is_of_the_moment_it_began_however_much_is_written_meanwhile(run: Run, folder: Path) -> None:
    assert run("run", "greeter", '{"name": "Ada"}').returncode == 0
    ledger = folder / ".dragoman/ledger.db"
    with closing(sqlite3.connect(ledger, isolation_level=None)) as db:
        db.execute("CREATE TABLE ballast (data BLOB)")
        db.executemany("INSERT INTO ballast VALUES (randomblob(?))", [(100_000,)] * 200)
        steps: list[int] = []

        def told(done: int, pages: int) -> None:
            steps.append(done)
            db.execute("INSERT INTO facts VALUES ('t', 'during', ?, 0, x'31')", (str(len(steps)),))

        back_up(ledger, folder / "saved.db", told)
    assert len(steps) > 3
    assert steps == sorted(steps), "it was begun anew"
    with closing(sqlite3.connect(folder / "saved.db")) as db:
        assert db.execute("SELECT count(*) FROM facts WHERE kind = 'during'").fetchone() == (0,)
