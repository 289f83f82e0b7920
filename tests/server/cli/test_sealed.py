"""What users say never reaches the disk in plain: a served ledger is filled through every face with marked texts in
every field, and then all files are searched for the mark."""

from __future__ import annotations

import base64
import os
import signal
import sqlite3
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests import postgres

Run = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[..., Any]
Until = Callable[[Callable[[], bool]], None]

KEY = base64.b64encode(b"k" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()
MCP = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
SETTINGS = """
agents = ["keeper.py"]
[egress]
allow = ["127.0.0.1"]
[outbox]
attempts = 1
[blobs]
url = "large"
threshold = 1024
"""
AGENTS = """
from pathlib import Path
from dragoman.agents import Context, agent

async def look(text: str) -> dict[str, str]:
    return {"found": text + " in a step"}

async def fail(text: str) -> None:
    raise ValueError(text + " in a failure")

@agent(description="Puts what it is told everywhere.")
async def keeper(ctx: Context, text: str, end: str = "well") -> str:
    found = await ctx.step(look, text)
    await ctx.emit("note", {"text": text + " in an event"})
    await ctx.stream_text(text + " in a stream ")
    await ctx.progress(1, 2, text + " in progress")
    await ctx.artifact("report.txt", text + " in an artifact")
    await ctx.update({"value": text + " in a value"})
    await ctx.append({"role": "assistant", "content": text + " in a message"})
    for n in range(70):
        await ctx.update({"value": text + f" in value {n} " + "x" * 2000})
    await ctx.store.put(("notes",), "key", {"text": text + " in the store"})
    assert (await ctx.store.search(("notes",), query="store"))[0].value["text"].endswith("in the store")
    try:
        await ctx.step(fail, text)
    except Exception:
        pass
    if end == "failed":
        raise RuntimeError(text + " at the end")
    if end == "ask":
        payload = {"text": text + " in a payload"}
        await ctx.gather(
            ctx.approve(text + " in a question?", payload=payload), ctx.ask("Which?", choices=[text + " in a choice"])
        )
    return text + " in the output"
"""


@pytest.fixture
def url() -> Iterator[str]:
    server = postgres.shared()
    name = f"sealed_{os.getpid()}"
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server.url(name)
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def mark(folder: Path) -> str:
    (folder / "dragoman.toml").write_text(SETTINGS)
    (folder / "keeper.py").write_text(AGENTS)
    return f"mark{uuid.uuid4().hex}"


def say_everywhere(client: httpx.Client, mark: str, until: Until) -> Mapping[str, str]:
    """Marked texts in every field that a face takes; the runs by what became of them."""
    runs: dict[str, str] = {}
    for end in ("well", "failed", "ask"):
        body = {"assistant_id": "keeper", "input": {"text": f"{mark} input", "end": end}}
        thread = client.post("/threads", json={}).json()["thread_id"]
        more: dict[str, Any] = {
            "context": {"a": f"{mark} context"},
            "config": {"configurable": {"b": f"{mark} config"}},
        }
        hook = f"http://127.0.0.1:1/{end}"
        run = client.post(f"/threads/{thread}/runs", json={**body, **more, "webhook": hook})
        assert run.status_code == 200, run.text
        runs[end] = run.json()["run_id"]
        wanted = {"well": "success", "failed": "error", "ask": "interrupted"}[end]
        until(lambda of=runs[end], as_=wanted: client.get(f"/runs/{of}").json()["status"] == as_)  # type: ignore[misc]
        state = client.get(f"/threads/{thread}/state").json()
        assert mark in str(state["values"])
        assert client.post(f"/threads/{thread}/history", json={"limit": 100}).status_code == 200
        changed = client.post(f"/threads/{thread}/state", json={"values": {"set": f"{mark} state"}})
        assert changed.status_code == 200, changed.text
        assert client.post(f"/threads/{thread}/copy", json={}).status_code == 200
    cancelled = client.post(f"/runs/{runs['ask']}/cancel", json={})
    assert cancelled.status_code < 300, cancelled.text
    item = {"namespace": ["users"], "key": "likes", "value": {"tea": f"{mark} tea"}}
    assert client.put("/store/items", json=item).status_code == 204
    found = client.post("/store/items/search", json={"namespace_prefix": ["users"], "filter": {"tea": f"{mark} tea"}})
    assert len(found.json()["items"]) == 1, found.text
    cron = {"assistant_id": "keeper", "schedule": "@yearly", "input": {"text": f"{mark} cron"}}
    assert client.post("/runs/crons", json=cron).status_code == 200
    assistant = {
        "graph_id": "keeper",
        "description": f"{mark} description",
        "config": {"configurable": {"c": f"{mark} assistant"}},
        "context": {"d": f"{mark} assistant"},
    }
    assert client.post("/assistants", json=assistant).status_code == 200
    return runs


def call_the_others(client: httpx.Client, mark: str) -> None:
    call = {"name": "keeper", "arguments": {"text": f"{mark} mcp"}}
    about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    begun = _rpc(client, "/mcp", "initialize", about, {})
    told = _rpc(client, "/mcp", "tools/call", call, {"mcp-session-id": begun.headers["mcp-session-id"]})
    assert f"{mark} mcp in the output" in told.text
    push = {"url": "http://127.0.0.1:1/push", "token": f"{mark} token"}
    for parts in ([{"text": f"{mark} a2a"}], [{"data": {"text": f"{mark} a2a", "end": "ask"}}]):
        message = {"messageId": uuid.uuid4().hex, "role": "ROLE_USER", "parts": parts}
        params = {"message": message, "configuration": {"taskPushNotificationConfig": push}}
        told = _rpc(client, "/a2a/keeper", "SendMessage", params, {"a2a-version": "1.0"})
        assert mark in told.text, told.text


def _rpc(client: httpx.Client, path: str, method: str, params: Any, headers: Mapping[str, str]) -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = client.post(path, json=body, headers={**MCP, **headers})
    assert answer.status_code == 200, answer.text
    return answer


def holding(folder: Path, mark: str) -> list[str]:
    """The files under a folder in which the mark can be read."""
    wanted = mark.encode()
    forms = (wanted, wanted.hex().encode(), base64.b64encode(wanted)[:-4])
    found: list[str] = []
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink() and file.name not in ("postmaster.pid",):
            content = file.read_bytes()
            if any(form in content for form in forms):
                found.append(str(file.relative_to(folder)))
    return found


def test_plaintext_never_reaches_the_file_its_log_or_anything_beside_it(
    serve: Serve, run: Run, folder: Path, mark: str, until: Until
) -> None:
    server = serve("--log-level", "debug", DRAGOMAN_MASTER_KEYS=KEY)
    with server.client() as client:
        runs = say_everywhere(client, mark, until)
        call_the_others(client, mark)
        dead = lambda: mark in run("deliveries", "dead", "--json", DRAGOMAN_MASTER_KEYS=KEY).stdout  # noqa: E731
        until(dead)
        assert holding(folder, mark) == []
        server.stop(signal.SIGKILL)
    assert holding(folder, mark) == []
    assert len(list((folder / ".dragoman").glob("ledger.db-wal"))) == 1
    refused = run("runs", "list")
    assert "4584" not in refused.stdout
    again = serve("--log-level", "debug", DRAGOMAN_MASTER_KEYS=KEY)
    with again.client() as client:
        shown = client.get(f"/runs/{runs['well']}").json()
        assert shown["input"]["text"] == f"{mark} input"
    again.stop()
    assert holding(folder, mark) == []


def test_plaintext_never_reaches_the_directory_of_the_database(
    serve: Serve, folder: Path, mark: str, until: Until, url: str
) -> None:
    server = serve("--log-level", "debug", "--storage", url, DRAGOMAN_MASTER_KEYS=KEY)
    with server.client() as client:
        say_everywhere(client, mark, until)
        call_the_others(client, mark)
    server.stop()
    assert any((folder / "large").rglob("*"))
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CHECKPOINT")
    assert holding(folder, mark) == []
    assert holding(postgres.shared().folder, mark) == []


def test_a_server_with_the_wrong_key_or_none_does_not_start_and_says_why(serve: Serve, run: Run, folder: Path) -> None:
    made = run("run", "greeter", '{"name": "Ada"}', DRAGOMAN_MASTER_KEYS=KEY)
    assert made.returncode == 0, made.stderr
    for env in ({}, {"DRAGOMAN_MASTER_KEYS": OTHER}):
        refused = run("serve", "--port", "0", **env)
        assert refused.returncode == 1
        assert "The ledger is sealed with the master key " in refused.stderr
        assert "[sealing]" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_old_rows_are_sealed_and_keys_rotated_while_a_server_runs(
    serve: Serve, run: Run, folder: Path, mark: str, until: Until
) -> None:
    server = serve()
    with server.client() as client:
        runs = say_everywhere(client, mark, until)
    server.stop()
    assert ".dragoman/ledger.db" in holding(folder, mark)
    keys = {"DRAGOMAN_MASTER_KEYS": f"{OTHER},{KEY}"}
    server = serve(DRAGOMAN_MASTER_KEYS=KEY)
    with server.client() as client:
        assert client.get(f"/runs/{runs['well']}").json()["input"]["text"] == f"{mark} input"
        sealed = run("keys", "seal", "--vacuum", DRAGOMAN_MASTER_KEYS=KEY)
        assert sealed.returncode == 0, sealed.stderr
        assert "All is sealed: servers refuse a value in plain from their next start on." in sealed.stderr
        assert client.get(f"/runs/{runs['well']}").json()["input"]["text"] == f"{mark} input"
    server.stop()
    left = holding(
        folder, mark
    )  # from before: what the server logged that did not seal, and blobs until they are swept
    assert "stderr.log" in left
    assert all(name == "stderr.log" or name.startswith("large/") for name in left)
    server = serve(**keys)
    rotated = run("keys", "rotate", "--data", **keys)
    assert rotated.returncode == 0, rotated.stderr
    assert "1 new ones were made" in rotated.stderr
    server.stop()
    server = serve(DRAGOMAN_MASTER_KEYS=OTHER)
    with server.client() as client:
        assert client.get(f"/runs/{runs['well']}").json()["input"]["text"] == f"{mark} input"
        with closing(sqlite3.connect(folder / ".dragoman/ledger.db")) as db, db:
            db.execute("UPDATE runs SET output = ? WHERE id = ?", (b'"forged"', runs["well"]))
        told = client.get(f"/runs/{runs['well']}")
        assert told.status_code == 500
        assert f"output of runs {runs['well']} is not sealed" in told.json()["message"]


def test_a_row_that_cannot_be_read_is_told_by_every_face_and_the_others_are_served(
    serve: Serve, folder: Path, mark: str
) -> None:
    server = serve(DRAGOMAN_MASTER_KEYS=KEY)
    with server.client() as client:
        body = {"agent_id": "keeper", "input": {"text": f"{mark} input"}}
        broken, whole = (client.post("/runs/wait", json=body).json()["run"]["run_id"] for _ in range(2))
        with closing(sqlite3.connect(folder / ".dragoman/ledger.db")) as db, db:
            db.execute("UPDATE runs SET output = substr(output, 1, 30) WHERE id = ?", (broken,))
        told = client.get(f"/runs/{broken}")
        assert told.status_code == 500
        assert f"output of runs {broken} cannot be read" in told.json()["message"]
        task = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": broken}}
        said = client.post("/a2a/keeper", json=task, headers={"a2a-version": "1.0"})
        assert "cannot be read" in said.json()["error"]["message"], said.text
        assert client.get(f"/runs/{whole}").json()["status"] == "success"
        listed = client.post("/runs/search", json={"limit": 10})
        assert {run["run_id"] for run in listed.json()} == {broken, whole}
    server.stop()
    assert "Traceback" not in server.errors()


def test_a_sealed_ledger_is_moved_to_a_database_as_it_is(
    serve: Serve, run: Run, folder: Path, mark: str, url: str, until: Until
) -> None:
    server = serve(DRAGOMAN_MASTER_KEYS=KEY)
    with server.client() as client:
        runs = say_everywhere(client, mark, until)
    server.stop()
    moved = run("move", "--to", url, DRAGOMAN_MASTER_KEYS=KEY)
    assert moved.returncode == 0, moved.stderr
    again = serve("--storage", url, DRAGOMAN_MASTER_KEYS=KEY)
    with again.client() as client:
        assert client.get(f"/runs/{runs['well']}").json()["input"]["text"] == f"{mark} input"
        found = client.post("/store/items/search", json={"namespace_prefix": ["notes"], "query": "store"})
        assert f"{mark} input in the store" in found.text
    again.stop()
    refused = run("serve", "--port", "0", "--storage", url)
    assert "The ledger is sealed with the master key" in refused.stderr
