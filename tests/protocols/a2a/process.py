"""``dragoman serve`` in a process of its own, with gRPC, which can be killed and started again over its ledger."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

__all__ = ["DEADLINE", "Process", "free_port"]

DEADLINE = 60.0


def free_port() -> int:
    """A port of the loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A server over ``agents.py`` in ``folder``, or a ``dragoman.toml`` that is put there, with or without gRPC."""

    def __init__(self, folder: Path, agents: str, *, grpc: bool = True) -> None:
        (folder / "agents.py").write_text(agents)
        self.port, self.grpc_port = free_port(), free_port()
        self.url, self.grpc = f"http://127.0.0.1:{self.port}", f"127.0.0.1:{self.grpc_port}"
        self._ports = {"A2A__GRPC_PORT": str(self.grpc_port)} if grpc else {}
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, **settings: str) -> None:
        """Start, and return when it is ready. ``settings`` go into the environment as ``DRAGOMAN_...``."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
        told = {**self._ports, **settings}
        env = {**kept, **{f"DRAGOMAN_{name}": value for name, value in told.items()}}
        target = "dragoman.toml" if (self._folder / "dragoman.toml").exists() else "agents.py"
        command = [sys.executable, "-m", "dragoman.cli", "serve", target, "--port", str(self.port)]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, env=env, stdout=log, stderr=log)
        async with asyncio.timeout(DEADLINE), httpx.AsyncClient(base_url=self.url) as client:
            while True:
                assert self._process.poll() is None, (self._folder / "server.log").read_text()
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.02)  # the port is not open yet; no event tells when it is

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal, and return when the process has ended."""
        if self._process is not None:
            os.kill(self._process.pid, number)
            self._process.wait(DEADLINE)
            self._process = None
