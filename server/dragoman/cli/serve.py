"""``dragoman serve``: the application under uvicorn, from the first bind to the last commit.

Not the application (``app``) and not the settings: what is here is a process, its socket, its signals and its
words. The lifespan is entered here, not by uvicorn, so that a ledger that is in use is one line on the terminal
and not a traceback.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dragoman.agents.loader import load
from dragoman.app import build_app
from dragoman.cli.errors import CommandError
from dragoman.cli.http_protocol import Limits
from dragoman.cli.http_server import Server, loop_factory
from dragoman.memory.sqlite import SqliteLedger
from dragoman.settings import Flags, Settings, find
from dragoman.settings.faces import mcp_catalog
from dragoman.settings.master_keys import is_sealing
from dragoman.telemetry import configure_logging

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["serve", "serve_settings"]

BACKLOG = 2048
SHOWN = 10


def serve(
    target: str | None,
    *,
    host: str | None = None,
    port: int | None = None,
    storage: str | None = None,
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
    configure_logging(settings.log.level, sealed=is_sealing(settings))
    loaded = load(settings.sources())
    if not loaded:
        raise CommandError("No agents: name them under [agents] in dragoman.toml, or give a file with some.", 2)
    listener = _listen(settings.server.host, settings.server.port)
    try:
        settings = settings.bound_to(listener.getsockname()[1])
        app = build_app(settings, loaded.agents, catalog=mcp_catalog(settings, loaded))
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(app, settings, listener, [agent.name for agent in loaded.agents]))
    finally:
        listener.close()


async def _serve(app: Starlette, settings: Settings, listener: socket.socket, agents: Sequence[str]) -> None:
    def ready() -> None:
        print("\n".join(_banner(settings, agents)), flush=True)

    async with app.router.lifespan_context(app):
        if isinstance(app.state.ledger, SqliteLedger):
            app.state.ledger.set_url(settings.server.local_url)
        server = settings.server
        limits = Limits(server.head_limit, server.request_timeout, server.connection_limit)
        await Server(app, app.state.engine, ready, BACKLOG, limits, server.body_limit).serve(sockets=[listener])


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


def _banner(settings: Settings, agents: Sequence[str]) -> Iterator[str]:
    """Where it is reached."""
    url = settings.server.url
    more = f" and {len(agents) - SHOWN} more" if len(agents) > SHOWN else ""
    yield f"Dragoman serves {', '.join(agents[:SHOWN])}{more}"
    yield f"  MCP             {url}/mcp"
    for name in agents[:SHOWN]:
        yield f"  A2A             {url}/a2a/{name}"
    if settings.a2a.grpc_port is not None:
        yield f"  A2A over gRPC   {settings.a2a.grpc_url or f'{settings.server.host}:{settings.a2a.grpc_port}'}"
    yield f"  A2A card        {url}/.well-known/agent-card.json"
    yield f"  Agent Protocol  {url}"
    yield f"  Ledger          {settings.storage_shown}"
    if settings.auth.mode == "keys":
        yield "Callers need an API key: dragoman keys create NAME"
    yield f"Connect a client: dragoman connect claude-code --url {url}"
