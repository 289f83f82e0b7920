"""Completion of an argument: what a person may have begun to type."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

__all__ = ["Completer", "check_completers", "complete"]

Completer: TypeAlias = Sequence[str] | Callable[[str, Mapping[str, str]], Awaitable[Sequence[str]]]
"""The values an argument may have, or an async function of what was typed and of the arguments chosen already."""


async def complete(completer: Completer, typed: str, chosen: Mapping[str, str]) -> Sequence[str]:
    """What ``typed`` may become; of a fixed choice what begins with it, regardless of case."""
    if not callable(completer):
        begun = typed.casefold()
        return [value for value in completer if value.casefold().startswith(begun)]
    return await completer(typed, chosen)


def check_completers(fn: Callable[..., object], completers: Mapping[str, Completer], names: Sequence[str]) -> None:
    """Raise ``TypeError`` for a completer of an argument that is not there, or that is no async function."""
    for name, completer in completers.items():
        if name not in names:
            raise TypeError(f"{fn.__qualname__}: complete names {name!r}; the arguments are: {', '.join(names)}.")
        if callable(completer) and not inspect.iscoroutinefunction(completer):
            raise TypeError(f"{fn.__qualname__}: what completes {name!r} must be a list or an async function.")
