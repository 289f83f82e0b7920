"""``@prompt``: an async function whose messages a person starts a conversation with."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from dragoman.agents.completion import Completer, check_completers
from dragoman.agents.content import Icon
from dragoman.agents.naming import titled
from dragoman.agents.signature import Signature
from dragoman.memory.model import Json

__all__ = ["Argument", "Prompt", "prompt"]


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a prompt; its value is text."""

    name: str
    description: str = ""
    required: bool = True
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages made of a few arguments.

    ``render`` takes them by name, checked, and gives a str, a ``Message``, or a list of these. ``signature`` is there
    where they are a function's parameters.
    """

    render: Callable[..., Awaitable[Any]]
    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    signature: Signature | None = None
    icons: tuple[Icon, ...] = ()
    scopes: frozenset[str] = frozenset()
    completers: Mapping[str, Completer] = field(default_factory=dict[str, Completer])
    meta: Mapping[str, Json] = field(default_factory=dict[str, Json])


@overload
def prompt(fn: Callable[..., Awaitable[Any]], /) -> Prompt: ...
@overload
def prompt(
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    icons: Sequence[Icon] = (),
    scopes: Sequence[str] = (),
    complete: Mapping[str, Completer] | None = None,
    meta: Mapping[str, Json] | None = None,
) -> Callable[[Callable[..., Awaitable[Any]]], Prompt]: ...
def prompt(
    fn: Callable[..., Awaitable[Any]] | None = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    icons: Sequence[Icon] = (),
    scopes: Sequence[str] = (),
    complete: Mapping[str, Completer] | None = None,
    meta: Mapping[str, Json] | None = None,
) -> Any:
    """Make an async function a prompt.

    Its parameters, after a ``CallContext`` if it wants one, are the prompt's arguments: clients send text, which
    pydantic makes the annotated type; one with a default is optional. ``complete`` gives values of arguments, by name.
    Raises ``TypeError`` saying what is wrong.
    """

    def make(function: Callable[..., Awaitable[Any]]) -> Prompt:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{function.__qualname__} must be an async function to be a prompt.")
        signature = Signature.of(function)
        if signature.durable:
            raise TypeError(f"{function.__qualname__}: a prompt is no run; take a CallContext in place of a Context.")
        check_completers(function, complete or {}, signature.names)
        chosen = name or function.__name__
        return Prompt(
            render=function,
            name=chosen,
            title=title or titled(chosen),
            description=description or inspect.getdoc(function) or "",
            arguments=_arguments(signature),
            signature=signature,
            icons=tuple(icons),
            scopes=frozenset(scopes),
            completers=dict(complete or {}),
            meta=dict(meta or {}),
        )

    return make if fn is None else make(fn)


def _arguments(signature: Signature) -> tuple[Argument, ...]:
    return tuple(
        Argument(field.alias or name, field.description or "", field.is_required(), field.title)
        for name, field in signature.model.model_fields.items()
    )
