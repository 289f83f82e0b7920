"""A raw HTTP/1.1 load generator: keep-alive connections that each send the next request when an answer is in.

Not a general client: it knows just enough of HTTP to count answers (bodies by their length or in chunks), so that it
costs less than the server it measures. Runs in a process of its own on a core of its own; prints one JSON line.

    python load.py PORT CONNECTIONS SECONDS REQUEST_FILE

The request file holds the bytes of one request; ``000000000000`` in it is replaced by a number that never repeats.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import cast

_MARK = b"000000000000"
_numbers = itertools.count(int(time.time() * 1000) % 10**6 * 10**6)


class Connection(asyncio.Protocol):
    """One keep-alive connection and its latencies, in seconds."""

    def __init__(self, request: bytes, until: float) -> None:
        self._parts = request.split(_MARK)
        self._until = until
        self._transport: asyncio.Transport | None = None
        self._got = bytearray()
        self._sent = 0.0
        self.latencies: list[float] = []
        self.failures: list[str] = []
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._got[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        # A wait that got long is answered in chunks.
        whole = self._got.endswith(b"0\r\n\r\n") if b"chunked" in head else len(self._got) >= end + 4 + length
        if not whole:
            return
        now = time.perf_counter()
        self.latencies.append(now - self._sent)
        body = bytes(self._got[end + 4 :])
        if not head.startswith(b"http/1.1 200") or b'"isError":true' in body or b'"error":{' in body:
            self.failures.append(f"{head[:60]!r} {body[:300]!r}")
        self._got.clear()
        if now < self._until and len(self.failures) < 5:
            self._send()
        else:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish()

    def _send(self) -> None:
        assert self._transport is not None
        self._sent = time.perf_counter()
        if len(self._parts) == 1:
            self._transport.write(self._parts[0])
        else:
            self._transport.write((b"%012d" % next(_numbers)).join(self._parts))

    def _finish(self) -> None:
        if not self.over.done():
            self.over.set_result(None)
            if self._transport is not None:
                self._transport.close()


async def load(port: int, connections: int, seconds: float, request: bytes) -> dict[str, object]:
    """Send for a time; what came of it."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [
        await loop.create_connection(lambda: Connection(request, began + seconds), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.over for _, protocol in made))
    took = time.perf_counter() - began
    latencies = sorted(t for _, p in made for t in p.latencies)
    failures = [f for _, p in made for f in p.failures]
    return {
        "requests": len(latencies),
        "per_second": len(latencies) / took,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "failures": failures[:3],
    }


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    port, connections, seconds, path = sys.argv[1:]
    import uvloop

    result = uvloop.run(load(int(port), int(connections), float(seconds), Path(path).read_bytes()))
    print(json.dumps(result))
