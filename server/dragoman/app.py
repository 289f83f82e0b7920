"""The application: composes ledger, engine, faces and gates, and nothing else.

    request -> trace -> proxies and paths -> host and origin -> who calls -> how much -> a face -> engine -> ledger

Below it are the faces; above it only ``cli``. The middleware is pure ASGI: what stands before a face is on the hot
path.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dragoman.a2a import A2aSettings
from dragoman.a2a.grpc_server import serve_grpc
from dragoman.a2a.routes import routes as a2a_routes
from dragoman.agent_protocol.routes import routes as agent_protocol_routes
from dragoman.agents import Agent, Catalog
from dragoman.auth import BodyLimit, Forwarded, HostGate, KeyGate, KeyRing, LocalGate, Outside, name_in
from dragoman.auth.asgi import Headers
from dragoman.auth.gate import LOCAL, key_in
from dragoman.engine import Engine
from dragoman.engine.metrics import engine_metrics
from dragoman.engine.retention import RetentionSweeper
from dragoman.mcp.routes import routes as mcp_routes
from dragoman.memory.errors import DragomanError
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import Principal
from dragoman.routing import ExactPaths
from dragoman.settings import Settings
from dragoman.settings.faces import (
    a2a_settings,
    agent_protocol_settings,
    mcp_folders,
    mcp_settings,
    outgoing,
    remote_peers,
)
from dragoman.settings.storage import made_ledger
from dragoman.telemetry import TraceContext, current_trace
from dragoman.telemetry.exposition import CONTENT_TYPE, exposition, process_metrics

__all__ = ["build_app"]


def build_app(
    settings: Settings, agents: Iterable[Agent], ledger: Ledger | None = None, catalog: Catalog | None = None
) -> Starlette:
    """The application that serves these agents, and over MCP what the catalog offers beside them; its lifespan opens
    the ledger and starts the engine.

    ``app.state.engine`` and ``app.state.ledger`` are what it composed. Raises ``ConfigurationError`` when it would
    listen to other machines without asking who calls, and for a file that should be a prompt or a skill and is none.
    """
    settings.check_exposure()
    ledger = ledger or made_ledger(settings)
    catalog = catalog if catalog is not None else Catalog()
    folders = mcp_folders(settings, catalog)
    out = outgoing(settings)
    engine = Engine(
        ledger,
        agents,
        settings.engine.to_engine(settings.crons.to_engine(), one_tenant=settings.auth.mode == "off"),
        catalog.durable,
        remote_peers(settings),
        out,
    )
    peers = a2a_settings(settings)
    ring = KeyRing(ledger, settings.auth.cache) if settings.auth.mode == "keys" else None

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        await ledger.open()
        try:
            forgetting = RetentionSweeper(ledger, settings.retention.to_engine())
            async with engine, folders.watched(), _grpc(engine, settings, peers, ring), forgetting:
                yield
        finally:
            await ledger.close()

    routes = [*_faces(engine, settings, peers, catalog), *_health(engine)]
    app = Starlette(
        routes=routes,
        middleware=[*_onion(settings, ring, _roots(routes)), Middleware(ExactPaths, routes)],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # to an address that a proxy may know another name for
    app.state.engine, app.state.ledger = engine, ledger
    return app


def _faces(engine: Engine, settings: Settings, peers: A2aSettings, catalog: Catalog) -> list[BaseRoute]:
    """The first route of each, which is the one that runs come by; then MCP and A2A before Agent Protocol, whose many
    paths begin at the root."""
    faces = [
        mcp_routes(engine, mcp_settings(settings), catalog),
        a2a_routes(engine, peers),
        agent_protocol_routes(engine, agent_protocol_settings(settings)),
    ]
    return [*(face[0] for face in faces), *(route for face in faces for route in face[1:])]


def _roots(routes: Iterable[BaseRoute]) -> frozenset[str]:
    """The first segments of the faces' paths."""
    return frozenset(route.path.split("/")[1] for route in routes if isinstance(route, Route))


def _grpc(
    engine: Engine, settings: Settings, peers: A2aSettings, ring: KeyRing | None
) -> AbstractAsyncContextManager[None]:
    """A2A over gRPC, beside the HTTP server and for the same callers; nothing without a port for it."""

    async def caller(headers: Headers) -> Principal | None:
        if ring is None:
            return LOCAL
        key = key_in(headers)
        return None if key is None else await ring.principal(key)

    server = settings.server
    return serve_grpc(
        engine,
        peers,
        caller,
        host=server.host,
        message_limit=server.body_limit,
        call_limit=server.connection_limit,
    )


def _onion(settings: Settings, ring: KeyRing | None, roots: Collection[str]) -> list[Middleware]:
    """What a request passes, from the outside in."""
    server = settings.server
    public = urlsplit(server.public_url)
    own = (*server.allowed_hosts, name_in(server.public_url)) if server.public_url else server.allowed_hosts
    # With keys a name proves nothing: a page that calls us by a name of its own has no key.
    hosts = ("*",) if ring is not None and not server.allowed_hosts else own
    origins = (*server.allowed_origins, f"{public.scheme}://{public.netloc}")
    return [
        Middleware(TraceContext),
        *([Middleware(Forwarded, server.trusted_proxies)] if server.trusted_proxies else []),
        Middleware(Outside, server.public_url, roots),
        *([Middleware(CORSMiddleware, **_cors(server.allowed_origins))] if server.allowed_origins else []),
        Middleware(HostGate, hosts, origins),
        Middleware(KeyGate, ring) if ring is not None else Middleware(LocalGate),
        Middleware(BodyLimit, server.body_limit),
    ]


def _cors(origins: Sequence[str]) -> dict[str, Any]:
    """Pages of these origins may send what the clients here send, and read where their session, run and page are."""
    told = ["Mcp-Session-Id", "Content-Location", "Location", "X-Pagination-Next"]
    return {"allow_origins": origins, "allow_methods": ["*"], "allow_headers": ["*"], "expose_headers": told}


def _health(engine: Engine) -> list[BaseRoute]:
    async def alive(request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def ready(request: Request) -> Response:
        try:
            await engine.ledger.ping()
        except DragomanError as error:
            return JSONResponse({"ready": False, "reason": error.message}, 503)
        if not engine.accepting:
            return JSONResponse({"ready": False, "reason": "The server is stopping."}, 503)
        return JSONResponse({"ready": True})

    async def metrics(request: Request) -> Response:
        try:
            told = await engine_metrics(engine)
        except DragomanError as error:
            return JSONResponse({"ready": False, "reason": error.message}, 503)
        return Response(exposition([*told, *process_metrics()]), media_type=CONTENT_TYPE)

    endpoints: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/ok": alive,
        "/healthz": alive,
        "/readyz": ready,
        "/metrics": metrics,
    }
    return [Route(path, endpoint) for path, endpoint in endpoints.items()]


async def _refused(request: Request, error: Exception) -> Response:
    """A path or method that no face serves: in the shapes that clients of these faces read."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"{HTTPStatus(status).phrase}: {request.method} {request.url.path}"
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"code": str(status), "message": message, "detail": message}, status, headers)


async def _failed(request: Request, error: Exception) -> Response:
    """An error that no face expected. Starlette raises it again, so that uvicorn logs it with the trace's id."""
    message = f"Something went wrong here; the log has it under trace {current_trace()}."
    return JSONResponse({"code": "internal", "message": message, "detail": message}, 500)
