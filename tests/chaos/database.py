"""A Postgres server of a chaos test's own: durable, reached by a socket and by a port, stopped and started at will.

Built on the tests' Postgres (``tests/postgres.py``); knows no ledger.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from tests import postgres

__all__ = ["Database", "free_port"]

_DURABLE = ("max_connections=200", "shared_buffers=64MB", "min_wal_size=32MB", "max_wal_size=64MB")


def free_port() -> int:
    """A port of the loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Database(postgres.Server):
    """One server and its database. ``environment`` is added to the server's."""

    OWNER = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self._environment = dict(environment or {})
        reached = (f"port={self.port}", "listen_addresses=127.0.0.1")
        super().__init__(Path(tempfile.mkdtemp(prefix="chaos-")) / "s", (*_DURABLE, *reached))

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self.folder / "data"

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    def url(self, database: str = "postgres") -> str:
        """Where a database is reached, over TCP."""
        return self.url_at(self.port, database)

    def url_at(self, port: int, database: str = "postgres") -> str:
        """The same through a proxy on ``port``."""
        return f"postgresql://postgres@127.0.0.1:{port}/{database}"

    def make(self) -> None:
        """Make it and start it."""
        self.folder.mkdir(exist_ok=True)
        self.create()
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        kept = dict(os.environ)
        os.environ.update(self._environment)
        try:
            super().start()
        finally:
            for name in self._environment.keys() - kept.keys():
                del os.environ[name]

    def restart_immediately(self) -> None:
        """``pg_ctl restart -m immediate``: a crash, and the recovery from it."""
        options = " ".join(["-k", str(self.folder), *(part for s in self._settings for part in ("-c", s))])
        log = str(self.folder / "log")
        self._run(
            "pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-m", "immediate", "-l", log, "-o", options, "restart"
        )

    @property
    def alive(self) -> bool:
        """Whether there is a server."""
        try:
            os.kill(self.pid, 0)
        except (OSError, ValueError):
            return False
        return True

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds."""
        async with await psycopg.AsyncConnection.connect(self.url(), autocommit=True) as connection:
            return await (await connection.execute(query.encode())).fetchall()

    def remove(self) -> None:
        """Stop it and forget it."""
        try:
            if (self.data / "postmaster.pid").exists() and self.alive:
                self.stop(signal.SIGQUIT)
        finally:
            shutil.rmtree(self.folder.parent, ignore_errors=True)

    async def apart(self, what: str) -> None:
        """Call one of the methods that block, in a thread."""
        await asyncio.to_thread(getattr(self, what))

    def complaints(self, text: str) -> int:
        """How often it has said this."""
        return (self.folder / "log").read_text(errors="replace").count(text)
