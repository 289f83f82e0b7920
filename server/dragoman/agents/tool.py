"""``@tool``: an async function with a name, a schema, and a policy for crashes."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, overload

from dragoman.agents.policy import CrashPolicy, Retry
from dragoman.agents.signature import Signature

__all__ = ["Tool", "tool"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tool(Generic[P, T]):
    """A function that agents call, alone or as a step. Calling it calls the function."""

    fn: Callable[P, Awaitable[T]]
    name: str
    description: str
    signature: Signature
    on_crash: CrashPolicy = "retry"
    retry: Retry | None = None
    timeout: float | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return self.fn(*args, **kwargs)


@overload
def tool(fn: Callable[P, Awaitable[T]], /) -> Tool[P, T]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    on_crash: CrashPolicy = "retry",
    retry: Retry | None = None,
    timeout: float | None = None,
) -> Callable[[Callable[P, Awaitable[T]]], Tool[P, T]]: ...
def tool(
    fn: Callable[..., Awaitable[Any]] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    on_crash: CrashPolicy = "retry",
    retry: Retry | None = None,
    timeout: float | None = None,
) -> Any:
    """Make an async function a tool.

    ``on_crash`` says what happens when a crash hides whether a step of it happened: ``retry`` does it again (give the
    other side ``ctx.idempotency_key``), ``ask`` asks a person, ``fail`` fails the run; the last two cost one commit
    more before the call. ``timeout`` is in seconds, for each try. Raises ``TypeError`` for a function that is not
    async or lacks annotations.
    """

    def make(function: Callable[..., Awaitable[Any]]) -> Tool[..., Any]:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{function.__qualname__} must be an async function to be a tool.")
        return Tool(
            fn=function,
            name=name or function.__name__,
            description=description or inspect.getdoc(function) or "",
            signature=Signature.of(function),
            on_crash=on_crash,
            retry=retry,
            timeout=timeout,
        )

    return make if fn is None else make(fn)
