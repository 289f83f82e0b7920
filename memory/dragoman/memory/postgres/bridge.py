"""Verbs are plain functions that ask and are answered; on Postgres an answer is waited for. This lets a plain function
wait on the event loop without a thread: it runs in a greenlet, which is left at each wait and entered again with the
answer.

``Parts`` are such functions within another one, which answers them: they go on side by side in one transaction.

A greenlet serves one function after another, for to begin one (a stack of its own) takes longer than most verbs. Knows
no database. Above: ``runner.py`` starts verbs, ``asking.py`` waits in them, ``together.py`` has parts.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar, TypeVarTuple

from greenlet import GreenletExit, getcurrent, greenlet

__all__ = ["Parts", "pause", "spawn", "wait"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def spawn(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Call a plain function that may ``wait``; raises what it raises, and what it waited for raises into it."""
    call, value = _enter(function, args)
    while type(value) is not _Over:
        try:
            answer = await value
        except BaseException as error:
            value = call.throw(error)
        else:
            value = call.switch(answer)
    result: T = _leave(call, value)
    return result


def wait(awaitable: Awaitable[T]) -> T:
    """Within ``spawn``: the result of something awaitable."""
    parent = getcurrent().parent
    assert parent is not None
    result: T = parent.switch(awaitable)
    return result


class Parts:
    """Plain functions that may ``pause``, side by side. One after another runs in one greenlet until one of them
    pauses, so that those which never do cost nothing more than their call."""

    __slots__ = ("_left", "_paused")

    def __init__(self, functions: Iterable[Callable[[], object]]) -> None:
        self._left = iter(functions)
        self._paused: list[Any] = []

    def go_on(self) -> bool:
        """Run each up to its next pause; whether there was one. Raises what one of them raises."""
        going, self._paused = self._paused, []
        for call in going:
            self._has_paused(call, call.switch())
        while self._has_paused(*_enter(self._run, ())):
            pass
        return len(self._paused) > 0

    def _run(self) -> None:
        for function in self._left:
            function()

    def _has_paused(self, call: Any, value: Any) -> bool:
        if type(value) is _Over:
            _leave(call, value)
            return False
        self._paused.append(call)
        return True


def pause() -> None:
    """Within one of ``Parts``: return when it is told to go on."""
    parent = getcurrent().parent
    assert parent is not None
    parent.switch()


class _Over:
    """A function has ended, with this result or error."""

    __slots__ = ("error", "result")

    def __init__(self, result: Any = None, error: BaseException | None = None) -> None:
        self.result = result
        self.error = error


class _Idle(threading.local):
    """The greenlets of a thread that serve nothing now."""

    def __init__(self) -> None:
        self.greenlets: list[Any] = []


_idle: Final = _Idle()


def _enter(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Any]:
    """The greenlet that runs a function, and what it came back with: ``_Over``, or what it waits for."""
    call: Any = _idle.greenlets.pop() if _idle.greenlets else greenlet(_serve)
    call.parent = getcurrent()
    return call, call.switch(function, args)


def _leave(call: Any, over: _Over) -> Any:
    """The result of a function that has ended. Raises what it raised."""
    result, error = over.result, over.error
    over.result = over.error = None  # the greenlet has it until it serves the next
    _idle.greenlets.append(call)
    if error is not None:
        raise error
    return result


def _serve(*call: Any) -> None:
    while True:
        over = _called(*call)
        call = ()
        parent = getcurrent().parent
        assert parent is not None
        call = parent.switch(over)


def _called(function: Callable[..., Any], args: tuple[Any, ...]) -> _Over:
    try:
        return _Over(function(*args))
    except GreenletExit:  # nobody waits for it any more
        raise
    except BaseException as error:
        return _Over(error=error)
