"""How soon runs that were at work go on after ``kill -9``: from the server's start to the last of them being driven."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from measure import dragoman, free_port, wait_for

_AT_WORK = "SELECT count(*) FROM runs WHERE status = 'running' AND attempt = ?"


def _count(file: Path, attempt: int) -> int:
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute(_AT_WORK, (attempt,)).fetchone()[0])


def _until(file: Path, attempt: int, count: int) -> None:
    until = time.monotonic() + 30
    while _count(file, attempt) < count:
        if time.monotonic() > until:
            raise RuntimeError(f"{_count(file, attempt)} of {count} runs are at work")
        time.sleep(0.002)


def _submit(port: int) -> None:
    body = json.dumps({"agent_id": "hold", "input": {}}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/runs", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).read()


def measure(count: int) -> dict[str, Any]:
    """Kill a server with ``count`` runs at work, start it again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        first = subprocess.Popen(dragoman(port, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(port, "/readyz", first)
        for _ in range(count):
            _submit(port)
        _until(folder / "bench.db", 1, count)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        port = free_port()
        began = time.perf_counter()
        second = subprocess.Popen(dragoman(port, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(port, "/readyz", second)
            ready = time.perf_counter() - began
            _until(folder / "bench.db", 2, count)
            recovered = time.perf_counter() - began
        finally:
            second.terminate()
            second.wait(30)
    return {
        "at_work": count,
        "ready_s": round(ready, 2),
        "recovered_s": round(recovered, 2),
        "recovered_limit_s": 1.0,
    }


if __name__ == "__main__":
    print(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 50))
