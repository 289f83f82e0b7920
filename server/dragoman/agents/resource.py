"""``@resource``: an async function whose result is read under a URI, or under each URI of a template."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dragoman.agents.completion import Completer, check_completers
from dragoman.agents.content import Icon
from dragoman.agents.naming import titled
from dragoman.agents.signature import Signature
from dragoman.agents.templates import UriTemplate
from dragoman.memory.model import Json

__all__ = ["Resource", "resource"]


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that clients read. A ``template`` with variables stands for many.

    ``fn`` takes the variables by name, after a ``CallContext`` if it wants one. A str is text, bytes are a blob,
    anything else is JSON.
    """

    fn: Callable[..., Awaitable[Any]]
    template: UriTemplate
    name: str
    title: str
    description: str
    mime_type: str | None
    signature: Signature
    size: int | None = None
    icons: tuple[Icon, ...] = ()
    scopes: frozenset[str] = frozenset()
    completers: Mapping[str, Completer] = field(default_factory=dict[str, Completer])
    meta: Mapping[str, Json] = field(default_factory=dict[str, Json])
    any_value: frozenset[str] = frozenset()

    @property
    def uri(self) -> str:
        """Its URI, or its URI template."""
        return self.template.text

    @property
    def is_template(self) -> bool:
        """Whether it stands for many."""
        return bool(self.template.names)

    def match(self, uri: str) -> dict[str, str] | None:
        """The values of the variables in a URI; None where it does not fit, or where one would lead out of a folder."""
        values = self.template.match(uri)
        if values is None or any(_leads_out(value) for name, value in values.items() if name not in self.any_value):
            return None
        return values


def _leads_out(value: str) -> bool:
    """Whether a value, put behind a folder's path, could name what is not in the folder."""
    return "\0" in value or value[:1] in ("/", "\\") or ".." in re.split(r"[/\\]", value)


def resource(
    uri: str,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    mime_type: str | None = None,
    size: int | None = None,
    icons: Sequence[Icon] = (),
    scopes: Sequence[str] = (),
    complete: Mapping[str, Completer] | None = None,
    meta: Mapping[str, Json] | None = None,
    any_value: Sequence[str] = (),
) -> Callable[[Callable[..., Awaitable[Any]]], Resource]:
    """Make an async function a resource, read under ``uri``; with variables, as ``notes://{id}``, a template.

    ``mime_type`` defaults to text/plain for text, application/json for JSON, application/octet-stream for bytes;
    ``size`` is in bytes, where it is known; ``scopes`` are what a reader must hold; ``complete`` gives values of
    variables. A URI names nothing where a variable's value is an absolute path, has ``..`` between slashes, or a NUL:
    a value may become a path. ``any_value`` are variables that take these too. Raises ``TypeError`` or ``ValueError``
    saying what is wrong.
    """

    def make(function: Callable[..., Awaitable[Any]]) -> Resource:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{function.__qualname__} must be an async function to be a resource.")
        template, signature = UriTemplate(uri), Signature.of(function)
        if set(signature.names) != set(template.names):
            wanted = ", ".join(template.names) or "nothing"
            raise TypeError(f"{function.__qualname__} must take the variables of its URI ({wanted}) and nothing else.")
        if signature.durable:
            raise TypeError(f"{function.__qualname__}: reading is no run; take a CallContext in place of a Context.")
        check_completers(function, complete or {}, template.names)
        unknown = sorted(set(any_value) - set(template.names))
        if unknown:
            raise TypeError(f"{function.__qualname__}: any_value names {unknown[0]!r}, no variable of {uri!r}.")
        chosen = name or function.__name__
        return Resource(
            fn=function,
            template=template,
            name=chosen,
            title=title or titled(chosen),
            description=description or inspect.getdoc(function) or "",
            mime_type=mime_type,
            signature=signature,
            size=size,
            icons=tuple(icons),
            scopes=frozenset(scopes),
            completers=dict(complete or {}),
            meta=dict(meta or {}),
            any_value=frozenset(any_value),
        )

    return make
