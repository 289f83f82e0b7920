"""The server that the demo starts, kills and starts again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from dragoman.memory.errors import DragomanError

__all__ = ["DemoFailed", "ServerProcess", "example"]


class DemoFailed(DragomanError):
    """The demo did not show what it is to show."""


def example() -> Path:
    """The refund desk's configuration: in the installed package, or in the repository's examples."""
    here = Path(__file__).resolve().parent
    for folder in (here / "refund_desk", here.parents[2] / "examples" / "refund_desk"):
        if (folder / "dragoman.toml").is_file():
            return folder / "dragoman.toml"
    raise DemoFailed(
        "The refund desk is not installed beside the demo; install dragoman from its wheel or its repository."
    )


class ServerProcess:
    """``dragoman serve`` on a free port over files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.payments = folder / "payments.jsonl"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port: int = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the server that runs now."""
        if self._process is None:
            raise DemoFailed("The server was not started.")
        return self._process.pid

    def start(self, deadline: float = 30.0) -> float:
        """Start the server; the seconds until it was ready."""
        command = [sys.executable, "-m", "dragoman.cli", "serve", str(example())]
        command += ["--port", str(self.port), "--storage", str(self._folder / "demo.db")]
        environment = {**os.environ, "REFUND_DESK_LEDGER": str(self.payments)}
        began = time.monotonic()
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while time.monotonic() - began < deadline:
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/readyz", timeout=1)
                return time.monotonic() - began
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        log_text = (self._folder / "server.log").read_text(errors="replace")
        raise DemoFailed(f"The server did not become ready. Its log ends with:\n{log_text[-2000:]}")

    def kill(self) -> None:
        """``kill -9``: no goodbye, nothing is tidied."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """End it properly."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
