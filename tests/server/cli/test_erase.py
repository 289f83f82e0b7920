"""The command that deletes a person: shown first, done then, and nothing is found afterwards."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[..., Any]
WHO = "person-4711@example.org"


def _fill(run: Run, serve: Serve) -> None:
    keys = [run("keys", "create", subject).stdout.strip() for subject in (WHO, "bob")]
    server = serve("--auth", "keys")
    with (
        server.client(authorization=f"Bearer {keys[0]}") as theirs,
        server.client(authorization=f"Bearer {keys[1]}") as bobs,
    ):
        assert theirs.post("/runs/wait", json={"agent_id": "greeter", "input": {"name": WHO}}).status_code == 200
        item = {"namespace": ["users", WHO], "key": "likes", "value": {"tea": "green"}}
        assert theirs.put("/store/items", json=item).status_code == 204
        assert theirs.post("/runs/wait", json={"agent_id": "picker", "input": {}}).status_code == 200
        told = bobs.post("/runs/wait", json={"agent_id": "greeter", "input": {"name": f"a friend of {WHO}"}})
        assert told.status_code == 200
    server.stop()


def _held(folder: Path) -> set[str]:
    return {file.name for file in (folder / ".dragoman").iterdir() if WHO.encode() in file.read_bytes()}


def test_a_person_is_shown_deleted_and_not_found_again(run: Run, serve: Serve, folder: Path) -> None:
    _fill(run, serve)
    assert _held(folder)
    shown = run("erase", "--person", WHO, "--dry-run", "--json")
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert told["rows"]["runs"] == 2
    assert told["rows"]["store_items"] == told["rows"]["api_keys"] == len(told["active_runs"]) == 1
    assert told["named_in"]["runs"] == 1
    assert json.loads(run("erase", "--person", WHO, "--dry-run", "--json").stdout) == told

    refused = run("erase", "--person", WHO)
    assert refused.returncode == 1
    assert "--cancel" in refused.stderr
    done = run("erase", "--person", WHO, "--cancel", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["left"] == []
    assert _held(folder) == set()
    assert json.loads(run("keys", "list", "--json").stdout)[0]["subject"] == "bob"
    again = run("erase", "--person", WHO, "--json")
    assert (again.returncode, json.loads(again.stdout)) == (0, {"deleted": {}, "changed": 0, "left": []})


def test_a_ledger_that_a_server_has_open_is_shown_and_not_changed(run: Run, serve: Serve) -> None:
    serve()
    assert run("erase", "--person", WHO, "--dry-run").returncode == 0
    refused = run("erase", "--person", WHO)
    assert refused.returncode == 1
    assert "open in process" in refused.stderr
