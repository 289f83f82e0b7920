"""The gRPC server: listens on its own port beside the HTTP server, started and stopped by the app's lifespan.

It needs the extra ``grpc``, which is imported when a server is made and not before. What calls mean is
``grpc_service``'s.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.a2a.service import TaskService
from dragoman.a2a.settings import A2aSettings
from dragoman.agents.errors import ConfigurationError
from dragoman.engine import Engine

if TYPE_CHECKING:
    import grpc

    from dragoman.a2a.grpc_service import Authenticate

__all__ = ["serve_grpc"]

_GRACE = 5.0  # seconds that calls have to end when the server stops


@asynccontextmanager
async def serve_grpc(
    engine: Engine,
    settings: A2aSettings,
    authenticate: Authenticate,
    *,
    host: str,
    message_limit: int = 4_194_304,
    call_limit: int | None = None,
) -> AsyncGenerator[None]:
    """Serve the engine's agents at ``host`` and ``settings.grpc_port`` while the context is open; no port, no server.

    ``message_limit`` is in bytes, ``call_limit`` how many calls may be open. Raises ``ConfigurationError`` when the
    extra is missing, the certificate cannot be read, or the port is taken.
    """
    if settings.grpc_port is None:
        yield
        return
    parts = await asyncio.to_thread(_load)
    services = {name: TaskService(engine, name, settings) for name in engine.agents}
    default = settings.default_agent or next(iter(services), None)
    calls = parts.GrpcCalls(services, default, authenticate, _challenge(settings))
    server = _server(message_limit, call_limit)
    server.add_generic_rpc_handlers((parts.handlers(calls),))
    address = f"{f'[{host}]' if ':' in host else host}:{settings.grpc_port}"
    try:
        _listen(server, address, settings)
    except (RuntimeError, OSError) as error:
        raise ConfigurationError(f"[a2a] grpc_port: cannot serve gRPC at {address}: {error}") from None
    await server.start()
    try:
        yield
    finally:
        await server.stop(_GRACE)


def _load() -> Any:
    try:
        return importlib.import_module("dragoman.a2a.grpc_service")
    except ImportError as error:
        raise ConfigurationError(
            f"[a2a] grpc_port: gRPC needs the extra of that name: pip install 'dragoman[grpc]' ({error})."
        ) from None


def _server(message_limit: int, call_limit: int | None) -> grpc.aio.Server:
    from grpc import aio

    options = (
        ("grpc.so_reuseport", 0),  # a second server on the port is an error, and not half of the calls
        ("grpc.max_receive_message_length", message_limit),
    )
    return aio.server(options=options, maximum_concurrent_rpcs=call_limit)


def _listen(server: grpc.aio.Server, address: str, settings: A2aSettings) -> None:
    if not settings.grpc_certificate:
        server.add_insecure_port(address)
        return
    import grpc

    pair = Path(settings.grpc_private_key).read_bytes(), Path(settings.grpc_certificate).read_bytes()
    server.add_secure_port(address, grpc.ssl_server_credentials([pair]))


def _challenge(settings: A2aSettings) -> str:
    names = ", ".join(settings.security_schemes)
    return f"This server asks for an API key in the metadata of each call, as its card tells ({names})."
