"""How a ledger runs the verbs: what the classes of verbs, which both ledgers share, know of the one they are a part of.

Each ledger has its own: on SQLite the writer's thread and the readers, on Postgres its runner. Above: the classes of
verbs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, TypeVarTuple

__all__ = ["Through"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Through(Protocol):
    """Runs verbs, plain functions of a transaction or connection and their arguments. Raises what they raise, or
    ``LedgerBusy``."""

    def write(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts) -> Awaitable[T]:
        """In a transaction that is on disk when it is done."""
        ...

    def relaxed(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts) -> Awaitable[T]:
        """The same, but a power failure may take it (never a crash of the process)."""
        ...

    def look(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts) -> Awaitable[T]:
        """A read of a row or two."""
        ...

    def read(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts) -> Awaitable[T]:
        """A read of any length."""
        ...
