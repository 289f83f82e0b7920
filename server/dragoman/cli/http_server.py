"""uvicorn as ``dragoman serve`` runs it: stopped together with the engine, and by its own signals.

Knows nothing of what it serves but that there is an engine to stop. Above it is ``serve``.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

import uvicorn
from sse_starlette.sse import AppStatus

from dragoman.auth import refuse
from dragoman.cli.http_protocol import Limits, bounded
from dragoman.engine import Engine

__all__ = ["Server", "loop_factory"]

_OTHER_FILES = 256  # that are open beside connections
_LAST_WORDS = 1.0  # seconds for the answers of requests whose runs have settled or were handed back


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, else the standard loop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _allow_files(number: int) -> None:
    """Let this process have so many files open, as far as the system lets it: many shells begin with 1,024."""
    try:
        import resource
    except ImportError:
        return  # Windows counts none
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Server(uvicorn.Server):
    """Serves ``app`` until a signal; calls ``ready`` once it accepts connections. ``backlog`` is the listener's,
    ``message_limit`` the bytes of a WebSocket's message."""

    def __init__(
        self, app: Any, engine: Engine, ready: Callable[[], None], backlog: int, limits: Limits, message_limit: int
    ) -> None:
        # It would cut every stream at the first signal; ours live as long as the runs that they show have their grace.
        AppStatus.enable_automatic_graceful_drain = False
        super().__init__(
            uvicorn.Config(
                _Draining(app),
                http=bounded(limits),
                lifespan="off",  # entered around this, so that its errors are the command's
                ws="websockets-sansio",
                ws_max_size=message_limit,
                ws_per_message_deflate=False,  # a window of 32 kB for each connection, for events of some hundred bytes
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=backlog,
            )
        )
        self._engine = engine
        self._connections = limits.connections
        self._ready = ready
        self._hurry = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """The same signals, without raising them again at the end, which would end the process before the ledger
        closes."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        # The ledger's thread asks for the interpreter between statements: at Python's 5 ms a busy loop makes it wait so
        # long that the slowest commits take 94 ms; at 1 ms they take 6, at no cost that could be measured.
        sys.setswitchinterval(0.001)
        gc.freeze()  # what was imported stays: looking at it again and again took 5 % of a run's CPU
        gc.set_threshold(10_000, 20, 20)  # runs leave few cycles: looking for them as often as by default took 3 %
        _allow_files(self._connections + _OTHER_FILES)
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the stop, a second one cuts the grace short."""
        if self.should_exit:
            self._hurry.set()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let runs finish or hand them back, then end what still waits for them."""
        closing = asyncio.create_task(super().shutdown(sockets))
        await self._stop_engine()
        await asyncio.wait([closing], timeout=_LAST_WORDS)
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.wait([closing], timeout=_LAST_WORDS)
        for connection in list(self.server_state.connections):  # of clients that do not read what was sent
            connection.transport.abort()
        await closing

    async def _stop_engine(self) -> None:
        stopping = asyncio.create_task(self._engine.stop())
        hurried = asyncio.create_task(self._hurry.wait())
        await asyncio.wait([stopping, hurried], return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not stopping.done():
            stopping.cancel()
            await self._engine.stop(grace=0)


class _Draining:
    """Ends a request that is cancelled because the server stops: 503 where nothing was sent, a clean end of a
    stream where something was. The client of a stream then asks for the rest elsewhere, or later."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            with contextlib.suppress(asyncio.CancelledError):  # its protocol closes it
                await self.app(scope, receive, send)
            return
        started = False

        async def watching(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watching)
        except asyncio.CancelledError:
            if not started:
                headers = [(b"retry-after", b"1"), (b"connection", b"close")]
                await refuse(scope, send, 503, "stopping", "The server is stopping; ask again in a second.", headers)
            else:
                with contextlib.suppress(RuntimeError):  # the answer had a length, and is not all sent
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
