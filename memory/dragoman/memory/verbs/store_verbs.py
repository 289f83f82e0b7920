"""The verbs of the store, as a part of a ledger. What each does is in ``store_items``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from dragoman.memory.filters import check_filter
from dragoman.memory.model import Json, StoreItem
from dragoman.memory.store import Indexed
from dragoman.memory.verbs import store_items
from dragoman.memory.verbs.through import Through

__all__ = ["StoreVerbs"]


class StoreVerbs(ABC):
    """See ``StoreLedger``."""

    @property
    @abstractmethod
    def _runner(self) -> Through: ...

    async def put_item(
        self,
        tenant: str,
        namespace: Sequence[str],
        key: str,
        value: Mapping[str, Json],
        *,
        ttl_s: float | None = None,
        index: Indexed = None,
    ) -> StoreItem:
        """See ``StoreLedger.put_item``."""
        return await self._runner.write(store_items.put_item, tenant, namespace, key, value, ttl_s, index)

    async def get_item(
        self, tenant: str, namespace: Sequence[str], key: str, *, refresh: bool = True
    ) -> StoreItem | None:
        """See ``StoreLedger.get_item``."""
        found, expires = await self._runner.look(store_items.read_item, tenant, namespace, key)
        if expires and refresh:
            await self._runner.relaxed(store_items.refresh_items, tenant, [(namespace, key)])
        return found

    async def delete_item(self, tenant: str, namespace: Sequence[str], key: str) -> bool:
        """See ``StoreLedger.delete_item``."""
        return await self._runner.write(store_items.delete_item, tenant, namespace, key)

    async def search_items(
        self,
        tenant: str,
        prefix: Sequence[str],
        filter: Mapping[str, Json] | None = None,
        limit: int = 10,
        offset: int = 0,
        *,
        query: str | None = None,
        refresh: bool = True,
    ) -> Sequence[StoreItem]:
        """See ``StoreLedger.search_items``."""
        check_filter(filter)
        found, expiring = await self._runner.read(
            store_items.search_items, tenant, prefix, filter, limit, offset, query
        )
        if expiring and refresh:
            await self._runner.relaxed(store_items.refresh_items, tenant, expiring)
        return found

    async def namespaces(
        self,
        tenant: str,
        prefix: Sequence[str] = (),
        suffix: Sequence[str] = (),
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[tuple[str, ...]]:
        """See ``StoreLedger.namespaces``."""
        return await self._runner.read(store_items.read_namespaces, tenant, prefix, suffix, max_depth, limit, offset)

    async def sweep_items(self, limit: int) -> int:
        """See ``StoreLedger.sweep_items``."""
        return await self._runner.relaxed(store_items.sweep_items, limit)
