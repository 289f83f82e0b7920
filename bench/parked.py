"""What ten thousand waiting runs cost: memory while they wait, and the time to be ready again after a restart with
them."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from measure import dragoman, free_port, server


def _park(port: int, count: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"agent_id": "park", "input": {"text": "it"}})
    for _ in range(count):
        connection.request("POST", "/runs/wait", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        if answer["run"]["status"] != "interrupted":
            raise RuntimeError(f"the run did not wait: {answer}")
    connection.close()


def measure(count: int) -> dict[str, Any]:
    """Park ``count`` runs, look at the memory, start again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        with server(dragoman(port, folder), port, pin=False) as process:
            _park(port, 500)  # the allocator's and caches' own growth, which is not the runs'
            before = process.memory_info().rss
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(partial(_park, port), [count // 8] * 8))
            grown = (process.memory_info().rss - before) / 1e6
        port = free_port()
        began = time.perf_counter()
        with server(dragoman(port, folder), port, "/readyz", pin=False) as process:
            ready = time.perf_counter() - began
    return {
        "parked": count,
        "memory_growth_mb": round(grown, 1),
        "memory_limit_mb": 10,
        "restart_ready_s": round(ready, 2),
        "restart_limit_s": 2.0,
    }


if __name__ == "__main__":
    print(measure(10_000))
