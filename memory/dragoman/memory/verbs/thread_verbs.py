"""The verbs of threads, as a part of a ledger. What each does is in ``threads``, ``thread_lists`` and
``expiry``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from dragoman.memory.model import Json, Thread
from dragoman.memory.threads import Expiry, Revision, ThreadFilter, ThreadOrder, ThreadTtl
from dragoman.memory.verbs import expiry, thread_lists, threads
from dragoman.memory.verbs.through import Through

__all__ = ["ThreadVerbs"]


class ThreadVerbs(ABC):
    """See ``ThreadLedger``."""

    @property
    @abstractmethod
    def _runner(self) -> Through: ...

    async def create_thread(
        self,
        tenant: str,
        thread_id: str | None,
        metadata: Mapping[str, Json],
        values: Mapping[str, Json] | None = None,
        *,
        exist_ok: bool = False,
        ttl: ThreadTtl | None = None,
        revisions: Sequence[Revision] = (),
    ) -> Thread:
        """See ``ThreadLedger.create_thread``."""
        return await self._runner.write(
            threads.create_thread, tenant, thread_id, metadata, values, exist_ok, ttl, revisions
        )

    async def revise_thread(
        self, tenant: str, thread_id: str, revisions: Sequence[Revision], base: int | None = None
    ) -> Thread:
        """See ``ThreadLedger.revise_thread``."""
        return await self._runner.write(threads.revise_thread, tenant, thread_id, revisions, base)

    async def threads(
        self,
        tenant: str,
        where: ThreadFilter,
        limit: int = 50,
        offset: int = 0,
        *,
        order: ThreadOrder = ThreadOrder.CREATED_AT,
        descending: bool = True,
    ) -> Sequence[Thread]:
        """See ``ThreadLedger.threads``."""
        return await self._runner.read(thread_lists.read_threads, tenant, where, limit, offset, order, descending)

    async def count_threads(self, tenant: str, where: ThreadFilter) -> int:
        """See ``ThreadLedger.count_threads``."""
        return await self._runner.read(thread_lists.count_threads, tenant, where)

    async def set_thread_ttl(self, tenant: str, thread_id: str, ttl: ThreadTtl | None) -> None:
        """See ``ThreadLedger.set_thread_ttl``."""
        await self._runner.write(expiry.set_thread_ttl, tenant, thread_id, ttl)

    async def thread_expiry(self, tenant: str, thread_id: str) -> Expiry | None:
        """See ``ThreadLedger.thread_expiry``."""
        return await self._runner.look(expiry.read_expiry, tenant, thread_id)

    async def prune_thread(self, tenant: str, thread_id: str) -> None:
        """See ``ThreadLedger.prune_thread``."""
        await self._runner.write(expiry.prune_thread, tenant, thread_id)

    async def expire_threads(self, limit: int = 20) -> int:
        """See ``ThreadLedger.expire_threads``."""
        return await self._runner.write(expiry.expire_threads, limit)

    async def next_thread_expiry(self) -> int | None:
        """See ``ThreadLedger.next_thread_expiry``."""
        return await self._runner.look(expiry.read_next_expiry)
