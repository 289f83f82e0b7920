"""Servers as people start them, over one ledger: their settings, their agents, their callers' keys, and their end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
from tests import postgres

__all__ = ["House", "Server", "database"]

DEADLINE = 60.0
AGENTS = """
import asyncio, time
from dragoman.agents import Context, agent

@agent
async def holds(ctx: Context, seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds

@agent
async def clock(ctx: Context) -> float:
    return time.time()
"""


@contextmanager
def database(name: str) -> Generator[str]:
    """An empty database on the session's Postgres."""
    server = postgres.shared()
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server.url(name)
        db.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


class Server:
    """One process and its address."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log
        self.url = ""

    async def ready(self) -> None:
        """Read where it serves."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            async for line in self.process.stdout:
                if line.startswith(b"  Agent Protocol"):
                    self.url = line.split()[-1].decode()
                    return
        raise AssertionError(self.log.read_text())

    async def end(self, how: signal.Signals) -> None:
        """Send a signal, and wait until it is gone."""
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        await asyncio.wait_for(self.process.communicate(), DEADLINE)


class House:
    """Servers over one ledger. ``storage`` is a file or a URL."""

    def __init__(self, folder: Path, storage: str) -> None:
        self.folder = folder
        self.storage = storage
        self._servers: list[Server] = []

    async def serve(
        self, settings: str = "", agents: str = AGENTS, name: str = "one", env: Mapping[str, str] | None = None
    ) -> Server:
        """Start a server with these settings and agents."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        (home / "agents.py").write_text(agents)
        (home / "dragoman.toml").write_text(settings if "agents" in settings else f'agents = ["agents.py"]\n{settings}')
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DRAGOMAN_")}
        log = home / "log"
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *self._command("serve", str(home / "dragoman.toml"), "--port", "0"),
                env={**kept, **(env or {})},
                cwd=home,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        server = Server(process, log)
        self._servers.append(server)
        await server.ready()
        return server

    def key(self, name: str, tenant: str) -> str:
        """A new key of a tenant."""
        made = self._command("keys", "create", name, "--tenant", tenant)
        done = subprocess.run(made, cwd=self.folder, capture_output=True, text=True, check=True, timeout=DEADLINE)
        return next(word for word in done.stdout.split() if word.startswith("dg_"))

    def client(self, server: Server, key: str = "") -> httpx.AsyncClient:
        """Somebody who calls a server."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Limits(max_connections=100, keepalive_expiry=1.0)  # less than the server keeps them
        return httpx.AsyncClient(base_url=server.url, headers=headers, timeout=DEADLINE, limits=limits)

    async def close(self) -> None:
        """Kill what is left."""
        for server in self._servers:
            if server.process.returncode is None:
                await server.end(signal.SIGKILL)

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "dragoman.cli", *arguments, "--storage", self.storage]
