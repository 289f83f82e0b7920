"""Request bodies that ``langgraph-sdk`` 0.4.14 sends where they are not Agent Protocol's, as pydantic models.

Strict in types; null is absence. What names a promise that this server cannot keep is refused by name
(``unkept.py``); what only asks for less than it always does (``durability``, ``stream_resumable``) is taken.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dragoman.agent_protocol.wire import Body, Command, Config, Fields, Limit, Offset, Query, Status, ThreadCreate
from dragoman.memory.codec import loads
from dragoman.memory.threads import ThreadTtl, TtlStrategy

__all__ = [
    "AssistantSearch",
    "BatchRun",
    "CancelMany",
    "CheckpointName",
    "CheckpointRequest",
    "HistoryRequest",
    "JoinQuery",
    "RunListQuery",
    "SdkRunCreate",
    "SdkThreadCreate",
    "SdkThreadPatch",
    "SdkThreadSearch",
    "StateQuery",
    "StateUpdate",
    "Superstep",
    "SuperstepUpdate",
    "ThreadCount",
    "ThreadJoinQuery",
    "ThreadPrune",
    "ThreadQuery",
    "Ttl",
]

StreamMode = Literal[
    "values",
    "messages",
    "updates",
    "events",
    "tasks",
    "checkpoints",
    "debug",
    "custom",
    "messages-tuple",
    "tools",
    "lifecycle",
]


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


StreamModes = Annotated[
    list[StreamMode],
    BeforeValidator(_one_or_many),
    Field(default_factory=lambda: ["values"], min_length=1, max_length=16),
]


Nodes = Annotated[
    list[Annotated[str, Field(max_length=256)]],
    BeforeValidator(_one_or_many),
    Field(default_factory=list[str], max_length=256),
]
"""Names of steps, or ``*`` for any."""


class AssistantSearch(Body):
    """POST /assistants/search and /assistants/count"""

    metadata: Fields
    graph_id: str | None = None
    name: str | None = None
    limit: Limit = 10
    offset: Offset = 0
    sort_by: Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"] | None = None
    sort_order: Literal["asc", "desc"] = "desc"
    select: list[str] | None = None


class Ttl(Body):
    """How long a thread is kept after its last use, in minutes."""

    ttl: Annotated[float, Field(gt=0, le=100 * 365 * 1440)]
    strategy: Literal["delete", "keep_latest"] = "delete"

    @property
    def kept(self) -> ThreadTtl:
        """As the domain has it."""
        return ThreadTtl(self.ttl, TtlStrategy(self.strategy))


def _minutes(value: object) -> object:
    return {"ttl": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


TtlField = Annotated[Ttl | None, BeforeValidator(_minutes)]


class SuperstepUpdate(Body):
    """One update of a superstep."""

    values: Any = None
    command: Command | None = None
    as_node: str | None = None


class Superstep(Body):
    """Updates that make one state."""

    updates: Annotated[list[SuperstepUpdate], Field(max_length=1000)]


class SdkThreadCreate(ThreadCreate):
    """POST /threads"""

    supersteps: Annotated[list[Superstep], Field(default_factory=list[Superstep], max_length=10_000)]
    ttl: TtlField = None
    graph_id: str | None = None


class ThreadCount(Body):
    """POST /threads/count"""

    metadata: Fields
    values: Fields
    status: Status | None = None


class SdkThreadSearch(ThreadCount):
    """POST /threads/search"""

    limit: Limit = 10
    offset: Offset = 0
    ids: Annotated[list[str], Field(max_length=1000)] | None = None
    sort_by: Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"] = "created_at"
    sort_order: Literal["asc", "desc"] = "desc"
    select: list[str] | None = None
    extract: Annotated[dict[str, str], Field(default_factory=dict[str, str], max_length=10)]


class ThreadPrune(Body):
    """POST /threads/prune"""

    thread_ids: Annotated[list[str], Field(max_length=1000)]
    strategy: Literal["delete", "keep_latest"] = "delete"


class SdkThreadPatch(Body):
    """PATCH /threads/{thread_id}"""

    metadata: Fields
    ttl: TtlField = None


class CheckpointName(Body):
    """Which checkpoint; null or none at all is the newest."""

    checkpoint_id: str | None = None
    checkpoint_ns: str | None = None


class StateUpdate(Body):
    """POST /threads/{thread_id}/state. ``as_node`` is noted in the state's metadata."""

    values: Any = None
    as_node: str | None = None
    checkpoint: CheckpointName | None = None
    checkpoint_id: str | None = None


