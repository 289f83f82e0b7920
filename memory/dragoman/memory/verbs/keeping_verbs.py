"""The verbs by which what is kept is forgotten, by age or by person, as a part of a ledger. What they do is in
``retention`` and ``keys``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from dragoman.memory.retention import Cutoffs, DayGone, Place, Purged, Walk
from dragoman.memory.verbs import keys, retention
from dragoman.memory.verbs.through import Through

__all__ = ["KeepingVerbs"]


class KeepingVerbs(ABC):
    """See ``RetentionLedger`` and ``ErasureLedger``."""

    @property
    @abstractmethod
    def _runner(self) -> Through: ...

    async def purge(
        self, tenant: str, walk: Walk, cutoffs: Cutoffs, after: Place = (), limit: int = 100, budget_s: float = 0.005
    ) -> Purged:
        """See ``RetentionLedger.purge``."""
        return await self._runner.write(retention.purge, tenant, walk, cutoffs, after, limit, budget_s)

    async def drop_days(self, before: int, keeping: Sequence[str] = ()) -> Sequence[DayGone]:
        """See ``RetentionLedger.drop_days``. A ledger without days has none to drop."""
        return ()

    async def tenant_after(self, tenant: str) -> str | None:
        """See ``RetentionLedger.tenant_after``."""
        return await self._runner.read(retention.read_tenant_after, tenant)

    async def delete_key(self, tenant: str, key_id: str) -> bool:
        """See ``ErasureLedger.delete_key``."""
        return await self._runner.write(keys.delete_key, tenant, key_id)
