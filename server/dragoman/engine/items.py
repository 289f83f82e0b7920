"""The store, by tenant: what the faces ask of the ledger through the engine. Agents have ``store.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dragoman.engine.hub import EventHub
from dragoman.engine.relay import Relay, item_name
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import Json, Principal, StoreItem
from dragoman.memory.store import Indexed

__all__ = ["ItemVerbs"]


class ItemVerbs:
    """The ledger's verbs for items, for one caller. See ``dragoman.memory.store.StoreLedger`` for what they raise, and
    the hub for who watches them."""

    hub: EventHub
    ledger: Ledger
    relay: Relay

    async def put_item(
        self,
        principal: Principal,
        namespace: Sequence[str],
        key: str,
        value: Mapping[str, Json],
        *,
        ttl_s: float | None = None,
        index: Indexed = None,
    ) -> StoreItem:
        """Create or replace an item."""
        item = await self.ledger.put_item(principal.tenant, namespace, key, value, ttl_s=ttl_s, index=index)
        self.item_changed(principal.tenant, namespace, key)
        return item

    async def get_item(
        self, principal: Principal, namespace: Sequence[str], key: str, *, refresh: bool = True
    ) -> StoreItem | None:
        """One item, or None."""
        return await self.ledger.get_item(principal.tenant, namespace, key, refresh=refresh)

    async def delete_item(self, principal: Principal, namespace: Sequence[str], key: str) -> bool:
        """Delete an item; whether it was there."""
        there = await self.ledger.delete_item(principal.tenant, namespace, key)
        self.item_changed(principal.tenant, namespace, key)
        return there

    def item_changed(self, tenant: str, namespace: Sequence[str], key: str) -> None:
        """Tell who watches an item, here and elsewhere."""
        self.hub.item_changed(tenant, namespace, key)
        self.relay.tell(tenant, item_name(namespace, key))

    async def search_items(
        self,
        principal: Principal,
        prefix: Sequence[str],
        filter: Mapping[str, Json] | None = None,
        limit: int = 10,
        offset: int = 0,
        *,
        query: str | None = None,
        refresh: bool = True,
    ) -> Sequence[StoreItem]:
        """Items under a namespace prefix, by filter and by words."""
        return await self.ledger.search_items(
            principal.tenant, prefix, filter, limit, offset, query=query, refresh=refresh
        )

    async def namespaces(
        self,
        principal: Principal,
        prefix: Sequence[str] = (),
        suffix: Sequence[str] = (),
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[tuple[str, ...]]:
        """Distinct namespaces, sorted."""
        return await self.ledger.namespaces(principal.tenant, prefix, suffix, max_depth, limit, offset)
