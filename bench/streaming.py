"""Time to the first event of a streamed run, and what an event costs when many are streamed."""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import dragoman, free_port, server


def _stream(port: int, count: int) -> tuple[float, float, int]:
    """Seconds to the first event, seconds in all, and how many events there were."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"agent_id": "stream", "input": {"count": count}, "stream_mode": "messages"})
    began = time.perf_counter()
    connection.request("POST", "/runs/stream", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"streaming was refused: {response.status} {response.read()[:300]!r}")
    first, events = 0.0, 0
    while line := response.readline():
        if line.startswith(b"event:"):
            events += 1
            first = first or time.perf_counter() - began
    took = time.perf_counter() - began
    connection.close()
    if events < count:
        raise RuntimeError(f"{count} pieces of text were streamed and {events} events came")
    return first, took, events


def measure(count: int, times: int) -> dict[str, Any]:
    """Streams one after another from a server on its own core."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, server(dragoman(port, Path(folder)), port) as process:
        _stream(port, 10)
        firsts = [_stream(port, 1)[0] for _ in range(times)]
        before = process.cpu_times()
        _, took, events = _stream(port, count)
        after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return {
        "first_event_ms_p50": round(statistics.median(firsts) * 1000, 2),
        "events": events,
        "events_per_second": round(count / took),
        "cpu_us_per_event": round(used / count * 1e6, 1),
    }


if __name__ == "__main__":
    print(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5000, 20))
