"""The verbs of crons, as a part of a ledger. What each does is in ``crons``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dragoman.memory.crons import Cron, CronFilter, CronOrder
from dragoman.memory.ledger import Submission, Submitted
from dragoman.memory.verbs import crons
from dragoman.memory.verbs.through import Through

__all__ = ["CronVerbs"]


class CronVerbs(ABC):
    """See ``CronLedger``, and ``Ledger.fire_cron``."""

    @property
    @abstractmethod
    def _runner(self) -> Through: ...

    async def add_cron(self, new: Cron, limit: int) -> Cron:
        """See ``CronLedger.add_cron``."""
        return await self._runner.write(crons.add_cron, new, limit)

    async def cron(self, tenant: str, cron_id: str) -> Cron:
        """See ``CronLedger.cron``."""
        return await self._runner.look(crons.read_cron, tenant, cron_id)

    async def replace_cron(self, new: Cron) -> Cron:
        """See ``CronLedger.replace_cron``."""
        return await self._runner.write(crons.replace_cron, new)

    async def delete_cron(self, tenant: str, cron_id: str) -> None:
        """See ``CronLedger.delete_cron``."""
        await self._runner.write(crons.delete_cron, tenant, cron_id)

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
        """See ``CronLedger.crons``."""
        chosen = where or CronFilter()
        return await self._runner.read(crons.read_crons, tenant, chosen, order, descending, limit, offset)

    async def count_crons(self, tenant: str, where: CronFilter | None = None) -> int:
        """See ``CronLedger.count_crons``."""
        return await self._runner.read(crons.count_crons, tenant, where or CronFilter())

    async def due_crons(self, kinds: Sequence[str], now: int, limit: int) -> Sequence[Cron]:
        """See ``CronLedger.due_crons``."""
        return await self._runner.read(crons.read_due, kinds, now, limit)

    async def next_cron(self, kinds: Sequence[str]) -> int | None:
        """See ``CronLedger.next_cron``."""
        return await self._runner.look(crons.read_next, kinds)

    async def fire_cron(
        self,
        cron: Cron,
        next_at: int | None,
        submission: Submission | None,
        claim_for: str | None = None,
        lease_s: float = 30.0,
    ) -> Submitted | None:
        """See ``Ledger.fire_cron``."""
        return await self._runner.write(crons.fire_cron, cron, next_at, submission, claim_for, lease_s)

    async def postpone_cron(self, cron: Cron, wake_at: int) -> None:
        """See ``CronLedger.postpone_cron``."""
        await self._runner.write(crons.postpone_cron, cron, wake_at)
