"""Verbs are plain functions that ask and are answered; on Postgres an answer is waited for. This lets a plain function
wait on the event loop without a thread: it runs in a greenlet, which is left at each wait and entered again with the
answer.

A ``Part`` is such a function within another one, which answers it: several go on side by side in one transaction.

Knows no database. Above: ``runner.py`` starts verbs, ``tx.py`` waits in them, ``together.py`` has parts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, TypeVarTuple

from greenlet import getcurrent, greenlet

__all__ = ["Part", "pause", "spawn", "wait"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def spawn(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Call a plain function that may ``wait``; raises what it raises, and what it waited for raises into it."""
    call = greenlet(function)
    value: Any = call.switch(*args)
    while not call.dead:
        try:
            answer = await value
        except BaseException as error:
            value = call.throw(error)
        else:
            value = call.switch(answer)
    result: T = value
    return result


def wait(awaitable: Awaitable[T]) -> T:
    """Within ``spawn``: the result of something awaitable."""
    parent = getcurrent().parent
    assert parent is not None
    result: T = parent.switch(awaitable)
    return result


class Part(Generic[T]):
    """A plain function that may ``pause``, and goes on when it is told to."""

    __slots__ = ("_args", "_call", "result")

    def __init__(self, function: Callable[[*Ts], T], *args: *Ts) -> None:
        self._call: Any = greenlet(function)
        self._args: tuple[Any, ...] = args
        self.result: T

    def goes_on(self) -> bool:
        """Run it up to its next pause; whether there was one. Raises what it raises."""
        args, self._args = self._args, ()
        result = self._call.switch(*args)
        if self._call.dead:
            self.result = result
            return False
        return True


def pause() -> None:
    """Within a ``Part``: return when it is told to go on."""
    parent = getcurrent().parent
    assert parent is not None
    parent.switch()
