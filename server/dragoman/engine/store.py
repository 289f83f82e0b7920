"""The Store that a Context gives: the tenant's items, with reads journaled where a replay must decide the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from dragoman.agents.context import Store
from dragoman.engine.ports import Activity
from dragoman.engine.steps import current_step
from dragoman.memory.model import Json, StoreItem
from dragoman.memory.store import Indexed

__all__ = ["JournaledStore"]

T = TypeVar("T")


class JournaledStore(Store):
    """The tenant's store as one run sees it."""

    def __init__(self, ctx: Activity) -> None:
        self._ctx = ctx

    async def put(
        self,
        namespace: Sequence[str],
        key: str,
        value: Mapping[str, Json],
        *,
        ttl: float | None = None,
        index: Indexed = None,
    ) -> None:
        """See ``Store.put``."""

        async def store_put(namespace: list[str], key: str, value: dict[str, Json], **more: Any) -> None:
            await self._ctx.engine.ledger.put_item(self._ctx.run.tenant, namespace, key, value, **more)
            self._ctx.engine.item_changed(self._ctx.run.tenant, namespace, key)

        more = _given(ttl_s=(ttl, None), index=(list(index) if index else index, None))
        await self._do(store_put, list(namespace), key, dict(value), **more)

    async def get(self, namespace: Sequence[str], key: str, *, refresh_ttl: bool = True) -> Mapping[str, Json] | None:
        """See ``Store.get``."""

        async def store_get(namespace: list[str], key: str, **more: Any) -> dict[str, Json] | None:
            item = await self._ctx.engine.ledger.get_item(self._ctx.run.tenant, namespace, key, **more)
            return None if item is None else dict(item.value)

        return await self._do(store_get, list(namespace), key, **_given(refresh=(refresh_ttl, True)))

    async def delete(self, namespace: Sequence[str], key: str) -> None:
        """See ``Store.delete``."""

        async def store_delete(namespace: list[str], key: str) -> None:
            await self._ctx.engine.ledger.delete_item(self._ctx.run.tenant, namespace, key)
            self._ctx.engine.item_changed(self._ctx.run.tenant, namespace, key)

        await self._do(store_delete, list(namespace), key)

    async def search(
        self,
        prefix: Sequence[str],
        *,
        filter: Mapping[str, Json] | None = None,
        limit: int = 10,
        offset: int = 0,
        query: str | None = None,
        refresh_ttl: bool = True,
    ) -> Sequence[StoreItem]:
        """See ``Store.search``."""

        async def store_search(
            prefix: list[str], filter: Mapping[str, Json] | None, limit: int, **more: Any
        ) -> list[StoreItem]:
            found = await self._ctx.engine.ledger.search_items(self._ctx.run.tenant, prefix, filter, limit, **more)
            return list(found)

        more = _given(offset=(offset, 0), query=(query, None), refresh=(refresh_ttl, True))
        return await self._do(store_search, list(prefix), filter, limit, **more)

    async def _do(self, verb: Callable[..., Awaitable[T]], *arguments: Json, **more: Json) -> T:
        """As a step of its own, unless one is being done."""
        if current_step.get() is not None:
            return await verb(*arguments, **more)
        return await self._ctx.step(verb, *arguments, **more)


def _given(**options: tuple[Json, Json]) -> dict[str, Json]:
    """The options that are not their defaults: a journal knows the arguments of a step, and old ones had no more."""
    return {name: value for name, (value, default) in options.items() if value != default or value is False}
