"""Malformed MCP requests against one server: each is answered as JSON-RPC has it, and none leaves anything behind.

The server is in this process, on a socket as it is served, so that what it holds can be counted: rows, runs, requests,
connections, tasks, and every object of the MCP face.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from tests.loopback import serving

from dragoman.app import build_app
from dragoman.cli.http_protocol import Limits, bounded
from dragoman.engine import Engine
from dragoman.memory.codec import loads
from dragoman.settings import Settings

from .agents import refund, weigh
from .malformed import bent, mangled, misheaded
from .wire import Ask

pytestmark = pytest.mark.anyio

INSIDE = re.compile(r"Traceback|\.py\b|site-packages|orjson|pydantic|sqlite", re.IGNORECASE)
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


@dataclass
class House:
    """The server from within and from outside."""

    http: httpx.AsyncClient
    server: uvicorn.Server
    engine: Engine
    ledger: Path
    names: dict[str, str]

    def filled(self, text: str) -> str:
        """A text with each ``$name`` replaced by what it stands for."""
        return re.sub(r"\$([a-z]+)", lambda found: self.names.get(found[1], found[0]), text)

    async def told(self, ask: Ask) -> tuple[int, str]:
        """Status and body of an answer; of a stream its first event."""
        headers = {"Content-Type": "application/json", **ask.headers}
        content = ask.raw if ask.raw is not None or ask.body is None else self.filled(json.dumps(ask.body)).encode()
        encoded = [(name.encode(), self.filled(value).encode("latin-1")) for name, value in headers.items()]
        async with self.http.stream(ask.method, ask.path, content=content, headers=encoded) as answer:
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                return answer.status_code, (await answer.aread()).decode()
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    return answer.status_code, line.removeprefix("data: ")
        raise AssertionError(f"{ask} was answered by a stream without a message")

    def rows(self) -> Mapping[str, list[Any]]:
        """Every row of every table."""
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            return {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in tables}

    async def held(self) -> Counter[str]:
        """What the server holds, once all requests have ended: by kind and number."""
        state = self.server.server_state
        async with asyncio.timeout(30):
            while state.tasks or len(state.connections) > 1:  # noqa: ASYNC110 - uvicorn tells nobody of its connections
                await asyncio.sleep(0.005)
        gc.collect()
        kinds = Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.get_objects())
        face = {kind: count for kind, count in kinds.items() if kind.startswith("dragoman.mcp.")}
        tasks = {"requests": len(state.tasks), "tasks": len(asyncio.all_tasks()), "runs": self.engine.active}
        return Counter({**face, **tasks, "connections": len(state.connections)})


@asynccontextmanager
async def house(folder: Path) -> AsyncGenerator[House]:
    """A server with a run that waits for an answer."""
    ledger = folder / "ledger.db"
    app = build_app(Settings.model_validate({"storage": {"path": ledger}}), [refund, weigh])
    async with (
        asyncio.timeout(60),
        app.router.lifespan_context(app),
        serving(app, http=bounded(Limits())) as server,
        httpx.AsyncClient(base_url=server.url, timeout=20) as http,
    ):
        body = {"agent_id": "refund", "input": {"order_id": "A-1", "amount": 250}}
        run = (await http.post("/runs/wait", json=body)).json()["run"]
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
        both = {"Accept": "application/json, text/event-stream"}
        opened = await http.post("/mcp", json=hello, headers=both)
        names = {"waiting": run["run_id"], "session": opened.headers["mcp-session-id"]}
        yield House(http, server, app.state.engine, ledger, names)


def _readable(ask: Ask) -> Any:
    """The id of what was sent, where it can be read: an id of JSON-RPC, in JSON that is read at all."""
    raw = ask.raw if ask.raw is not None else json.dumps(ask.body).encode()
    assert isinstance(raw, bytes)
    try:
        value: Any = loads(raw)
    except ValueError:
        return None
    given: Any = value.get("id") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return given if isinstance(given, str | int) and not isinstance(given, bool) else None


def _judge(ask: Ask, status: int, text: str, readable: Any) -> bool:
    """Assert what is true of every answer. Whether the request was refused, or has nothing to be told of."""
    assert 200 <= status < 500, (str(ask), status, text)
    assert not INSIDE.search(text), (str(ask), text)
    if not text:
        assert status in (202, 204), (str(ask), status)
        return True
    answer = json.loads(text)
    assert answer["jsonrpc"] == "2.0", (str(ask), text)
    if "method" in answer:  # the first event of a stream that was opened
        assert "id" not in answer, (str(ask), text)
        return False
    assert ("result" in answer) != ("error" in answer), (str(ask), text)
    unread = status == 415 or ask.method != "POST"  # what is not said to be JSON is not read
    assert answer.get("id") == (None if unread else readable), (str(ask), text)
    if "result" in answer:
        return bool(answer["result"].get("isError", False))
    error = answer["error"]
    assert type(error["code"]) is int, (str(ask), text)
    assert error["code"] != -32603, (str(ask), text)
    assert 10 < len(error["message"]) < 2_000, (str(ask), text)
    return True


async def _try(house: House, asks: Iterable[Ask]) -> Counter[str]:
    """Send each; one that is refused leaves every row as it was."""
    counted: Counter[str] = Counter()
    before = house.rows()
    for ask in asks:
        status, text = await house.told(ask)
        refused = _judge(ask, status, text, _readable(ask))
        after = house.rows()
        assert not refused or after == before, str(ask)
        counted["refused" if refused else "served"] += 1
        counted["opened"] += '"protocolVersion":"' in text
        before = after
    return counted


async def test_malformed_requests_are_told_so_and_leave_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with house(tmp_path) as server:
            asks = [*bent("$session"), *mangled(), *misheaded()]
            await _try(server, asks[::20])  # what is imported late, and caches
            before, runs = await server.held(), server.rows()["runs"]
            counted = await _try(server, asks)
            after = await server.held()
            grown = {kind: count - before[kind] for kind, count in after.items() if count != before[kind]}
            # A session that was opened, by an initialize with a fault that does not matter, is the client's to end.
            assert {kind: n for kind, n in grown.items() if "session" not in kind.lower()} == {}
            assert all(n <= counted["opened"] for n in grown.values()), (grown, counted)
            assert server.rows()["runs"] == runs
    assert counted["refused"] > 1_000, counted
    assert caplog.records == []
