"""``@tool``: an async function with a name, a schema, and a policy for crashes."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar, overload

from dragoman.agents.content import Icon
from dragoman.agents.hints import Hints
from dragoman.agents.naming import NAME, TaskSupport, titled
from dragoman.agents.param_headers import ParamHeader, headers_of
from dragoman.agents.policy import CrashPolicy, Retry
from dragoman.agents.signature import Signature
from dragoman.memory.model import Json

__all__ = ["Tool", "tool"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tool(Generic[P, T]):
    """A function that agents call, alone or as a step; with ``expose`` clients call it too, over MCP.

    Calling it calls the function. An exposed one that takes a ``Context`` is a durable run of its own; any other is
    done within its request.
    """

    fn: Callable[P, Awaitable[T]]
    name: str
    description: str
    signature: Signature
    on_crash: CrashPolicy = "retry"
    retry: Retry | None = None
    timeout: float | None = None
    expose: bool = False
    title: str = ""
    hints: Hints = field(default_factory=Hints)
    icons: tuple[Icon, ...] = ()
    scopes: frozenset[str] = frozenset()
    task_support: TaskSupport = "optional"
    ask_first: bool = False
    meta: Mapping[str, Json] = field(default_factory=dict[str, Json])
    headers: tuple[ParamHeader, ...] = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return self.fn(*args, **kwargs)


@overload
def tool(fn: Callable[P, Awaitable[T]], /) -> Tool[P, T]: ...
@overload
def tool(
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    on_crash: CrashPolicy = "retry",
    retry: Retry | None = None,
    timeout: float | None = None,
    expose: bool = False,
    hints: Hints | None = None,
    icons: Sequence[Icon] = (),
    scopes: Sequence[str] = (),
    task_support: TaskSupport = "optional",
    ask_first: bool = False,
    input_schema: Mapping[str, Json] | None = None,
    meta: Mapping[str, Json] | None = None,
) -> Callable[[Callable[P, Awaitable[T]]], Tool[P, T]]: ...
def tool(
    fn: Callable[..., Awaitable[Any]] | None = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    on_crash: CrashPolicy = "retry",
    retry: Retry | None = None,
    timeout: float | None = None,
    expose: bool = False,
    hints: Hints | None = None,
    icons: Sequence[Icon] = (),
    scopes: Sequence[str] = (),
    task_support: TaskSupport = "optional",
    ask_first: bool = False,
    input_schema: Mapping[str, Json] | None = None,
    meta: Mapping[str, Json] | None = None,
) -> Any:
    """Make an async function a tool.

    ``on_crash`` says what happens when a crash hides whether a step of it happened: ``retry`` does it again (give the
    other side ``ctx.idempotency_key``), ``ask`` asks a person, ``fail`` fails the run; the last two cost one commit
    more before the call. ``timeout`` is in seconds, for each try.

    ``expose`` offers it to clients over MCP, where ``hints`` say what it does to the world, ``scopes`` what its caller
    must hold, and ``meta`` is told as the tool's ``_meta``; ``task_support`` and ``ask_first`` are as for an agent.
    ``input_schema`` is a JSON Schema (2020-12, of an object) for a function that takes its input as one mapping.

    An argument whose schema has ``x-mcp-header`` is repeated by clients in that HTTP header.

    Raises ``TypeError`` for a function that is not async or lacks annotations, ``ValueError`` for a name that clients
    could not take, for an ``x-mcp-header`` that is declared wrongly, or an ``input_schema`` that is no JSON Schema, is
    in an unknown dialect or refers to another document.
    """

    def make(function: Callable[..., Awaitable[Any]]) -> Tool[..., Any]:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{function.__qualname__} must be an async function to be a tool.")
        chosen = name or function.__name__
        if expose and not NAME.match(chosen):
            raise ValueError(f"An exposed tool's name has letters, digits, _ and -, 64 at most: {chosen!r} does not.")
        signature = Signature.of(function, input_schema)
        if expose and task_support == "required" and not signature.durable:
            raise TypeError(f"{function.__qualname__}: a tool that must be a task takes a Context (ctx: Context).")
        return Tool(
            fn=function,
            name=chosen,
            description=description or inspect.getdoc(function) or "",
            signature=signature,
            headers=headers_of(function, signature.input_schema),
            on_crash=on_crash,
            retry=retry,
            timeout=timeout,
            expose=expose,
            title=title or titled(chosen),
            hints=hints or Hints(),
            icons=tuple(icons),
            scopes=frozenset(scopes),
            task_support=task_support,
            ask_first=ask_first,
            meta=dict(meta or {}),
        )

    return make if fn is None else make(fn)
