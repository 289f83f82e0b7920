"""What an agent is handed: the Context.

Says what an agent may ask of its run; the engine implements it. Not an engine, and it knows no protocol: an agent is
the same whoever called it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from dragoman.agents.calls import CallContext
from dragoman.agents.policy import CrashPolicy, Retry
from dragoman.agents.remote import RemoteResult
from dragoman.memory.model import InterruptKind, Json, StoreItem

__all__ = ["Approval", "Context", "Store"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's decision: whether they approved, their comment, and who they are."""

    approved: bool
    comment: str = ""


class Store(ABC):
    """The tenant's long-term memory: JSON objects under a namespace and a key.

    Outside of a step reads are journaled, so that a replay decides as the first execution did.
    """

    @abstractmethod
    async def put(
        self,
        namespace: Sequence[str],
        key: str,
        value: Mapping[str, Json],
        *,
        ttl: float | None = None,
        index: Sequence[str] | Literal[False] | None = None,
    ) -> None:
        """Create or replace an item. It expires ``ttl`` seconds after it was put or read last; None keeps it.
        ``index`` names the paths (``title``, ``parts[*].text``) whose texts are found by ``search``: None is all of
        them, False none."""

    @abstractmethod
    async def get(self, namespace: Sequence[str], key: str, *, refresh_ttl: bool = True) -> Mapping[str, Json] | None:
        """The item's value, or None. One that expires has all of its time again, unless told otherwise."""

    @abstractmethod
    async def delete(self, namespace: Sequence[str], key: str) -> None:
        """Delete an item; no error when it is not there."""

    @abstractmethod
    async def search(
        self,
        prefix: Sequence[str],
        *,
        filter: Mapping[str, Json] | None = None,
        limit: int = 10,
        offset: int = 0,
        query: str | None = None,
        refresh_ttl: bool = True,
    ) -> Sequence[StoreItem]:
        """Items under the namespace prefix whose value fits the filter: pairs, or comparisons as ``{"age": {"$gte":
        18}}`` (``$eq``, ``$ne``, ``$gt``, ``$gte``, ``$lt``, ``$lte``). With a ``query`` those that hold one of its
        words, the best first, with their ``score``; words are looked for, not meanings. Raises ``InputInvalid``."""


