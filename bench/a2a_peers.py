"""Durable A2A tasks against those of the SDK's own server, which keeps them in memory: a SendMessage, an event of a
stream, and a task that waits for its caller."""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from faces import REQUESTS, STACKS
from measure import HERE, Load, free_port, load, server

CALL = REQUESTS["a2a SendMessage"]
_NUMBERS = count()


def measure(seconds: float, rounds: int, events: int, parked: int) -> dict[str, Any]:
    """Each stack in turn; streams and waiting tasks on the fast one, which is what ``serve`` has."""
    found = {name: _sending(stack, seconds, rounds) for name, stack in STACKS.items()}
    return {**found, **_streaming(STACKS["uvloop"], events, rounds), **_waiting(STACKS["uvloop"], parked)}


def _commands(stack: Sequence[str], folder: str, sdk_port: int, port: int) -> tuple[list[str], list[str]]:
    return (
        [sys.executable, str(HERE / "sdk_a2a.py"), str(sdk_port), *stack],
        [sys.executable, str(HERE / "served.py"), str(port), *stack, str(Path(folder) / "bench.db")],
    )


def _sending(stack: Sequence[str], seconds: float, rounds: int) -> dict[str, Any]:
    sdk_port, port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = _commands(stack, folder, sdk_port, port)
        with server(theirs, sdk_port) as sdk, server(ours, port) as own:
            pairs = [
                (load(own, port, CALL, 16, seconds), load(sdk, sdk_port, CALL, 16, seconds)) for _ in range(rounds)
            ]
    return {
        "cpu_us": _median([mine for mine, _ in pairs]),
        "sdk_cpu_us": _median([other for _, other in pairs]),
        "sdk_ratio": round(statistics.median(mine.cpu_us / other.cpu_us for mine, other in pairs), 2),
        "sdk_limit": 1.0,
    }


def _streaming(stack: Sequence[str], events: int, rounds: int) -> dict[str, Any]:
    """CPU of one event, in µs, of a stream that one client reads."""
    sdk_port, port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = _commands(stack, folder, sdk_port, port)
        with server(theirs, sdk_port) as sdk, server(ours, port) as own:
            for each in (port, sdk_port):
                _stream(each, 100)
            mine = [_cpu_of_stream(own, port, events) for _ in range(rounds)]
            others = [_cpu_of_stream(sdk, sdk_port, events) for _ in range(rounds)]
    return {
        "event_us": round(statistics.median(mine), 1),
        "event_limit_us": 80.0,
        "sdk_event_us": round(statistics.median(others), 1),
    }


def _cpu_of_stream(process: psutil.Process, port: int, events: int) -> float:
    before = process.cpu_times()
    seen = _stream(port, events)
    after = process.cpu_times()
    if seen < events:
        raise RuntimeError(f"{events} pieces were asked for and {seen} events came")
    return float(after.user + after.system - before.user - before.system) / seen * 1e6


def _stream(port: int, pieces: int) -> int:
    """Read a stream to its end; how many events it had."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/a2a/stream", *_message("SendStreamingMessage", {"data": {"count": pieces}}))
    response = connection.getresponse()
    seen = sum(line.startswith(b"data:") for line in iter(response.readline, b""))
    connection.close()
    return seen


def _waiting(stack: Sequence[str], parked: int) -> dict[str, Any]:
    """Bytes of memory a waiting task takes."""
    sdk_port, port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = _commands(stack, folder, sdk_port, port)
        with server(ours, port, pin=False) as own:
            mine = _grown(own, port, parked)
        with server(theirs, sdk_port, pin=False) as sdk:
            other = _grown(sdk, sdk_port, parked // 5)  # 46 kB each, and slow
    return {
        "waiting": parked,
        "waiting_bytes": round(mine),
        "waiting_limit_bytes": 1000,
        "sdk_waiting_bytes": round(other),
    }


def _grown(process: psutil.Process, port: int, parked: int) -> float:
    _park(port, 1000)  # the allocator's and caches' own growth, which is not the tasks'
    before = process.memory_info().rss
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(_park, port), [parked // 8] * 8))
    time.sleep(1)
    return float(process.memory_info().rss - before) / (parked // 8 * 8)


def _park(port: int, times: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for _ in range(times):
        connection.request("POST", "/a2a/park", *_message("SendMessage", {"text": "it"}))
        answer = json.loads(connection.getresponse().read())
        if answer["result"]["task"]["status"]["state"] != "TASK_STATE_INPUT_REQUIRED":
            raise RuntimeError(f"the task did not wait: {answer}")
    connection.close()


def _message(method: str, part: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Body and headers of a request with a message of one part."""
    message = {"messageId": f"m-{next(_NUMBERS)}", "role": "ROLE_USER", "parts": [part]}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": message}})
    return body, {"Content-Type": "application/json", "A2A-Version": "1.0"}


def _median(loads: Sequence[Load]) -> float:
    return round(statistics.median(found.cpu_us for found in loads), 1)


if __name__ == "__main__":
    print(json.dumps(measure(2.0, 1, 2000, 2000), indent=2))
