"""The store: a tenant's long-term memory, JSON objects under namespaces and keys; the ledger's verbs for it.

Found by namespace, by filter and by words; not by meaning: there are no embeddings here. Part of the contract of
``ledger.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from dragoman.memory.model import Json, StoreItem

__all__ = ["Indexed", "StoreLedger"]

Indexed = Sequence[str] | Literal[False] | None
"""What of a value is found by words: None is all of its texts, False nothing, else the texts under these paths
(``title``, ``author.name``, ``parts[*].text``, ``parts[0]``; ``$`` is all)."""


class StoreLedger(Protocol):
    """The verbs of the store. A ``Ledger`` has them; every one is a transaction. What has expired is not there, swept
    or not."""

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
        """Create or replace an item; ``created_at`` of an existing one stays.

        It expires ``ttl_s`` seconds from now, or from when it is refreshed last; None keeps it, also one that had a
        time.
        """
        ...

    async def get_item(
        self, tenant: str, namespace: Sequence[str], key: str, *, refresh: bool = True
    ) -> StoreItem | None:
        """One item, or None. With ``refresh`` one that expires has all of its time again."""
        ...

    async def delete_item(self, tenant: str, namespace: Sequence[str], key: str) -> bool:
        """Delete; whether it was there."""
        ...

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
        """Items under a namespace prefix that fit the filter (see ``filters``), by namespace and key.

        With a ``query`` those that hold one of its words, the best first, with their ``score``. Raises
        ``InputInvalid`` for a filter that cannot be read.
        """
        ...

    async def namespaces(
        self,
        tenant: str,
        prefix: Sequence[str] = (),
        suffix: Sequence[str] = (),
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Sequence[tuple[str, ...]]:
        """Distinct namespaces, cut to ``max_depth``, sorted."""
        ...

    async def sweep_items(self, limit: int) -> int:
        """Remove up to so many items that have expired; how many."""
        ...
