"""Verbs are plain functions that ask and are answered; on Postgres an answer is waited for. This lets a plain function
wait on the event loop without a thread: it runs in a greenlet, which is left at each wait and entered again with the
answer.

Knows no database. Above: ``runner.py`` starts verbs, ``tx.py`` waits in them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, TypeVarTuple

from greenlet import getcurrent, greenlet

__all__ = ["spawn", "wait"]

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
