"""Many open event streams at once, held by another process so that its memory and CPU are not the server's.

``open_streams`` is the parent's side; run as a program, this opens COUNT streams, says so, and holds them until its
standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

_AS = "User-Agent: langgraph-sdk-py/0.4.14\r\nAccept: text/event-stream"


@contextlib.contextmanager
def open_streams(port: int, path: str, count: int) -> Generator[None]:
    """``count`` streams are open, and each had its first bytes, inside."""
    command = [sys.executable, str(Path(__file__)), str(port), path, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
        assert held.stdin is not None
        assert held.stdout is not None
        if held.stdout.readline() != "open\n":
            raise RuntimeError("the streams did not open")
        try:
            yield
        finally:
            held.stdin.close()
            held.wait(60)


async def hold(port: int, path: str, count: int) -> None:
    """Open them a hundred at a time and hold them."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{_AS}\r\n\r\n".encode()
    held: list[asyncio.StreamWriter] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(head.decode())
        held.append(writer)

    for begun in range(0, count, 100):
        await asyncio.gather(*(one() for _ in range(min(100, count - begun))))
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for writer in held:
        writer.transport.abort()


if __name__ == "__main__":
    asyncio.run(hold(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
