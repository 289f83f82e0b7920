"""A real ``dragoman serve`` on a free loopback port, for a suite to talk to; ended by its process id, always.

Not a test double and not in this process: the suite meets what a user starts.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Served", "ServerFailed", "free_port", "serve"]

START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 20.0
_MCP: Final = re.compile(r"^\s*MCP\s+(http://\S+)$", re.MULTILINE)


class ServerFailed(Exception):
    """The server did not start, or did not live as long as it was needed."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server at work: where its MCP endpoint is."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def root(self) -> str:
        """The server's own address."""
        return self.url.removesuffix("/mcp")

    def check(self) -> None:
        """Raises ``ServerFailed`` if the server has ended."""
        if self.process.poll() is not None:
            raise ServerFailed(f"The server ended with {self.process.returncode}:\n{_tail(self.log)}")


@contextmanager
def serve(
    target: Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    storage: str | None = None,
    port: int = 0,
) -> Generator[Served]:
    """Serve ``target`` (a file of agents or a ``dragoman.toml``) with its ledger and its log in ``folder``, and with
    this added to the environment; ``storage`` is a database that is the ledger instead, ``port`` where it listens.

    Raises ``ServerFailed`` with the end of its log when it does not come up.
    """
    log = folder / "server.log"
    command = [sys.executable, "-m", "dragoman.cli", "serve", str(target)]
    command += ["--port", str(port), "--storage", storage or str(folder / "ledger.db"), "--log-level", "warning"]
    with log.open("wb") as out:
        added = {**os.environ, **(environment or {})}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=added)
    try:
        yield Served(_url(process, log), process, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port of the loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the banner says that MCP is."""
    until = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < until:
        if found := _MCP.search(log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.05)
    raise ServerFailed(f"The server did not come up:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]
