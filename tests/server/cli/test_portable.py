"""The commands that export a tenant from a served ledger and import it elsewhere."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[..., Any]


def test_a_waiting_run_is_exported_from_a_server_and_goes_on_in_another(run: Run, serve: Serve, folder: Path) -> None:
    server = serve()
    with server.client() as client:
        waiting = client.post("/runs/wait", json={"agent_id": "picker", "input": {}}).json()["run"]["run_id"]
    done = run("export", "acme.jsonl")
    assert done.returncode == 0, done.stderr
    assert "1 runs" in done.stderr
    refused = run("import", "acme.jsonl", "--tenant", "other")
    assert refused.returncode == 1
    assert "open in process" in refused.stderr
    imported = run("import", "acme.jsonl", "--storage", "other.db")
    assert imported.returncode == 0, imported.stderr
    server.stop()

    other = serve("--storage", "other.db")
    with other.client() as client:
        for question in ("colour", "size"):
            answered = run("approve", waiting, "--question", question, "--answer", "x", "--url", other.url)
            assert answered.returncode == 0, answered.stderr
        assert client.get(f"/runs/{waiting}/wait").json()["run"]["status"] == "success"


def test_what_is_not_there_is_not_exported_and_nothing_is_overwritten(run: Run, folder: Path) -> None:
    assert "no ledger" in run("export", "acme.jsonl").stderr
    assert run("run", "greeter", '{"name": "Ada"}').returncode == 0
    assert "nothing of a tenant 'acme'" in run("export", "acme.jsonl", "--tenant", "acme").stderr
    assert not (folder / "acme.jsonl").exists()
    assert run("export", "acme.jsonl").returncode == 0
    again = run("export", "acme.jsonl")
    assert again.returncode == 1
    assert "overwrites nothing" in again.stderr
