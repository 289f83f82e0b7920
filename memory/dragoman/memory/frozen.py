"""Making frozen values fast.

A frozen dataclass sets each of its fields through ``object.__setattr__``, some 100 ns a field: a run has 26, and one is
made for every write and every row of a list. ``maker`` makes the same value from a twin that is not frozen and then
gives it its class; it is as frozen as any other from then on. For values whose fields are at hand, in order; not for
classes with a ``__post_init__``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, make_dataclass
from typing import Any, TypeVar

__all__ = ["maker"]

T = TypeVar("T")


def maker(cls: type[T]) -> Callable[..., T]:
    """A function that makes a ``cls``, a frozen dataclass with slots, of all its fields in order."""
    twin: Any = make_dataclass(f"_{cls.__name__}", [field.name for field in fields(cls)], slots=True)  # type: ignore[arg-type]

    def make(*values: Any) -> T:
        value = twin(*values)
        value.__class__ = cls
        made: T = value
        return made

    return make
