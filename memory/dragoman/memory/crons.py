"""Crons: runs that are opened at times of a schedule; the values, and the ledger's verbs for them.

The ledger keeps when a cron is due next and moves it in the transaction that opens the run, so that each due time has
one run, whoever looks and whatever crashes. It knows no schedule: when that is, the engine above tells. Part of the
contract of ``ledger.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from dragoman.memory.errors import NotFound
from dragoman.memory.model import Json

__all__ = ["Cron", "CronFilter", "CronLedger", "CronNotFound", "CronOrder"]

CronOrder = Literal["id", "assistant_id", "thread_id", "created_at", "updated_at", "next_at", "end_at"]
"""What crons are listed by."""


class CronNotFound(NotFound):
    """No such cron."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule and what to run at its times.

    ``kind`` says who reads ``payload``, which holds what each run is opened with; ``metadata`` is given to each run.
    Without a ``thread_id`` each run has a thread of its own. ``timezone`` None is UTC. ``next_at`` is the next due
    time, None when there is none (disabled, or over); ``wake_at`` is when to look at it: that time, or later after a
    failure. ``revision`` counts the changes by people.
    """

    tenant: str
    id: str
    kind: str
    assistant_id: str
    schedule: str
    thread_id: str | None = None
    subject: str = ""
    timezone: str | None = None
    end_at: int | None = None
    enabled: bool = True
    on_run_completed: str | None = None
    payload: Mapping[str, Json] = field(default_factory=dict[str, Json])
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])
    next_at: int | None = None
    wake_at: int | None = None
    revision: int = 1
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True)
class CronFilter:
    """Which crons; None means any. ``metadata`` matches on top-level pairs."""

    assistant_id: str | None = None
    thread_id: str | None = None
    enabled: bool | None = None
    metadata: Mapping[str, Json] | None = None


class CronLedger(Protocol):
    """The verbs of crons, but for ``Ledger.fire_cron``. A ``Ledger`` has them; every one is a transaction."""

    async def add_cron(self, new: Cron, limit: int) -> Cron:
        """Keep a new one, looked at from its ``next_at`` on; the ledger dates it.

        Raises ``ThreadNotFound`` for a thread that is not there, ``Conflict`` when the tenant has ``limit`` crons, or
        one with this id.
        """
        ...

    async def cron(self, tenant: str, cron_id: str) -> Cron:
        """One cron. Raises ``CronNotFound``."""
        ...

    async def replace_cron(self, new: Cron) -> Cron:
        """Put ``new`` in place of the one with its id, if that still has its ``revision``, which is raised.

        The kind, the thread, the subject and the date of creation stay. Raises ``CronNotFound``; ``Conflict`` when
        someone else changed it.
        """
        ...

    async def delete_cron(self, tenant: str, cron_id: str) -> None:
        """Forget it; its runs stay. Raises ``CronNotFound``."""
        ...

    async def crons(
        self,
        tenant: str,
        where: CronFilter | None = None,
        order: CronOrder = "created_at",
        *,
        descending: bool = True,
        limit: int = 50,
        offset: int = 0,
    ) -> Sequence[Cron]:
        """Crons; those that are equal in ``order`` stand by id, in the same direction; those without one come first
        when ascending."""
        ...

    async def count_crons(self, tenant: str, where: CronFilter | None = None) -> int:
        """How many there are."""
        ...

    async def due_crons(self, kinds: Sequence[str], now: int, limit: int) -> Sequence[Cron]:
        """Crons of all tenants and these kinds with ``wake_at <= now``, the longest due first."""
        ...

    async def next_cron(self, kinds: Sequence[str]) -> int | None:
        """When the next of these kinds is to be looked at, past or future."""
        ...

    async def postpone_cron(self, cron: Cron, wake_at: int) -> None:
        """Look at it later, if it is as it was read; it stays due since ``next_at``."""
        ...
