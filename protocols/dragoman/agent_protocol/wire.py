"""Request bodies of Agent Protocol 0.1.6 (its OpenAPI document, components/schemas), as pydantic models.

Strict: a string is not taken for a number, and null is no absence (the LangGraph SDK's clients mean absence by it,
and get it). What the document does not name is ignored, as it allows. What it names and this server cannot keep is
refused by name, never passed over (``unkept.py``). The models that the SDK's surface shares are used for both.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from dragoman.memory.model import ThreadStatus

__all__ = [
    "AgentSearch",
    "Body",
    "CancelQuery",
    "Command",
    "HistoryQuery",
    "Query",
    "Resume",
    "RunCreate",
    "RunSearch",
    "StoreDelete",
    "StoreGet",
    "StoreNamespaces",
    "StorePut",
    "StoreSearch",
    "ThreadCreate",
    "ThreadPatch",
    "ThreadSearch",
]

Object = dict[str, Any]
Fields = Annotated[Object, Field(default_factory=dict[str, Any])]
"""An object that may be left out."""
Limit = Annotated[int, Field(ge=1, le=1000)]
Offset = Annotated[int, Field(ge=0, le=2**53)]
Namespace = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=32)]
AnyNamespace = Annotated[Namespace, Field(default_factory=list[str])]
Messages = Annotated[list[Any], Field(default_factory=list[Any])]
ItemKey = Annotated[str, Field(max_length=1024)]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
ThreadName = Annotated[str, Field(min_length=1, max_length=256)]
Status = Literal["idle", "busy", "interrupted", "error"]
StreamMode = Literal["values", "messages", "updates", "custom"]


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


StreamModes = Annotated[
    list[StreamMode],
    BeforeValidator(_one_or_many),
    Field(default_factory=lambda: ["values"], min_length=1, max_length=16),
]


class Body(BaseModel):
    """A request body. ``nullable`` are the fields in which null is a value."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    nullable: ClassVar[frozenset[str]] = frozenset()


class AgentSearch(Body):
    """POST /agents/search"""

    name: str | None = None
    metadata: Fields
    limit: Limit = 10
    offset: Offset = 0


class ThreadCreate(Body):
    """POST /threads"""

    thread_id: Uuid | None = None
    metadata: Fields
    if_exists: Literal["raise", "do_nothing"] = "raise"


class ThreadSearch(Body):
    """POST /threads/search"""

    metadata: Fields
    values: Fields
    status: Status | None = None
    limit: Limit = 10
    offset: Offset = 0

    @property
    def thread_status(self) -> ThreadStatus | None:
        """The status as the domain has it."""
        return ThreadStatus(self.status) if self.status else None


class CheckpointName(Body):
    """A checkpoint to go by; extra keys are other servers'."""

    checkpoint_id: str


class ThreadPatch(Body):
    """PATCH /threads/{thread_id}"""

    checkpoint: CheckpointName | None = None
    metadata: Fields
    values: Fields
    messages: Messages


@with_config(ConfigDict(strict=True, extra="allow"))
class Config(TypedDict, total=False):
    """``config`` of a run."""

    tags: list[str]
    recursion_limit: int
    configurable: Object


def _nothing(value: object) -> object:
    """LangGraph's own ``Command`` goes to ``()`` where it goes nowhere."""
    return None if value in ([], "") else value


class Command(Body):
    """``command`` of a run, an extension that both surfaces take: ``resume`` answers what the thread's run asks."""

    resume: Any = None
    update: Any = None
    goto: Annotated[Any, BeforeValidator(_nothing)] = None


class RunCreate(Body):
    """POST /runs, /runs/wait, /runs/stream

    ``config`` is what the agent reads as ``ctx.config``.
    """

    nullable = frozenset({"input"})

    thread_id: ThreadName | None = None
    agent_id: str | None = None
    input: Any = None
    messages: Messages
    metadata: Fields
    config: Config | None = None
    webhook: Annotated[str, Field(min_length=1, max_length=65536)] | None = None
    on_completion: Literal["delete", "keep"] | None = None
    on_disconnect: Literal["cancel", "continue"] = "cancel"
    if_not_exists: Literal["create", "reject"] = "reject"
    stream_mode: StreamModes
    command: Command | None = None


class RunSearch(Body):
    """POST /runs/search"""

    metadata: Fields
    status: Literal["pending", "error", "success", "timeout", "interrupted"] | None = None
    thread_id: str | None = None
    agent_id: str | None = None
    limit: Limit = 10
    offset: Offset = 0


class Resume(Body):
    """POST /runs/{run_id}/resume, an extension: ``answers`` by key or id of the question, or ``answer`` to the only
    one."""

    nullable = frozenset({"answer"})
    answers: Object | None = None
    answer: Any = None


class Query(BaseModel):
    """Parameters of a query, which are text."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class HistoryQuery(Query):
    """GET /threads/{thread_id}/history"""

    limit: Limit = 10
    before: str | None = None


class CancelQuery(Query):
    """POST /runs/{run_id}/cancel"""

    wait: bool = False
    action: Literal["interrupt", "rollback"] = "interrupt"


class StorePut(Body):
    """PUT /store/items"""

    namespace: Namespace
    key: ItemKey
    value: Object
    ttl: Annotated[float, Field(gt=0, le=100 * 366 * 1440, allow_inf_nan=False)] | None = None
    index: list[Annotated[str, Field(max_length=1024)]] | Literal[False] | None = None


class StoreGet(Query):
    """GET /store/items, but for what the surfaces tell differently"""

    refresh_ttl: bool = True


class StoreDelete(Body):
    """DELETE /store/items"""

    namespace: AnyNamespace
    key: ItemKey


class StoreSearch(Body):
    """POST /store/items/search"""

    nullable = frozenset({"namespace_prefix", "filter"})
    namespace_prefix: Namespace | None = None
    filter: Object | None = None
    query: Annotated[str, Field(max_length=4096)] | None = None
    refresh_ttl: bool = True
    limit: Limit = 10
    offset: Offset = 0


class StoreNamespaces(Body):
    """POST /store/namespaces"""

    prefix: AnyNamespace
    suffix: AnyNamespace
    max_depth: Annotated[int, Field(ge=1)] | None = None
    limit: Limit = 100
    offset: Offset = 0
