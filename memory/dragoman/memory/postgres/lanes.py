"""Verbs that are committed often, taken together: all that wait while a transaction is under way are the next one.

One lane a tenant and kind of verb, with one transaction under way, or two when many wait. At one verb at a time each
has its own transaction, as it would have without a lane; the more come at once, the less each costs. Nothing is waited
for that is not there already, and what comes together is shared out between the two. Above: ``run_verbs.py``. Below:
``together.py`` in ``runner.py``'s transactions.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple, cast

from dragoman.memory.errors import DragomanError, LedgerBusy
from dragoman.memory.ledger import Lease, Submission
from dragoman.memory.postgres.expected import for_commit, for_submission
from dragoman.memory.postgres.remembered import Remembered
from dragoman.memory.postgres.runner import Expect, Runner
from dragoman.memory.postgres.together import ALONE, Outcome, Wanted, together

__all__ = ["Lanes"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Transactions of a lane: when many wait, one is made up while the other is written.
_AT_ONCE: Final = 2
_FULL: Final = 8
_MOST: Final = 64  # in one transaction
_MOST_LANES: Final = 1000  # above that, those that are empty are dropped
# What a running run writes waits for as long as the database is away: its fence tells then whether the run is its own.
# Text is on disk too before it is told: a database that crashes must not take back what clients of replicas, which live
# on, have seen.
_KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "open": {},
    "commit": {"patience": math.inf},
}


class _Waiting:
    """A verb, and who waits for it."""

    __slots__ = ("future", "wanted")

    def __init__(self, wanted: Wanted, future: asyncio.Future[Any]) -> None:
        self.wanted = wanted
        self.future = future

    @property
    def what(self) -> object:
        """Two that share this do not share a transaction."""
        return self.wanted.lease.thread_id if self.wanted.lease is not None else self.wanted.key or self

    def told(self, outcome: Outcome) -> None:
        """Tell who waits, if he still does."""
        if self.future.done():
            return
        if outcome.error is not None:
            self.future.set_exception(outcome.error)
        else:
            self.future.set_result(outcome.result)


class _Lane:
    """See the module."""

    def __init__(self, run: Callable[..., Any], remembered: Remembered) -> None:
        self._run = run
        self._remembered = remembered
        self._waiting: list[_Waiting] = []
        self._busy: set[object] = set()
        self._alone: set[asyncio.Task[None]] = set()
        self._drains: set[asyncio.Task[None]] = set()
        self._beginning = 0  # drains that have taken nothing yet

    def add(self, one: _Waiting) -> None:
        """Run a verb soon."""
        self._waiting.append(one)
        self._start()

    def _start(self) -> None:
        if not self._drains or (len(self._waiting) >= _FULL and len(self._drains) < _AT_ONCE):
            self._beginning += 1
            self._drains.add(asyncio.create_task(self._drained()))

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What is under way; nothing when it has no use any more."""
        return [*self._alone, *self._drains]

    async def _drained(self) -> None:
        self._beginning -= 1
        try:
            while taken := self._next():
                await self._share(taken)
        finally:  # not in a callback, before which something may have been added
            self._drains.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _next(self) -> list[_Waiting]:
        """Those that wait and share nothing with what is under way: what is tried again stays before what comes after
        it, which may be the last that its run may write."""
        taken: dict[object, _Waiting] = {}
        left: list[_Waiting] = []
        most = _MOST
        if self._beginning and len(self._waiting) >= 2 * _FULL:  # came together: half is for the drain that begins next
            most = min(_MOST, len(self._waiting) // 2)
        for one in self._waiting:
            if len(taken) == most or one.what in self._busy or taken.setdefault(one.what, one) is not one:
                left.append(one)
        self._waiting = left
        self._busy.update(taken)
        return list(taken.values())

    def _over(self, one: _Waiting, outcome: Outcome) -> None:
        self._busy.discard(one.what)
        one.told(outcome)
        if self._waiting:
            self._start()

    async def _share(self, taken: list[_Waiting]) -> None:
        try:
            wanted = [one.wanted for one in taken]
            outcomes: list[Outcome] = await self._run(together, wanted[0].tenant, self._remembered, wanted)
        except LedgerBusy as error:
            outcomes = [Outcome(error=error)] * len(taken)
        except DragomanError:  # something about one of them: each is run alone
            outcomes = [ALONE] * len(taken)
        except Exception as error:
            outcomes = [Outcome(error=error)] * len(taken)
        for one, outcome in zip(taken, outcomes, strict=True):
            if outcome is ALONE:
                task = asyncio.create_task(self._run_alone(one))
                self._alone.add(task)
                task.add_done_callback(self._alone.discard)
            else:
                self._over(one, outcome)

    async def _run_alone(self, one: _Waiting) -> None:
        try:
            result = await self._run(one.wanted.verb, *one.wanted.args, expect=_expected(one.wanted))
        except Exception as error:
            self._over(one, Outcome(error=error))
        else:
            self._over(one, Outcome(result))


def _expected(wanted: Wanted) -> Expect:
    if wanted.lease is not None:
        return for_commit(wanted.lease)
    # The thread is a new one: there is nothing of it to be locked.
    return for_submission(replace(wanted.args[0], thread_id=None))


class Lanes:
    """Runs the verbs of running runs and of runs that are written once."""

    def __init__(self, runner: Runner, remembered: Remembered) -> None:
        self._runner = runner
        self._remembered = remembered
        self._lanes: dict[tuple[str, str], _Lane] = {}

    def commit(self, verb: Callable[[Any, Lease, *Ts], T], lease: Lease, *args: *Ts) -> asyncio.Future[T]:
        """Run a verb that writes to a running run. Raises what it raises; ``LedgerBusy``."""
        return self._add("commit", Wanted(lease.tenant, verb, (lease, *args), lease))

    def open(self, verb: Callable[[Any, Submission, *Ts], T], submission: Submission, *args: *Ts) -> asyncio.Future[T]:
        """Run a verb that opens a thread with one run. Raises what it raises; ``LedgerBusy``."""
        wanted = Wanted(submission.tenant, verb, (submission, *args), key=submission.idempotency_key)
        return self._add("open", wanted)

    async def settle(self) -> None:
        """Wait for what is under way."""
        while tasks := [task for lane in self._lanes.values() for task in lane.tasks]:
            await asyncio.wait(tasks)

    def _add(self, kind: str, wanted: Wanted) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._lane(wanted.tenant, kind).add(_Waiting(wanted, future))
        return future

    def _lane(self, tenant: str, kind: str) -> _Lane:
        lane = self._lanes.get((tenant, kind))
        if lane is None:
            if len(self._lanes) >= _MOST_LANES:
                self._lanes = {key: lane for key, lane in self._lanes.items() if lane.tasks}
            run: Callable[..., Any] = partial(self._runner.write_here, **_KINDS[kind])
            lane = self._lanes[tenant, kind] = _Lane(run, self._remembered)
        return lane
