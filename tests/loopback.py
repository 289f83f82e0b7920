"""A server of an app in the test's own process, on a port of the loopback, from entry to exit.

Stands where ``dragoman serve`` has its sockets (``server/dragoman/cli``), with none of its settings: what a test needs
of uvicorn it says. Knows no face.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

__all__ = ["Loopback", "serving"]

_START_S = 20.0


class Loopback(uvicorn.Server):
    """A server that tells when it is up, and stops when it is told, not at its next look."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket) -> None:
        super().__init__(config)
        self.port: int = listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.up = asyncio.Event()
        self._told = asyncio.Event()

    def stop(self) -> None:
        """Begin to end."""
        self.should_exit = True
        self._told.set()

    async def main_loop(self) -> None:
        """Wait until it is told to stop."""
        await self.on_tick(0)
        self.up.set()
        await self._told.wait()


@asynccontextmanager
async def serving(app: ASGIApp, port: int = 0, *, abrupt: bool = False, **config: Any) -> AsyncGenerator[Loopback]:
    """Serve with these settings of uvicorn's; ``abrupt`` leaves open connections at the end as they are."""
    # With its protocol named, or asyncio leaves Nagle's algorithm on, and each answer takes 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(2048)
    told: dict[str, Any] = {"log_config": None, "lifespan": "off", "ws": "none", "timeout_graceful_shutdown": 1}
    server = Loopback(uvicorn.Config(app, **{**told, **config}), listening)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with asyncio.timeout(_START_S):
            await server.up.wait()
        yield server
    finally:
        server.force_exit = abrupt
        server.stop()
        await running
