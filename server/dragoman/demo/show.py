"""The demo's script: what happens, told as it happens, and a table at the end. A wrong turn ends it non-zero."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dragoman.demo import clients
from dragoman.demo.process import DemoFailed, ServerProcess

__all__ = ["main"]


@dataclass(slots=True)
class Seen:
    """What each protocol saw of the one run."""

    run_id: str = ""
    a2a: list[str] = field(default_factory=list[str])
    mcp: list[str] = field(default_factory=list[str])
    agent_protocol: list[str] = field(default_factory=list[str])
    output: Any = None


def main() -> None:
    """Run the demo in a folder of its own, which is removed at the end."""
    console = Console()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dragoman-demo-") as name:
        server = ServerProcess(Path(name))
        try:
            seen = asyncio.run(_show(console, server))
            server.stop()
            _report(console, server, Path(name), seen)
        finally:
            server.stop()
    console.print(f"\n[bold green]One run, three protocols, one kill -9.[/] {time.monotonic() - began:.1f} s in all.")


async def _show(console: Console, server: ServerProcess) -> Seen:
    seen = Seen()
    console.print(f"[bold]1[/] The refund desk is served at {server.url} (ready in {server.start():.2f} s)")
    async with clients.a2a_client(server.url, streaming=False) as peer:
        task = await clients.send_refund(peer, "A-1002", 250.0)
    seen.run_id = task.id
    seen.a2a.append(clients.state_name(task.status.state))
    console.print(f"[bold]2[/] An A2A peer asks for 250 euro of order A-1002: task {task.id} is {seen.a2a[-1]}")
    console.print(f"    [italic]{_question(task)}[/]")
    pid = server.pid
    server.kill()
    console.print(f"[bold]3[/] kill -9 {pid}; started again, ready in {server.start():.2f} s")
    async with clients.a2a_client(server.url, streaming=True) as peer, clients.mcp_task(server.url) as get:
        ready = asyncio.Event()
        watching = asyncio.create_task(clients.watch(peer, task.id, ready))
        started = asyncio.create_task(ready.wait())
        await asyncio.wait([started, watching], timeout=10, return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            raise DemoFailed(
                f"The A2A client could not subscribe: {watching.exception() if watching.done() else 'no answer'}"
            )
        waiting = await get(task.id)
        seen.mcp.append(waiting.status)
        asked = ", ".join(waiting.input_requests or {})
        console.print(f"[bold]4[/] An MCP client (2026-07-28) sees the same task: {waiting.status}, asked for: {asked}")
        before, after = await clients.approve(server.url, task.id)
        seen.agent_protocol += [before, after["run"]["status"]]
        console.print(f"[bold]5[/] An Agent Protocol client, which saw it {before}, approves: {after['run']['status']}")
        seen.a2a += [s for s in await asyncio.wait_for(watching, 10) if s != seen.a2a[-1]]
        console.print(f"[bold]6[/] The A2A subscriber received: {' → '.join(seen.a2a)}")
        done = await get(task.id)
        seen.mcp.append(done.status)
        seen.output = (done.result or {}).get("structuredContent")
    return seen


def _question(task: Any) -> str:
    return " ".join(part.text for part in task.status.message.parts if part.text)


def _report(console: Console, server: ServerProcess, folder: Path, seen: Seen) -> None:
    with closing(sqlite3.connect(folder / "demo.db")) as database:
        steps = database.execute(
            "SELECT key FROM steps WHERE run_id = ? AND status = 'finished' ORDER BY position", (seen.run_id,)
        ).fetchall()
        events = database.execute("SELECT type, data FROM events WHERE run_id = ?", (seen.run_id,)).fetchall()
    finished = Counter(json.loads(data)["step"] for type_, data in events if type_ == "step.finished")
    payments = [json.loads(line) for line in server.payments.read_text().splitlines()]
    table = Table(title="Each step of the run")
    for column in ("step", "executed"):
        table.add_column(column)
    for (key,) in steps:
        table.add_row(key, f"{finished[key]}×")
    console.print(table)
    views = Table(title=f"Run {seen.run_id}, as each protocol saw it")
    for column in ("protocol", "before", "at the end"):
        views.add_column(column)
    views.add_row("A2A", seen.a2a[0], seen.a2a[-1])
    views.add_row("MCP task", seen.mcp[0], seen.mcp[-1])
    views.add_row("Agent Protocol", seen.agent_protocol[0], seen.agent_protocol[-1])
    console.print(views)
    console.print(f"payments made: {len(payments)}  output: {json.dumps(seen.output)}")
    _check(
        seen.a2a[0] == "TASK_STATE_INPUT_REQUIRED" and seen.a2a[-1] == "TASK_STATE_COMPLETED",
        seen.mcp == ["input_required", "completed"],
        seen.agent_protocol == ["interrupted", "success"],
        len(payments) == 1
        and seen.output == {**(seen.output or {}), "status": "paid", "payment_id": payments[0]["id"]},
        [key for (key,) in steps] != [] and all(finished[key] == 1 for (key,) in steps),
    )


def _check(*facts: bool) -> None:
    wrong = [str(n) for n, fact in enumerate(facts, 1) if not fact]
    if wrong:
        raise DemoFailed(f"The demo did not show what it is to show (checks {', '.join(wrong)} of {len(facts)}).")
