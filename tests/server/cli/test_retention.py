"""A server forgets what its settings say is old, and its clients are told plainly what is not there any more."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[..., Any]
Until = Callable[[Callable[[], bool]], None]

FORGETS = 'agents = ["agents.py"]\n[retention]\ninterval = 1\n{kind} = {days}\n'


def test_what_is_old_is_not_found_and_what_waits_goes_on(serve: Serve, folder: Path, run: Run, until: Until) -> None:
    (folder / "dragoman.toml").write_text(FORGETS.format(kind="runs", days="0.00003"))  # time to be told of its end
    server = serve()
    with server.client() as client:
        waiting = client.post("/runs/wait", json={"agent_id": "picker", "input": {}}).json()["run"]
        done = client.post("/runs/wait", json={"agent_id": "greeter", "input": {"name": "Ada"}}).json()["run"]
        until(lambda: client.get(f"/runs/{done['run_id']}").status_code == 404)
        gone = client.get(f"/runs/{done['run_id']}/stream")
        assert gone.status_code == 404
        assert "No run" in gone.text
        assert client.get(f"/runs/{waiting['run_id']}").json()["status"] == "interrupted"
        for question in ("colour", "size"):
            done_ = run("approve", waiting["run_id"], "--question", question, "--answer", "x", "--url", server.url)
            assert done_.returncode == 0, done_.stderr


def test_a_run_whose_events_are_gone_is_told_by_its_result(serve: Serve, folder: Path, until: Until) -> None:
    (folder / "dragoman.toml").write_text(FORGETS.format(kind="events", days="0.0000001"))
    server = serve()
    with server.client() as client:
        told = client.post("/runs/wait", json={"agent_id": "poet", "input": {}}).json()["run"]
        until(lambda: _types(folder) == ["log.purged"])
        assert client.get(f"/runs/{told['run_id']}").json()["status"] == "success"
        beginning = {"last-event-id": "-1"}
        stream = client.get(f"/runs/{told['run_id']}/stream", headers=beginning, params={"stream_mode": "custom"})
        assert stream.status_code == 200
        assert '"name":"log.purged","data":{"through":' in stream.text
        assert "Roses " not in stream.text
        again = client.post(
            "/runs/wait", json={"agent_id": "greeter", "input": {"name": "Ada"}, "thread_id": told["thread_id"]}
        )
        assert again.json()["run"]["status"] == "success"


def _types(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / ".dragoman/ledger.db")) as db:
        return [type for (type,) in db.execute("SELECT type FROM events ORDER BY seq")]
