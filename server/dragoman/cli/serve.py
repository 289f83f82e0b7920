"""``dragoman serve``: the application under uvicorn, from the first bind to the last commit.

Not the application (``app``) and not the settings: what is here is a process, its socket, its signals and its
words. The lifespan is entered here, not by uvicorn, so that a ledger that is in use is one line on the terminal
and not a traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from sse_starlette.sse import AppStatus

from dragoman.agents.loader import load_agents
from dragoman.app import build_app
from dragoman.auth import refuse
from dragoman.cli.errors import CommandError
from dragoman.settings import Flags, Settings, find
from dragoman.telemetry import configure_logging

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from dragoman.engine import Engine

__all__ = ["serve", "serve_settings"]

BACKLOG = 2048
SHOWN = 10
_LAST_WORDS = 1.0  # seconds for the answers of requests whose runs have settled or were handed back


def serve(
    target: str | None,
    *,
    host: str | None = None,
    port: int | None = None,
    storage: Path | None = None,
    auth: str | None = None,
    public_url: str | None = None,
    log_level: str | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Raises ``ConfigurationError``, ``LedgerLocked``, ``CommandError``."""
    flags: Flags = {
        "server": {"host": host, "port": port, "public_url": public_url},
        "storage": {"path": storage},
        "auth": {"mode": auth},
        "log": {"level": log_level},
    }
    serve_settings(find(target, flags))


def serve_settings(settings: Settings) -> None:
    """Serve what the settings say, in this thread, until a signal."""
    settings.check_exposure()
    configure_logging(settings.log.level)
    agents = load_agents(settings.sources())
    if not agents:
        raise CommandError("No agents: name them under [agents] in dragoman.toml, or give a file with some.", 2)
    listener = _listen(settings.server.host, settings.server.port)
    try:
        settings = settings.bound_to(listener.getsockname()[1])
        app = build_app(settings, agents)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(app, settings, listener, [agent.name for agent in agents]))
    finally:
        listener.close()


async def _serve(app: Starlette, settings: Settings, listener: socket.socket, agents: list[str]) -> None:
    # It would cut every stream at the first signal; ours live as long as the runs that they show have their grace.
    AppStatus.enable_automatic_graceful_drain = False
    config = uvicorn.Config(
        _Draining(app),
        lifespan="off",
        ws="none",  # no face has a WebSocket route
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
    )
    async with app.router.lifespan_context(app):
        app.state.ledger.set_url(settings.server.local_url)
        await _Server(config, app, "\n".join(_banner(settings, agents))).serve(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn, stopped together with the engine: runs get their grace while connections finish."""

    def __init__(self, config: uvicorn.Config, app: Starlette, banner: str) -> None:
        super().__init__(config)
        self._app = app
        self._banner = banner
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
        """Accept connections, then say where."""
        await super().startup(sockets)
        print(self._banner, flush=True)

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
        await closing

    async def _stop_engine(self) -> None:
        engine: Engine = self._app.state.engine
        stopping = asyncio.create_task(engine.stop())
        hurried = asyncio.create_task(self._hurry.wait())
        await asyncio.wait([stopping, hurried], return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not stopping.done():
            stopping.cancel()
            await engine.stop(grace=0)


class _Draining:
    """Ends a request that is cancelled because the server stops: 503 where nothing was sent, a clean end of a
    stream where something was. The client of a stream then asks for the rest elsewhere, or later."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
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


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket: taken before anything is opened, so that a second server on a port fails at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CommandError(f"--host {host}: {error.strerror or error}.", 2) from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} of {host} is in use; choose another with --port (0 takes a free one)."
            ) from None
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None
    return listener


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _banner(settings: Settings, agents: Sequence[str]) -> Iterator[str]:
    """Where it is reached."""
    url = settings.server.url
    more = f" and {len(agents) - SHOWN} more" if len(agents) > SHOWN else ""
    yield f"Dragoman serves {', '.join(agents[:SHOWN])}{more}"
    yield f"  MCP             {url}/mcp"
    for name in agents[:SHOWN]:
        yield f"  A2A             {url}/a2a/{name}"
    yield f"  A2A card        {url}/.well-known/agent-card.json"
    yield f"  Agent Protocol  {url}"
    yield f"  Ledger          {settings.storage_path}"
    if settings.auth.mode == "keys":
        yield "Callers need an API key: dragoman keys create NAME"
    yield f"Connect a client: dragoman connect claude-code --url {url}"
