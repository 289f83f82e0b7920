"""The Store that a Context gives: the tenant's items, with reads journaled where a replay must decide the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dragoman.agents.context import Store
from dragoman.engine.ports import Activity
from dragoman.engine.steps import current_step
from dragoman.memory.model import Json, StoreItem

__all__ = ["JournaledStore"]


class JournaledStore(Store):
    """The tenant's store as one run sees it."""

    def __init__(self, ctx: Activity) -> None:
        self._ctx = ctx

    async def put(self, namespace: Sequence[str], key: str, value: Mapping[str, Json]) -> None:
        async def store_put(namespace: list[str], key: str, value: dict[str, Json]) -> None:
            await self._ctx.engine.ledger.put_item(self._ctx.run.tenant, namespace, key, value)
            self._ctx.engine.hub.item_changed(self._ctx.run.tenant, namespace, key)

        arguments = (list(namespace), key, dict(value))
        await (store_put(*arguments) if self._in_step else self._ctx.step(store_put, *arguments))

    async def get(self, namespace: Sequence[str], key: str) -> Mapping[str, Json] | None:
        async def store_get(namespace: list[str], key: str) -> dict[str, Json] | None:
            item = await self._ctx.engine.ledger.get_item(self._ctx.run.tenant, namespace, key)
            return None if item is None else dict(item.value)

        arguments = (list(namespace), key)
        return await (store_get(*arguments) if self._in_step else self._ctx.step(store_get, *arguments))

    async def delete(self, namespace: Sequence[str], key: str) -> None:
        async def store_delete(namespace: list[str], key: str) -> None:
            await self._ctx.engine.ledger.delete_item(self._ctx.run.tenant, namespace, key)
            self._ctx.engine.hub.item_changed(self._ctx.run.tenant, namespace, key)

        arguments = (list(namespace), key)
        await (store_delete(*arguments) if self._in_step else self._ctx.step(store_delete, *arguments))

    async def search(
        self, prefix: Sequence[str], *, filter: Mapping[str, Json] | None = None, limit: int = 10
    ) -> Sequence[StoreItem]:
        async def store_search(prefix: list[str], filter: Mapping[str, Json] | None, limit: int) -> list[StoreItem]:
            return list(await self._ctx.engine.ledger.search_items(self._ctx.run.tenant, prefix, filter, limit))

        arguments = (list(prefix), filter, limit)
        return await (store_search(*arguments) if self._in_step else self._ctx.step(store_search, *arguments))

    @property
    def _in_step(self) -> bool:
        return current_step.get() is not None
