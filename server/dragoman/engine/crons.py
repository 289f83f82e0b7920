"""Crons: opens runs at the times of a schedule.

It sleeps until the ledger's next due time and looks at nothing meanwhile. A due time is fired in the transaction that
moves the cron on, so that it has one run whoever else looks; and the run is from then on a run like any other. Knows
no protocol: a face says what a cron of its kind runs. Owned by the engine.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from dragoman.engine.cron_settings import CronSettings, times_to_fire
from dragoman.engine.request import RunRequest
from dragoman.memory.crons import Cron, CronFilter, CronOrder
from dragoman.memory.errors import (
    AgentNotFound,
    Conflict,
    DragomanError,
    InputInvalid,
    LedgerBusy,
    QueueFull,
    ThreadBusy,
    ThreadNotFound,
)
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Ledger, Submission, Submitted
from dragoman.memory.model import Principal, Run

if TYPE_CHECKING:
    from dragoman.engine.schedule import Schedule

__all__ = ["Clock", "CronHost", "CronReader", "Crons", "SystemClock"]

_log = logging.getLogger("dragoman.crons")

_LONGEST_WAIT = 60_000_000  # microseconds: the host's clock may be set, or stand still while a laptop sleeps
_AFTER_ERROR = 1.0
_BATCH = 64
_LATER = 60_000_000  # microseconds until a cron that could not be fired is tried again
_TRIES = 5

CronReader = Callable[[Cron], Awaitable[RunRequest]]
"""What a cron runs. Raises ``AgentNotFound``, ``InputInvalid``."""
Opener = Callable[[Submission, str | None, float], Awaitable[Submitted | None]]


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> int:
        """Microseconds since the epoch."""
        ...

    async def wait(self, event: asyncio.Event, until: int) -> None:
        """Until the event is set or it is that late."""
        ...


class SystemClock:
    """The host's."""

    def now(self) -> int:
        """See ``Clock.now``."""
        return now_micros()

    async def wait(self, event: asyncio.Event, until: int) -> None:
        """See ``Clock.wait``."""
        try:
            async with asyncio.timeout(max(0.0, (until - now_micros()) / 1e6)):
                await event.wait()
        except TimeoutError:
            return


class CronHost(Protocol):
    """The engine, as crons see it."""

    ledger: Ledger

    async def check(self, principal: Principal, request: RunRequest) -> None: ...
    async def accept_by(self, principal: Principal, request: RunRequest, opener: Opener) -> Run | None: ...


