"""The face's routes, the hottest first: Starlette looks through them in order.

Above: the app, which mounts them at ``/`` and puts the caller into ``scope["dragoman.principal"]``. Below: the
handlers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.routing import BaseRoute, WebSocketRoute

from dragoman.agent_protocol import agents, assistants, bulk, crons, joining, runs, states, store, threads, webhooks
from dragoman.agent_protocol.endpoint import Answer, Call, Endpoint
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.live import posted
from dragoman.agent_protocol.live.socket import Socket
from dragoman.agent_protocol.service import service_routes
from dragoman.agent_protocol.settings import AgentProtocolSettings
from dragoman.agent_protocol.surface import Surface
from dragoman.engine import Engine

__all__ = ["routes"]

_AP, _SDK = Surface.AGENT_PROTOCOL, Surface.LANGGRAPH
_Table = list[tuple[str, str, Surface | None, Callable[[Face, Call], Awaitable[Answer]]]]

# Method, path, the surface that the path belongs to (None: both; the client's name or the body tells), handler.
_TABLE: _Table = [
    ("POST", "/runs/wait", None, runs.wait),
    ("POST", "/runs/stream", None, runs.stream),
    ("POST", "/runs", None, runs.create),
    ("POST", "/threads/{thread_id}/runs/wait", None, runs.wait),
    ("POST", "/threads/{thread_id}/runs/stream", None, runs.stream),
    ("POST", "/threads/{thread_id}/runs", None, runs.create),
    ("POST", "/runs/crons", _SDK, crons.create),
    ("POST", "/runs/crons/search", _SDK, crons.search),
    ("POST", "/runs/crons/count", _SDK, crons.count),
    ("PATCH", "/runs/crons/{cron_id}", _SDK, crons.update),
    ("DELETE", "/runs/crons/{cron_id}", _SDK, crons.delete),
    ("POST", "/threads/{thread_id}/runs/crons", _SDK, crons.create),
    ("POST", "/runs/batch", _SDK, bulk.create_batch),
    ("POST", "/runs/cancel", _SDK, bulk.cancel_many),
    ("POST", "/runs/search", _AP, runs.search),
    ("GET", "/runs/{run_id}", _AP, runs.get),
    ("DELETE", "/runs/{run_id}", _AP, runs.delete),
    ("GET", "/runs/{run_id}/wait", _AP, runs.wait_for),
    ("GET", "/runs/{run_id}/stream", _AP, runs.watch),
    ("POST", "/runs/{run_id}/cancel", _AP, runs.cancel),
    ("POST", "/runs/{run_id}/resume", _AP, runs.resume),
    ("GET", "/runs/{run_id}/artifacts/{artifact_id}", _AP, runs.artifact),
    ("GET", "/threads/{thread_id}/runs", _SDK, runs.list_of_thread),
    ("GET", "/threads/{thread_id}/runs/{run_id}", _SDK, runs.get),
    ("DELETE", "/threads/{thread_id}/runs/{run_id}", _SDK, runs.delete),
    ("GET", "/threads/{thread_id}/runs/{run_id}/wait", _AP, runs.wait_on_thread),
    ("GET", "/threads/{thread_id}/runs/{run_id}/join", _SDK, runs.wait_for),
    ("GET", "/threads/{thread_id}/runs/{run_id}/stream", _SDK, runs.watch),
    ("POST", "/threads/{thread_id}/runs/{run_id}/cancel", _SDK, runs.cancel),
    ("GET", "/threads/{thread_id}/stream", _SDK, joining.join),
    ("POST", "/threads/{thread_id}/stream", None, posted.stream),
    ("POST", "/threads/{thread_id}/stream/events", None, posted.stream),
    ("POST", "/threads/{thread_id}/commands", None, posted.command),
    ("POST", "/threads", None, threads.create),
    ("POST", "/threads/search", None, threads.search),
    ("POST", "/threads/count", _SDK, threads.count),
    ("POST", "/threads/prune", _SDK, threads.prune),
    ("GET", "/threads/{thread_id}", None, threads.get),
    ("PATCH", "/threads/{thread_id}", None, threads.patch),
    ("DELETE", "/threads/{thread_id}", None, threads.delete),
    ("POST", "/threads/{thread_id}/copy", None, threads.copy),
    ("GET", "/threads/{thread_id}/history", _AP, threads.history),
    ("POST", "/threads/{thread_id}/history", _SDK, states.history),
    ("GET", "/threads/{thread_id}/state", _SDK, states.newest),
    ("POST", "/threads/{thread_id}/state", _SDK, states.update),
    ("POST", "/threads/{thread_id}/state/checkpoint", _SDK, states.at_named_checkpoint),
    ("GET", "/threads/{thread_id}/state/{checkpoint_id}", _SDK, states.at_checkpoint),
    ("POST", "/agents/search", _AP, agents.search),
    ("GET", "/agents/{agent_id}", _AP, agents.get),
    ("GET", "/agents/{agent_id}/schemas", _AP, agents.schemas),
    ("POST", "/assistants/search", _SDK, assistants.search),
    ("POST", "/assistants/count", _SDK, assistants.count),
    ("POST", "/assistants", _SDK, assistants.create),
    ("GET", "/assistants/{assistant_id}", _SDK, assistants.get),
    ("PATCH", "/assistants/{assistant_id}", _SDK, assistants.update),
    ("DELETE", "/assistants/{assistant_id}", _SDK, assistants.delete),
    ("GET", "/assistants/{assistant_id}/schemas", _SDK, assistants.schemas),
    ("GET", "/assistants/{assistant_id}/graph", _SDK, assistants.graph),
    ("GET", "/assistants/{assistant_id}/subgraphs", _SDK, assistants.subgraphs),
    ("GET", "/assistants/{assistant_id}/subgraphs/{namespace}", _SDK, assistants.subgraphs),
    ("POST", "/assistants/{assistant_id}/versions", _SDK, assistants.versions),
    ("POST", "/assistants/{assistant_id}/latest", _SDK, assistants.set_latest),
    ("PUT", "/store/items", None, store.put),
    ("GET", "/store/items", None, store.get),
    ("DELETE", "/store/items", None, store.delete),
    ("POST", "/store/items/search", None, store.search),
    ("POST", "/store/namespaces", None, store.namespaces),
]
_SOCKETS = ("/threads/{thread_id}/stream", "/threads/{thread_id}/stream/events")


def routes(engine: Engine, settings: AgentProtocolSettings | None = None) -> list[BaseRoute]:
    """The routes of both surfaces over an engine."""
    chosen = settings or AgentProtocolSettings()
    face = Face(engine, chosen)
    engine.crons.register(crons.KIND, partial(crons.run_of, face))
    engine.outbox.register(webhooks.KIND, webhooks.WebhookKind(engine))
    served: list[BaseRoute] = [
        Endpoint(partial(handler, face), surface, chosen.unnamed_surface).at(path, method)
        for method, path, surface, handler in _TABLE
    ]
    socket = Socket(face)
    served += [WebSocketRoute(path, socket, name=f"agent_protocol WebSocket {path}") for path in _SOCKETS]
    return [*served, *service_routes(_TABLE)]
