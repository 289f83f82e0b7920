"""Forgets what is old: a pass over all tenants every so often, a little at a time, so that runs are served in between.

Several replicas on one ledger may do so at once: they pass over what another is at. The ledger decides what is needed
still. Knows ages, no row.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from dragoman.memory.errors import DragomanError
from dragoman.memory.ids import now_micros
from dragoman.memory.retention import WALKS, Cutoffs, Place, RetentionLedger, Walk

__all__ = ["Ages", "RetentionSettings", "RetentionSweeper"]

_log = logging.getLogger("dragoman.engine")
_AFTER_ERROR: Final = 30.0  # seconds
_ROWS: Final = 50
_BUDGET: Final = 0.003  # seconds
_LEAST_PAUSE: Final = 0.002
_DAY: Final = 86_400_000_000
_DAYS: Final = 31


@dataclass(frozen=True, slots=True)
class Ages:
    """How old things may become, in seconds; None keeps them. What the kinds are is said by ``Cutoffs``."""

    threads: float | None = None
    runs: float | None = None
    events: float | None = None
    checkpoints: float | None = None
    artifacts: float | None = None
    deliveries: float | None = None
    dead_letters: float | None = None

    def at(self, now: int) -> Cutoffs:
        """As times, seen from now (microseconds)."""
        given = {name: getattr(self, name) for name in Ages.__slots__}
        return Cutoffs(**{name: max(now - int(age * 1e6), 1) for name, age in given.items() if age is not None})


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """The ages of all tenants, and of those that have their own. A pass is begun every ``interval`` seconds, and takes
    at most ``share`` of the ledger's time."""

    ages: Ages = field(default_factory=Ages)
    tenants: Mapping[str, Ages] = field(default_factory=dict[str, Ages])
    interval: float = 3600.0
    share: float = 0.2

    @property
    def any(self) -> bool:
        """Whether anything is ever forgotten."""
        return any(ages != Ages() for ages in (self.ages, *self.tenants.values()))


class RetentionSweeper:
    """The passes, from entry to exit; none where nothing is ever forgotten."""

    def __init__(self, ledger: RetentionLedger, settings: RetentionSettings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> RetentionSweeper:
        if self._settings.any:
            self._task = asyncio.create_task(self._passing())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _passing(self) -> None:
        while True:
            wait = self._settings.interval
            try:
                if counts := await self.sweep():
                    _log.info("forgot what was old", extra={"counts": dict(counts)})
            except DragomanError as error:
                wait = min(wait, _AFTER_ERROR)
                _log.error("what is old could not be forgotten, trying again in %g s: %s", wait, error)
            await asyncio.sleep(wait)

    async def sweep(self) -> Counter[str]:
        """One pass over all tenants; what was forgotten, by kind."""
        counts: Counter[str] = Counter()
        await self._drop_days(counts)
        last = ""
        while (tenant := await self._ledger.tenant_after(last)) is not None:
            last = tenant
            cutoffs = self._settings.tenants.get(tenant, self._settings.ages).at(now_micros())
            for walk in WALKS:
                if cutoffs.needs(walk):
                    await self._walk(tenant, walk, cutoffs, counts)
        return +counts

    async def _drop_days(self, counts: Counter[str]) -> None:
        """Whole days first, one at a time, the oldest together. What they leave, and what they could not take, goes in
        batches."""
        age = self._settings.ages.events
        if age is None:
            return
        longer = (name for name, ages in self._settings.tenants.items() if ages.events is None or ages.events > age)
        keeping, last = list(longer), now_micros() - int(age * 1e6)
        try:
            for back in range(_DAYS, -1, -1):
                gone = await self._ledger.drop_days(last - back * _DAY, keeping)
                counts["events"] += sum(day.dropped for day in gone)
        except DragomanError as error:
            _log.warning("days of events could not be dropped: %s", error)

    async def _walk(self, tenant: str, walk: Walk, cutoffs: Cutoffs, counts: Counter[str]) -> None:
        after: Place | None = ()
        while after is not None:
            done = await self._ledger.purge(tenant, walk, cutoffs, after, _ROWS, _BUDGET)
            counts.update(done.counts)
            after = done.after
            await asyncio.sleep(max(_LEAST_PAUSE, done.used_s * (1 / self._settings.share - 1)))