class CheckpointRequest(Body):
    """POST /threads/{thread_id}/state/checkpoint"""

    checkpoint: CheckpointName


class HistoryRequest(Body):
    """POST /threads/{thread_id}/history"""

    limit: Limit = 10
    before: str | CheckpointName | None = None
    checkpoint: CheckpointName | None = None
    metadata: Fields
    select: list[str] | None = None


class SdkRunCreate(Body):
    """POST /threads/{thread_id}/runs, /runs and their wait and stream

    ``config`` and ``context`` are what the agent reads as ``ctx.config`` and ``ctx.context``. Every ``durability`` is
    kept: what is told is on disk, always.
    """

    assistant_id: str
    input: Any = None
    command: Command | None = None
    metadata: Fields
    config: Config | None = None
    context: Fields
    stream_mode: StreamModes
    stream_subgraphs: bool = False
    multitask_strategy: Literal["reject", "interrupt", "rollback", "enqueue"] = "enqueue"
    if_not_exists: Literal["create", "reject"] = "reject"
    on_disconnect: Literal["cancel", "continue"] = "continue"
    on_completion: Literal["delete", "keep"] | None = None
    after_seconds: Annotated[float, Field(ge=0, le=10 * 365 * 86_400)] = 0.0
    webhook: str | None = None
    checkpoint: CheckpointName | None = None
    checkpoint_id: str | None = None
    interrupt_before: Nodes
    interrupt_after: Nodes
    durability: Literal["sync", "async", "exit"] | None = None


class BatchRun(SdkRunCreate):
    """One body of POST /runs/batch"""

    thread_id: str | None = None


class CancelMany(Body):
    """POST /runs/cancel"""

    thread_id: str | None = None
    run_ids: Annotated[list[str], Field(max_length=1000)] | None = None
    status: Literal["pending", "running", "all"] | None = None


def _list_of_modes(value: object) -> object:
    """Repeated parameters, or the JSON list that the JavaScript SDK makes of them; an empty text is none."""
    if value == "":
        return None
    if isinstance(value, str) and value.startswith("["):
        return loads(value)
    return _one_or_many(value)


class ThreadQuery(Query):
    """GET /threads/{thread_id}"""

    include: str = ""


class StateQuery(Query):
    """GET /threads/{thread_id}/state"""

    select: Annotated[list[str] | None, BeforeValidator(_one_or_many)] = None


class JoinQuery(Query):
    """GET /threads/{thread_id}/runs/{run_id}/stream and GET /runs/{run_id}/stream"""

    stream_mode: Annotated[list[StreamMode] | None, BeforeValidator(_list_of_modes)] = None
    stream_subgraphs: bool | None = None
    cancel_on_disconnect: bool = False


class ThreadJoinQuery(Query):
    """GET /threads/{thread_id}/stream"""

    stream_mode: Annotated[
        list[Literal["run_modes", "lifecycle", "state_update"]] | None, BeforeValidator(_list_of_modes)
    ] = None


class RunListQuery(Query):
    """GET /threads/{thread_id}/runs"""

    limit: Limit = 10
    offset: Offset = 0
    status: Literal["pending", "running", "error", "success", "timeout", "interrupted"] | None = None
    select: Annotated[list[str] | None, BeforeValidator(_one_or_many)] = None
