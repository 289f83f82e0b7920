"""``@agent``: an async function that is served. What it takes and gives is read from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from pydantic import BaseModel

from dragoman.agents.content import Icon
from dragoman.agents.hints import Hints
from dragoman.agents.naming import NAME, TaskSupport, titled
from dragoman.agents.param_headers import ParamHeader, headers_of
from dragoman.agents.signature import Signature
from dragoman.memory.admission import PRIORITIES
from dragoman.memory.model import Json

__all__ = ["Agent", "Skill", "agent"]


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing that an agent is good at, as told to peers (A2A AgentSkill)."""

    id: str
    name: str
    description: str
    tags: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as the engine drives it and the faces tell of it.

    ``timeout`` bounds one activation in seconds (the time between waits); None is the server's own bound. ``scopes``
    are what a caller over MCP must hold; ``hints``, ``icons``, ``task_support`` and ``meta`` are told of it as a tool;
    ``headers`` are arguments that HTTP headers repeat.
    ``ask_first`` has what it asks at once asked within the call, before there is a task. ``concurrency`` is how many of
    its runs may be at work at once, on all servers together; ``priority`` (-10 to 10) that of runs whose callers say
    none. ``resumes`` are the other versions, or patterns of them (``1.*``), whose runs it goes on with.
    """

    fn: Callable[..., Awaitable[Any]]
    name: str
    title: str
    description: str
    version: str
    skills: tuple[Skill, ...]
    signature: Signature
    timeout: float | None = None
    hints: Hints = field(default_factory=Hints)
    icons: tuple[Icon, ...] = ()
    scopes: frozenset[str] = frozenset()
    task_support: TaskSupport = "optional"
    ask_first: bool = False
    meta: Mapping[str, Json] = field(default_factory=dict[str, Json])
    headers: tuple[ParamHeader, ...] = ()
    concurrency: int | None = None
    priority: int = 0
    resumes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"{self.name}: concurrency must be 1 or more, or None for no bound of its own.")
        if self.priority not in PRIORITIES:
            raise ValueError(f"{self.name}: priority must be from {PRIORITIES[0]} to {PRIORITIES[-1]}.")

    @property
    def input_schema(self) -> Mapping[str, Json]:
        """The JSON Schema (2020-12, an object) of its input."""
        return self.signature.input_schema

    @property
    def output_schema(self) -> Mapping[str, Json]:
        """The JSON Schema of its output."""
        return self.signature.output_schema

    def validate(self, value: Json) -> BaseModel:
        """Check an input. Raises ``InputInvalid`` naming each field that is wrong."""
        return self.signature.validate(value, f"input for {self.name}")


@overload
def agent(fn: Callable[..., Awaitable[Any]], /) -> Agent: ...
@overload
def agent(
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    version: str = "1.0.0",
    skills: Sequence[Skill] = (),
    timeout: float | None = None,
    hints: Hints | None = None,
    icons: Sequence[Icon] = (),
    scopes: Sequence[str] = (),
    task_support: TaskSupport = "optional",
    ask_first: bool = False,
    input_schema: Mapping[str, Json] | None = None,
    meta: Mapping[str, Json] | None = None,
    concurrency: int | None = None,
    priority: int = 0,
    resumes: Sequence[str] = (),
) -> Callable[[Callable[..., Awaitable[Any]]], Agent]: ...
def agent(
    fn: Callable[..., Awaitable[Any]] | None = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    version: str = "1.0.0",
    skills: Sequence[Skill] = (),
    timeout: float | None = None,
    hints: Hints | None = None,
    icons: Sequence[Icon] = (),
    scopes: Sequence[str] = (),
    task_support: TaskSupport = "optional",
    ask_first: bool = False,
    input_schema: Mapping[str, Json] | None = None,
    meta: Mapping[str, Json] | None = None,
    concurrency: int | None = None,
    priority: int = 0,
    resumes: Sequence[str] = (),
) -> Any:
    """Make an async function ``(ctx, ...)`` an agent.

    The other parameters are its input, the return annotation its output: any type that pydantic knows. ``name``
    (letters, digits, ``_`` and ``-``, 64 at most) defaults to the function's. ``input_schema`` is a JSON Schema
    (2020-12, of an object) for a function that takes its input as one mapping. See ``Agent`` for the others. Raises
    ``TypeError`` or ``ValueError`` saying what is wrong.
    """

    def make(function: Callable[..., Awaitable[Any]]) -> Agent:
        chosen = name or function.__name__
        if not NAME.match(chosen):
            raise ValueError(f"An agent's name has letters, digits, _ and -, 64 at most: {chosen!r} does not fit.")
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"{function.__qualname__} must be an async function to be an agent.")
        signature = Signature.of(function, input_schema)
        if not signature.durable:
            raise TypeError(f"{function.__qualname__}: the first parameter of an agent is its Context (ctx: Context).")
        told = description or inspect.getdoc(function) or ""
        return Agent(
            fn=function,
            name=chosen,
            title=title or titled(chosen),
            description=told,
            version=version,
            skills=tuple(skills) or (Skill(chosen, title or chosen, told or chosen),),
            signature=signature,
            timeout=timeout,
            hints=hints or Hints(),
            icons=tuple(icons),
            scopes=frozenset(scopes),
            task_support=task_support,
            ask_first=ask_first,
            meta=dict(meta or {}),
            headers=headers_of(function, signature.input_schema),
            concurrency=concurrency,
            priority=priority,
            resumes=tuple(resumes),
        )

    return make if fn is None else make(fn)
