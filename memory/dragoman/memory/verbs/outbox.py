"""The verbs of deliveries, as a part of a ledger. What each does is in ``deliveries`` and ``dead_letters``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from dragoman.memory.model import Json, Page
from dragoman.memory.outbox import (
    Claimed,
    DeadLetter,
    Delivery,
    DeliveryCounts,
    DeliveryLease,
    DeliveryStatus,
    Move,
    NewDelivery,
)
from dragoman.memory.verbs import dead_letters, deliveries
from dragoman.memory.verbs.through import Through

__all__ = ["OutboxVerbs"]


class OutboxVerbs(ABC):
    """See ``OutboxLedger``."""

    @property
    @abstractmethod
    def _runner(self) -> Through: ...

    async def add_delivery(self, new: NewDelivery, limit: int) -> Delivery:
        """See ``OutboxLedger.add_delivery``."""
        return await self._runner.write(deliveries.add_delivery, new, limit)

    async def delivery(self, tenant: str, run_id: str, delivery_id: str) -> tuple[Delivery, Mapping[str, Json]]:
        """See ``OutboxLedger.delivery``."""
        return await self._runner.look(deliveries.read_delivery, tenant, run_id, delivery_id)

    async def deliveries(
        self,
        tenant: str | None,
        run_id: str | None = None,
        status: DeliveryStatus | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Delivery]:
        """See ``OutboxLedger.deliveries``."""
        return await self._runner.read(dead_letters.read_deliveries, tenant, run_id, status, limit, cursor)

    async def drop_delivery(self, tenant: str, run_id: str, delivery_id: str) -> bool:
        """See ``OutboxLedger.drop_delivery``."""
        return await self._runner.write(deliveries.drop_delivery, tenant, run_id, delivery_id)

    async def due_deliveries(self, kinds: Sequence[str], limit: int, without: Sequence[str] = ()) -> Sequence[Delivery]:
        """See ``OutboxLedger.due_deliveries``."""
        return await self._runner.look(deliveries.read_due, kinds, limit, without)

    async def next_delivery(self, kinds: Sequence[str]) -> int | None:
        """See ``OutboxLedger.next_delivery``."""
        return await self._runner.look(deliveries.read_next, kinds)

    async def claim_delivery(
        self, tenant: str, run_id: str, delivery_id: str, worker: str, lease_s: float = 60.0
    ) -> Claimed | None:
        """See ``OutboxLedger.claim_delivery``."""
        # As with the leases of runs: one does not outlive the process, so that it need not outlive the power either.
        return await self._runner.relaxed(deliveries.claim_delivery, tenant, run_id, delivery_id, worker, lease_s)

    async def move_delivery(self, lease: DeliveryLease, move: Move) -> None:
        """See ``OutboxLedger.move_delivery``."""
        await self._runner.relaxed(deliveries.move_delivery, lease, move)

    async def release_deliveries(self, worker: str) -> None:
        """See ``OutboxLedger.release_deliveries``."""
        await self._runner.relaxed(deliveries.release_deliveries, worker)

    async def sweep_deliveries(self) -> int:
        """See ``OutboxLedger.sweep_deliveries``."""
        return await self._runner.relaxed(deliveries.sweep_deliveries)

    async def dead_letters(self, tenant: str | None = None, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """See ``OutboxLedger.dead_letters``."""
        return await self._runner.read(dead_letters.read_dead_letters, tenant, limit, after)

    async def retry_dead_letter(self, number: int, tenant: str | None = None) -> bool:
        """See ``OutboxLedger.retry_dead_letter``."""
        return await self._runner.write(dead_letters.retry_dead_letter, number, tenant)

    async def drop_dead_letter(self, number: int, tenant: str | None = None) -> bool:
        """See ``OutboxLedger.drop_dead_letter``."""
        return await self._runner.write(dead_letters.drop_dead_letter, number, tenant)

    async def count_deliveries(self, tenant: str | None = None) -> DeliveryCounts:
        """See ``OutboxLedger.count_deliveries``."""
        return await self._runner.read(dead_letters.read_counts, tenant)
