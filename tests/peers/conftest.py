"""Servers in processes of their own, which tests kill and start again at the same address."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from dragoman.memory.codec import loads

__all__ = ["Pair", "SdkPeer", "Server", "until"]

HERE = Path(__file__).parent


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


async def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for something that another process does, and tells nobody of."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.01)


def _call(method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


_A2A = {"A2A-Version": "1.0"}
_MCP = {"MCP-Protocol-Version": "2025-11-25", "Accept": "application/json, text/event-stream"}


class Server:
    """``dragoman serve`` over one file and one port."""

    _ready = "/readyz"

    def __init__(self, folder: Path, agents: str, **environment: str) -> None:
        self.database = folder / f"{agents}.db"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._agents = HERE / f"{agents}.py"
        self._log = folder / f"{agents}.log"
        self.environment = {
            **os.environ,
            "DRAGOMAN_EGRESS__ALLOW": "127.0.0.1",
            "EFFECTS": str(folder / "effects.txt"),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start, and wait until it answers."""
        command = [sys.executable, *self._command()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        async with asyncio.timeout(30), httpx.AsyncClient() as client:
            while True:
                assert self._process.poll() is None, self.log
                try:
                    if (await client.get(f"{self.url}{self._ready}")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.02)  # the port is not open yet; no event tells when it is

    def _command(self) -> list[str]:
        serve = ["-m", "dragoman.cli", "serve", str(self._agents)]
        return [*serve, "--port", str(self.port), "--storage", str(self.database)]

    def kill(self) -> None:
        """``kill -9``, by pid."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def log(self) -> str:
        """What it said, for who looks for a fault."""
        return self._log.read_text()[-3000:] if self._log.exists() else ""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What its ledger holds."""
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute(query).fetchall()

    def events(self, kind: str) -> list[Any]:
        """The data of all events of a kind, in order."""
        quoted = kind.replace("'", "")
        return [
            loads(d) for (d,) in self.rows(f"SELECT data FROM events WHERE type = '{quoted}' ORDER BY thread_id, seq")
        ]

    def journal(self, status: str) -> list[Any]:
        """What the steps of this status hold."""
        quoted = status.replace("'", "")
        return [loads(r) for (r,) in self.rows(f"SELECT result FROM steps WHERE status = '{quoted}'") if r]

    async def cancel(self, run_id: str) -> None:
        """Cancel a run over Agent Protocol."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            answer = await client.post(f"/runs/{run_id}/cancel")
            assert answer.status_code < 300, answer.text

    async def begin(self, agent: str, input: Any) -> str:
        """Open a run over Agent Protocol: its id."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            answer = await client.post("/runs", json={"agent_id": agent, "input": input})
            assert answer.status_code == 200, answer.text
            id: str = answer.json()["run_id"]
            return id

    async def answer(self, face: str, agent: str, run_id: str, key: str, answer: Any) -> None:
        """Answer an open question over one of the faces."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            if face == "Agent Protocol":
                told = await client.post(f"/runs/{run_id}/resume", json={"answers": {key: answer}})
                assert told.status_code == 200, told.text
            elif face == "A2A":
                parts = [{"data": {key: answer}}]
                message = {"messageId": f"a-{run_id}", "role": "ROLE_USER", "taskId": run_id, "parts": parts}
                told = await client.post(f"/a2a/{agent}", json=_call("SendMessage", {"message": message}), headers=_A2A)
                assert "result" in told.json(), told.text
            else:
                arguments = {"run_id": run_id, "question": key, "answer": answer}
                params = {"name": "run_answer", "arguments": arguments}
                told = await client.post("/mcp", json=_call("tools/call", params), headers=_MCP)
                # JSON at once, or a stream where the run takes a while.
                assert told.status_code == 200, told.text
                assert '"result"' in told.text, told.text
                assert '"isError":true' not in told.text, told.text

    async def asked(self, run_id: str) -> dict[str, Any]:
        """The one question that a run asks, once it waits."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            told = (await client.get(f"/runs/{run_id}/wait")).json()
            assert told["run"]["status"] == "interrupted", told
            (question,) = told["run"]["interrupts"]
            found: dict[str, Any] = question
            return found

    async def ended(self, run_id: str, seconds: float = 60.0) -> Any:
        """What a run gave, once it has ended; its status where it did not succeed."""
        async with asyncio.timeout(seconds), httpx.AsyncClient(base_url=self.url, timeout=seconds) as client:
            answer = await client.get(f"/runs/{run_id}/wait")
            assert answer.status_code == 200, answer.text
            told = answer.json()
            if told["run"]["status"] != "success":
                return told["run"]["status"]
            return json.loads(told["messages"][-1]["content"])


class SdkPeer(Server):
    """``sdk_peer.py`` at one port."""

    _ready = "/echo/.well-known/agent-card.json"

    def _command(self) -> list[str]:
        return [str(self._agents), str(self.port)]


class Pair:
    """Two servers whose agents call each other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = Server(folder, "desk_agents")
        self.books = Server(folder, "books_agents", PEER_URL=self.desk.url)
        self.desk.environment["PEER_URL"] = self.books.url

    @property
    def effects(self) -> Counter[str]:
        """How often each side effect happened."""
        file = self.folder / "effects.txt"
        return Counter(file.read_text().splitlines()) if file.exists() else Counter()

    def open_gate(self) -> None:
        """Let the books enter."""
        (self.folder / "gate").touch()

    @property
    def at_gate(self) -> bool:
        """Whether the books wait at the gate."""
        return (self.folder / "waiting").exists()

    @asynccontextmanager
    async def up(self) -> AsyncGenerator[None]:
        """Both servers, while the context is open."""
        try:
            await asyncio.gather(self.desk.start(), self.books.start())
            yield
        except BaseException:
            print(self.desk.log, self.books.log, sep="\n----\n")
            raise
        finally:
            self.desk.kill()
            self.books.kill()


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Two servers, not yet started."""
    return Pair(tmp_path)