class Crons:
    """The crons of one engine."""

    def __init__(self, host: CronHost, settings: CronSettings | None = None, clock: Clock | None = None) -> None:
        self._host = host
        self._settings = settings or CronSettings()
        self._clock = clock or SystemClock()
        self._readers: dict[str, CronReader] = {}
        self._wake = asyncio.Event()
        self._running = False
        self._task: asyncio.Task[None] | None = None

    def register(self, kind: str, reader: CronReader) -> None:
        """Say who reads crons of a kind. Those of kinds that nobody registered wait."""
        self._readers[kind] = reader
        self._begin()

    # -- life ---------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Fire what is due, from now on."""
        self._running = True
        self._begin()

    async def stop(self) -> None:
        """Fire nothing more."""
        self._running = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _begin(self) -> None:
        if self._running and self._readers and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._firing())
        self._wake.set()

    # -- for the faces ------------------------------------------------------------------------------------------------
    async def add(self, principal: Principal, new: Cron) -> Cron:
        """Keep a cron of this caller, whose runs act for them. Raises ``InputInvalid``, ``AgentNotFound``,
        ``ThreadNotFound``, ``Conflict``."""
        mine = replace(new, tenant=principal.tenant, subject=principal.subject)
        await self._host.check(principal, await self._readers[new.kind](mine))
        added = await self._host.ledger.add_cron(self._timed(mine), self._settings.limit)
        self._wake.set()
        return added

    async def get(self, principal: Principal, cron_id: str) -> Cron:
        """One cron. Raises ``CronNotFound``."""
        return await self._host.ledger.cron(principal.tenant, cron_id)

    async def change(self, principal: Principal, cron_id: str, change: Callable[[Cron], Cron]) -> Cron:
        """Change a cron. Its next time is counted anew from now where its times have changed. Raises as ``add``, and
        ``CronNotFound``."""
        for left in reversed(range(_TRIES)):
            old = await self.get(principal, cron_id)
            new = change(old)
            await self._host.check(principal, await self._readers[new.kind](new))
            if _times(new) != _times(old):
                new = self._timed(new)
            try:
                changed = await self._host.ledger.replace_cron(new)
            except Conflict:
                if not left:
                    raise
            else:
                self._wake.set()
                return changed
        raise AssertionError("unreachable")

    async def delete(self, principal: Principal, cron_id: str) -> None:
        """Forget a cron. Raises ``CronNotFound``."""
        await self._host.ledger.delete_cron(principal.tenant, cron_id)

    async def search(
        self,
        principal: Principal,
        where: CronFilter,
        order: CronOrder = "created_at",
        *,
        descending: bool = True,
        limit: int = 10,
        offset: int = 0,
    ) -> Sequence[Cron]:
        """A page of the tenant's crons."""
        return await self._host.ledger.crons(
            principal.tenant, where, order, descending=descending, limit=limit, offset=offset
        )

    async def count(self, principal: Principal, where: CronFilter) -> int:
        """How many there are."""
        return await self._host.ledger.count_crons(principal.tenant, where)

    def _timed(self, cron: Cron) -> Cron:
        due = _schedule(cron).next(self._clock.now())
        return replace(cron, next_at=_within(cron, due) if cron.enabled else None)

    # -- firing -------------------------------------------------------------------------------------------------------
    async def _firing(self) -> None:
        ledger = self._host.ledger
        while True:
            self._wake.clear()
            kinds = list(self._readers)
            try:
                due = await ledger.due_crons(kinds, self._clock.now(), _BATCH)
                await asyncio.gather(*map(self._fire, due))
                if due:
                    continue
                at = await ledger.next_cron(kinds)
            except Exception as error:
                known = isinstance(error, DragomanError)
                _log.error("firing failed, trying again in %g s: %s", _AFTER_ERROR, error, exc_info=not known)
                await asyncio.sleep(_AFTER_ERROR)
                continue
            longest = self._clock.now() + _LONGEST_WAIT
            await self._clock.wait(self._wake, longest if at is None else min(at, longest))

    async def _fire(self, cron: Cron) -> None:
        """Open the runs that are due, one after another, and leave the cron at its next time."""
        now = self._clock.now()
        since = cron.next_at or now
        try:
            schedule = _schedule(cron)
        except InputInvalid as error:  # it was read once; the host's timezones have changed since
            _log.error("cron %s cannot be timed: %s", cron.id, error)
            await self._host.ledger.postpone_cron(cron, now + _LATER)
            return
        times = times_to_fire(self._settings, schedule, since, min(now, cron.end_at or now))
        if (times[0] if times else now) > since:
            _log.warning("cron %s: due times were missed; %d run of those since %d", cron.id, len(times), since)
        ahead = [*times, _within(cron, schedule.next(now))]
        if not times:
            await self._host.ledger.fire_cron(cron, ahead[0], None)
        for at, following in zip(times, ahead[1:], strict=True):
            if not await self._open(cron, at, following):
                return
            cron = replace(cron, next_at=following, wake_at=following)

    async def _open(self, cron: Cron, at: int, following: int | None) -> bool:
        """Fire one due time; whether the cron has been moved on to the following one."""
        ledger, now = self._host.ledger, self._clock.now()

        async def opener(submission: Submission, claim_for: str | None, lease_s: float) -> Submitted | None:
            return await ledger.fire_cron(cron, following, submission, claim_for, lease_s)

        try:
            request = replace(await self._readers[cron.kind](cron), idempotency_key=f"cron:{cron.id}:{at}")
            who = Principal(cron.tenant, cron.subject, frozenset())
            return await self._host.accept_by(who, request, opener) is not None
        except LedgerBusy:
            raise
        except QueueFull as error:
            await ledger.postpone_cron(cron, now + int(error.retry_after * 1e6))
        except ThreadNotFound:
            await ledger.fire_cron(cron, None, None)
        except AgentNotFound as error:  # another server on this ledger may have it
            _log.warning("cron %s waits: %s", cron.id, error)
            await ledger.postpone_cron(cron, now + _LATER)
        except (ThreadBusy, InputInvalid) as error:  # what this due time needs is not there, and will not come
            _log.warning("cron %s: no run at %d: %s", cron.id, at, error)
            await ledger.fire_cron(cron, following, None)
            return True
        except Exception:
            _log.exception("cron %s failed", cron.id)
            await ledger.postpone_cron(cron, now + _LATER)
        return False


def _schedule(cron: Cron) -> Schedule:
    from dragoman.engine.schedule import Schedule  # a server without crons does without it

    return Schedule(cron.schedule, cron.timezone)


def _within(cron: Cron, due: int | None) -> int | None:
    """A due time, None when the cron is over by then."""
    return None if due is None or (cron.end_at is not None and due > cron.end_at) else due


def _times(cron: Cron) -> tuple[object, ...]:
    return cron.schedule, cron.timezone, cron.end_at, cron.enabled