class Context(CallContext):
    """An agent's view of its run.

    An agent starts again from its first line after a crash, a wait or a sleep; what it did through the Context before
    then is answered from the journal, in the same order of calls. So: side effects and anything that may differ next
    time (time, chance, the network) belong in steps.
    """

    # -- who and where ------------------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def run_id(self) -> str:
        """The run's id."""

    @property
    @abstractmethod
    def thread_id(self) -> str:
        """The id of the thread (the conversation) that the run is on."""

    @property
    @abstractmethod
    def attempt(self) -> int:
        """Which activation this is, from 1."""

    @property
    @abstractmethod
    def idempotency_key(self) -> str:
        """A key for the side effect at hand: the same at every execution of this step of this run, and nowhere else."""

    @property
    @abstractmethod
    def config(self) -> Mapping[str, Json]:
        """What the run was configured with (LangGraph's ``config``: ``configurable``, ``tags``, ...), its assistant's
        configuration included; empty where nothing was given. The same at every activation."""

    @property
    @abstractmethod
    def context(self) -> Mapping[str, Json]:
        """The context that the run was opened with; empty where none was given. The same at every activation."""

    # -- durable work -------------------------------------------------------------------------------------------------
    @abstractmethod
    def step(
        self,
        fn: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        key: str | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        on_crash: CrashPolicy | None = None,
        **kwargs: Any,
    ) -> Awaitable[T]:
        """Do ``await fn(*args, **kwargs)`` once and journal its result.

        ``fn`` is an async function or a ``@tool``; one whose first parameter is a Context is given one. Its result
        must be JSON or of the annotated type (pydantic makes it JSON and back). The step's name is ``key`` or the
        function's name; the second of a name is ``name#2``, counted when ``step`` is called, so parallel branches that
        share a function need keys. ``timeout`` is in seconds, for each try. Raises what ``fn`` raised (``StepFailed``
        when it is replayed), or ``StepMismatch`` when the journal holds other arguments under that name.
        """

    @abstractmethod
    async def gather(self, *steps: Awaitable[Any]) -> list[Any]:
        """Run steps side by side; results in order. When one fails the others are cancelled and its error is raised."""

    @abstractmethod
    async def interrupt(
        self,
        message: str,
        *,
        kind: InterruptKind = InterruptKind.INPUT,
        schema: Mapping[str, Json] | type[Any] | None = None,
        payload: Json = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Ask, and wait for the answer as long as it takes; the run holds nothing meanwhile.

        ``schema`` is the JSON Schema of the answer or a type that pydantic knows (the answer is then of that type);
        without one any string will do. ``payload`` goes to the client with the question. ``timeout`` is in seconds;
        past it ``InterruptExpired`` is raised. Not inside a step.
        """

    @abstractmethod
    async def approve(
        self, message: str, *, payload: Json = None, key: str | None = None, timeout: float | None = None
    ) -> Approval:
        """Ask a person to approve."""

    @abstractmethod
    async def sleep(self, seconds: float, *, key: str | None = None) -> None:
        """Sleep durably: the time counts through crashes and restarts. Not inside a step."""

    @abstractmethod
    async def call(self, agent: str, input: Json = None, *, text: str | None = None, key: str | None = None) -> Json:
        """Run another agent as a child run and return its output. What it asks is asked of this run's caller. Raises
        ``ChildFailed`` when the child failed or was cancelled. Not inside a step."""

    @abstractmethod
    async def remote(
        self,
        peer: str,
        input: Json = None,
        *,
        text: str | None = None,
        context_id: str = "",
        key: str | None = None,
        timeout: float | None = None,
        patience: float = 600.0,
    ) -> RemoteResult:
        """Call another server's agent over A2A, as a step.

        ``peer`` is the agent's address (where its card is, or under which), or its name under ``[peers]``. ``input``
        is sent as data, a str as text. ``context_id`` goes on in a conversation with the peer. It is sent once,
        whatever crashes; from then on its task is followed: its text, progress and files become this run's, what it
        asks is asked of this run's caller, and when this run is cancelled so is the task. ``timeout`` (seconds) bounds
        all of it, ``patience`` how long a peer may be out of reach. Raises ``RemoteFailed`` (``RemoteRejected``,
        ``RemoteUnreachable``, ``RemoteUnusable``), ``StepTimeout``. Not inside a step.
        """

    # -- what others see ----------------------------------------------------------------------------------------------
    @abstractmethod
    async def emit(self, name: str, data: Json = None) -> None:
        """Append an event of the agent's own (``custom``) to the thread's log."""

    @abstractmethod
    async def stream_text(self, text: str) -> None:
        """Append a piece of the reply."""

    @abstractmethod
    async def artifact(self, name: str, data: str | bytes | Json, *, mime_type: str | None = None) -> str:
        """Keep something the run made and return its id. A str is text/plain, bytes are application/octet-stream,
        anything else is JSON, unless told otherwise. The same name again replaces it."""

    # -- the conversation ---------------------------------------------------------------------------------------------
    @abstractmethod
    async def values(self) -> Mapping[str, Json]:
        """The thread's values as the run found them, with its own updates."""

    @abstractmethod
    async def messages(self) -> Sequence[Mapping[str, Json]]:
        """The conversation so far: ``{"role", "content", "id"}``, oldest first, this run's message last."""

    @abstractmethod
    async def append(self, *messages: Mapping[str, Json]) -> None:
        """Append messages to the conversation, once: ``{"role", "content"}``, with ``tool_calls`` or ``tool_call_id``
        where they have such. The answer that the agent returns is appended by the run itself. A call of a tool that
        has no result when the run is cancelled gets one that says so. Not inside a step."""

    @abstractmethod
    async def update(self, values: Mapping[str, Json]) -> None:
        """Merge into the thread's values; None deletes a key. Written with the next step or at the end of the run."""

    @property
    @abstractmethod
    def store(self) -> Store:
        """The tenant's long-term memory."""
