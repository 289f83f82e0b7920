"""Processes of the server under chaos: ``dragoman serve`` over one ledger, killed, stopped and started again by pid."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from .database import free_port

__all__ = ["Replica", "Replicas"]

_START_S = 60.0
_AGENTS = Path(__file__).with_name("chaos_agents.py")
_SEALING = "b3Blbi1zZXNhbWUtb3Blbi1zZXNhbWUtb3Blbi1zZXM="


class Replica:
    """One process. ``storage`` is a file or a URL; ``environment`` is added to its own."""

    def __init__(
        self,
        name: str,
        folder: Path,
        storage: str,
        *,
        lease: float = 2.0,
        environment: Mapping[str, str] | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "dragoman.cli"),
        verb: str = "serve",
    ) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.serves = verb == "serve"
        self._log = folder / f"{name}.log"
        self._home = folder / name
        self._home.mkdir(exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        port = ["--port", str(self.port)] if self.serves else []
        self._command = [*command, verb, str(_AGENTS), *port, "--storage", storage, "--log-level", "warning"]
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("DRAGOMAN_")},
            "CHAOS_EFFECTS": str(folder / "effects.txt"),
            "DRAGOMAN_ENGINE__MAX_CRASHES": "100000",
            "DRAGOMAN_ENGINE__LEASE": f"{lease:g}",
            "DRAGOMAN_SEALING_KEYS": _SEALING,
            **(environment or {}),
        }

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def up(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def spawn(self) -> None:
        """Start it, without waiting for it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._home
            )

    async def start(self) -> float:
        """Start it; the seconds until it was ready."""
        began = time.monotonic()
        self.spawn()
        await self.ready()
        return time.monotonic() - began

    async def ready(self) -> None:
        """Wait until it serves."""
        if not self.serves:
            return
        async with asyncio.timeout(_START_S), httpx.AsyncClient(timeout=5) as client:
            while True:
                assert self.up, f"{self.name} has ended:\n{self.said()}"
                try:
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                except httpx.HTTPError:
                    await asyncio.sleep(0.02)  # the port is not open yet; there is no event to wait for

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; after SIGKILL it is gone when this returns."""
        os.kill(self.pid, number)
        if number is signal.SIGKILL:
            assert self._process is not None
            self._process.wait()

    def wait(self, seconds: float) -> None:
        """Wait for its end. Raises ``subprocess.TimeoutExpired``."""
        assert self._process is not None
        self._process.wait(seconds)

    def end(self) -> None:
        """Kill it if it is there, stopped or not."""
        if self.up:
            self.send(signal.SIGKILL)

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else ""

    def complaints(self, text: str) -> int:
        """How many lines of its log hold this."""
        if not self._log.exists():
            return 0
        return sum(text in line for line in self._log.read_text(errors="replace").splitlines())


class Replicas:
    """Several of them, all ended when the block is left."""

    def __init__(self, *members: Replica) -> None:
        self.members = list(members)

    async def __aenter__(self) -> Replicas:
        try:
            await asyncio.gather(*(member.start() for member in self.members))
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        self._end()

    @property
    def urls(self) -> list[str]:
        """Where those are that serve, whether they are up or not."""
        return [member.url for member in self.members if member.serves]

    def _end(self) -> None:
        for member in self.members:
            member.end()
