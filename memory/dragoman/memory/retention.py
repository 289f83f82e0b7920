"""How long things are kept, and the ledger's verb that forgets them. Part of the contract of ``ledger.py``.

The verb goes on from a place, forgets what it finds whose time is over and that nothing needs, and tells where to go
on. It is bounded in rows and in time, so that steps are committed between two of its calls. When it is called, and how
old things may become, is the engine's to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

__all__ = ["PURGED", "WALKS", "Cutoffs", "DayGone", "Place", "Purged", "RetentionLedger", "Walk"]

PURGED: Final = "log.purged"
"""The type of the event that stands for itself and all before it, which are gone; ``through`` is its number."""

Walk = Literal["threads", "succeeded", "failed", "cancelled", "logs"]
"""What is gone through: a tenant's threads by their last use, its ended runs by how they ended and then in order, or
its threads' logs and checkpoints."""

WALKS: Final[tuple[Walk, ...]] = ("threads", "succeeded", "failed", "cancelled", "logs")

Place = tuple[Any, ...]
"""Where a walk is, to be given back; empty for its beginning."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """What is older goes; microseconds, 0 keeps all of a kind.

    ``threads`` that were not used since go whole, unless a run of theirs is active, a cron uses them or something
    active needs one of their runs. ``runs`` that ended before go with their steps, questions, artifacts and
    deliveries, under the same conditions; their events stay. ``events`` and ``checkpoints`` go from the beginning of
    threads that have no active run, the newest of each stays; ``artifacts``, ``deliveries`` (done or dead) and
    ``dead_letters`` (a dead delivery with its letter) go from runs that have ended.
    """

    threads: int = 0
    runs: int = 0
    events: int = 0
    checkpoints: int = 0
    artifacts: int = 0
    deliveries: int = 0
    dead_letters: int = 0

    def needs(self, walk: Walk) -> bool:
        """Whether a walk has anything to do."""
        if walk == "threads":
            return self.threads > 0
        if walk == "logs":
            return self.events > 0 or self.checkpoints > 0
        return max(self.runs, self.artifacts, self.deliveries, self.dead_letters) > 0


@dataclass(frozen=True, slots=True)
class Purged:
    """What one call forgot, by kind, and where to go on; None at the end of the walk. ``used_s`` is how many seconds
    it kept others from writing, not how many it waited for its turn."""

    counts: Mapping[str, int] = field(default_factory=Counter[str])
    after: Place | None = None
    used_s: float = 0.0


class DayGone(Protocol):
    """A day of events that was forgotten at once."""

    @property
    def dropped(self) -> int:
        """How many events went with it."""
        ...


class RetentionLedger(Protocol):
    """The verbs of retention. Both ledgers have them."""

    async def purge(
        self, tenant: str, walk: Walk, cutoffs: Cutoffs, after: Place = (), limit: int = 100, budget_s: float = 0.005
    ) -> Purged:
        """Forget some of a tenant's; at most ``limit`` threads or runs are looked at and about ``budget_s`` seconds
        used."""
        ...

    async def drop_days(self, before: int, keeping: Sequence[str] = ()) -> Sequence[DayGone]:
        """Forget the events of whole days that were over before a time (microseconds), without those of the tenants in
        ``keeping`` and those that are needed; none where events are not kept by day."""
        ...

    async def tenant_after(self, tenant: str) -> str | None:
        """The next tenant that has threads, in the order of their names; the first after the empty text."""
        ...
