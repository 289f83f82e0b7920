"""Starting the process that is measured, and reading what it used."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Load:
    """What one load measured. CPU is the server process's own, user and system, in µs a request."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _pin_to_first_core() -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {0})


@contextlib.contextmanager
def server(
    command: Sequence[str],
    port: int,
    path: str = "/ok",
    pin: bool = True,
    quiet: bool = False,
    folder: Path | None = None,
) -> Generator[psutil.Process]:
    """A server on one core, once it answers; it is ended by its pid. ``quiet`` drops what it says of itself; it runs in
    ``folder``, the current one by default."""
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
        preexec_fn=_pin_to_first_core if pin else None,
    )
    try:
        wait_for(port, path, process)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, path: str, process: subprocess.Popen[Any], seconds: float = 30.0) -> None:
    """Return when the server answers anything at all; raise when it ended or takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}: {process.args!r}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.005)
            continue
        return
    raise RuntimeError(f"the server did not answer within {seconds:g} s")


def dragoman(port: int, folder: Path, *more: str) -> list[str]:
    """The command that serves the measured agents."""
    return [
        sys.executable,
        "-m",
        "dragoman.cli",
        "serve",
        str(HERE / "echo_agents.py"),
        "--port",
        str(port),
        "--storage",
        str(folder / "bench.db"),
        *more,
    ]


def http_request(path: str, body: object, headers: dict[str, str] | None = None) -> bytes:
    """The bytes of one POST."""
    raw = json.dumps(body, separators=(",", ":")).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(raw)}",
    ]
    lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


def load(process: psutil.Process, port: int, request: bytes, connections: int, seconds: float) -> Load:
    """Put a load on a server from another process, after a short warm-up."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(request)
        file.flush()
        _generate(port, connections, min(1.0, seconds), file.name)
        before = _cpu(process)
        found = _generate(port, connections, seconds, file.name)
        used = _cpu(process) - before
    if found["failures"]:
        raise RuntimeError(f"the server refused the load: {found['failures']}")
    return Load(
        found["requests"], found["per_second"], found["p50_ms"], found["p99_ms"], used / found["requests"] * 1e6
    )


def _generate(port: int, connections: int, seconds: float, path: str) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "load.py"), str(port), str(connections), str(seconds), path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
