"""Making frozen values fast.

A frozen dataclass sets each of its fields through ``object.__setattr__``, some 100 ns a field: a run has 26, and one is
made for every write and every row of a list. ``maker`` makes the same value from a twin that is not frozen and then
gives it its class; it is as frozen as any other from then on. Not for classes with a ``__post_init__``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, fields, make_dataclass
from typing import Any, ParamSpec, TypeVar

__all__ = ["maker"]

P = ParamSpec("P")
T = TypeVar("T")


def maker(cls: Callable[P, T]) -> Callable[P, T]:
    """A function that makes a ``cls``, a frozen dataclass with slots, as its class does."""
    frozen: Any = cls
    own = [(f.name, f.type, field(default=f.default, default_factory=f.default_factory)) for f in fields(frozen)]
    twin: Any = make_dataclass(f"_{frozen.__name__}", own, slots=True)

    def make(*values: P.args, **named: P.kwargs) -> T:
        value = twin(*values, **named)
        value.__class__ = cls
        made: T = value
        return made

    return make
