"""What the OpenAPI documents tell of each handler beyond its docstring: which models it reads, and what it answers.

A table beside that of the routes; a test holds that every route is in it. Not read when a request is served.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from dragoman.agent_protocol import (
    agents,
    assistants,
    bulk,
    crons,
    joining,
    runs,
    states,
    store,
    threads,
    wire,
    wire_sdk,
)
from dragoman.agent_protocol import wire_assistants as wa
from dragoman.agent_protocol import wire_crons as wc
from dragoman.agent_protocol.live import posted
from dragoman.agent_protocol.live import wire as live_wire
from dragoman.agent_protocol.surface import Surface

__all__ = ["EVENTS", "OPERATIONS", "Operation"]

_AP, _SDK = Surface.AGENT_PROTOCOL, Surface.LANGGRAPH
Model = type[BaseModel]

EVENTS: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Operation:
    """``body`` and ``query`` are the models by surface. ``answer`` names what is answered (``Run``, ``[Run]``), None
    for nothing; ``status`` is that of success by surface."""

    answer: str | None = None
    body: Mapping[Surface, Model] | None = None
    query: Mapping[Surface, Model] | None = None
    status: Mapping[Surface, int] | None = None
    parameters: tuple[str, ...] = ()


def _both(ap: Model, sdk: Model | None = None) -> Mapping[Surface, Model]:
    return {_AP: ap, _SDK: sdk or ap}


_ENDS: Final = {_AP: 204, _SDK: 204}
_RUN: Final = _both(wire.RunCreate, wire_sdk.SdkRunCreate)

OPERATIONS: Final[Mapping[Callable[..., Awaitable[Any]], Operation]] = {
    runs.wait: Operation("RunResult", _RUN),
    runs.stream: Operation(EVENTS, _RUN),
    runs.create: Operation("Run", _RUN),
    runs.search: Operation("[Run]", _both(wire.RunSearch)),
    runs.get: Operation("Run"),
    runs.delete: Operation(None, status=_ENDS),
    runs.wait_for: Operation("RunResult"),
    runs.wait_on_thread: Operation("RunResult"),
    runs.watch: Operation(EVENTS, query=_both(wire_sdk.JoinQuery)),
    runs.cancel: Operation(None, query=_both(wire.CancelQuery), status={_AP: 204, _SDK: 202}),
    runs.resume: Operation("Run", _both(wire.Resume)),
    runs.artifact: Operation("application/octet-stream"),
    runs.list_of_thread: Operation("[Run]", query=_both(wire_sdk.RunListQuery)),
    bulk.create_batch: Operation("[Run]"),
    bulk.cancel_many: Operation(None, _both(wire_sdk.CancelMany), _both(wire.CancelQuery), _ENDS),
    joining.join: Operation(EVENTS, query=_both(wire_sdk.ThreadJoinQuery)),
    posted.stream: Operation(EVENTS, _both(live_wire.EventStreamRequest)),
    posted.command: Operation(None, _both(live_wire.StreamingCommand)),
    threads.create: Operation("Thread", _both(wire.ThreadCreate, wire_sdk.SdkThreadCreate)),
    threads.search: Operation("[Thread]", _both(wire.ThreadSearch, wire_sdk.SdkThreadSearch)),
    threads.count: Operation("integer", _both(wire_sdk.ThreadCount)),
    threads.prune: Operation("Pruned", _both(wire_sdk.ThreadPrune)),
    threads.get: Operation("Thread"),
    threads.patch: Operation("Thread", _both(wire.ThreadPatch, wire_sdk.SdkThreadPatch)),
    threads.delete: Operation(None, status=_ENDS),
    threads.copy: Operation("Thread"),
    threads.history: Operation("[ThreadState]", query=_both(wire.HistoryQuery)),
    states.history: Operation("[ThreadState]", _both(wire_sdk.HistoryRequest)),
    states.newest: Operation("ThreadState", query=_both(wire_sdk.StateQuery)),
    states.update: Operation("ThreadStateUpdate", _both(wire_sdk.StateUpdate)),
    states.at_named_checkpoint: Operation("ThreadState", _both(wire_sdk.CheckpointRequest)),
    states.at_checkpoint: Operation("ThreadState"),
    agents.search: Operation("[Agent]", _both(wire.AgentSearch)),
    agents.get: Operation("Agent"),
    agents.schemas: Operation("AgentSchema"),
    assistants.search: Operation("[Assistant]", _both(wire_sdk.AssistantSearch)),
    assistants.count: Operation("integer", _both(wire_sdk.AssistantSearch)),
    assistants.create: Operation("Assistant", _both(wa.AssistantCreate)),
    assistants.get: Operation("Assistant"),
    assistants.update: Operation("Assistant", _both(wa.AssistantUpdate)),
    assistants.delete: Operation(None, query=_both(wa.AssistantDeletion), status=_ENDS),
    assistants.schemas: Operation("GraphSchema"),
    assistants.graph: Operation("Graph"),
    assistants.subgraphs: Operation("Subgraphs"),
    assistants.versions: Operation("[Assistant]", _both(wa.VersionList)),
    assistants.set_latest: Operation("Assistant", _both(wa.AssistantLatest)),
    crons.create: Operation("Cron", _both(wc.CronCreate)),
    crons.search: Operation("[Cron]", _both(wc.CronSearch)),
    crons.count: Operation("integer", _both(wc.CronCount)),
    crons.update: Operation("Cron", _both(wc.CronPatch)),
    crons.delete: Operation(None, status=_ENDS),
    store.put: Operation(None, _both(wire.StorePut), status=_ENDS),
    store.get: Operation("Item", query=_both(wire.StoreGet), parameters=("key", "namespace")),
    store.delete: Operation(None, _both(wire.StoreDelete), status=_ENDS),
    store.search: Operation("SearchItems", _both(wire.StoreSearch)),
    store.namespaces: Operation("Namespaces", _both(wire.StoreNamespaces)),
}
