"""Threads, by tenant: what the faces ask of the ledger through the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dragoman.engine.hub import EventHub
from dragoman.engine.sweeper import ThreadSweeper
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import Checkpoint, Json, Principal, Run, Thread
from dragoman.memory.threads import Expiry, Revision, ThreadFilter, ThreadOrder, ThreadTtl

__all__ = ["ThreadVerbs"]


class ThreadVerbs:
    """The ledger's verbs for threads, for one caller. See ``dragoman.memory.ledger.Ledger`` for what they
    raise, and the hub for who watches them."""

    hub: EventHub

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.sweeper = ThreadSweeper(ledger)

    async def base_values(self, run: Run) -> Mapping[str, Json]:
        """The thread's values as a run found them."""
        if run.base_checkpoint == 0:
            return {}
        found = await self.ledger.checkpoints(run.tenant, run.thread_id, 1, run.base_checkpoint + 1)
        return found[0].values if found else {}

    async def create_thread(
        self,
        principal: Principal,
        thread_id: str | None = None,
        metadata: Mapping[str, Json] | None = None,
        values: Mapping[str, Json] | None = None,
        *,
        exist_ok: bool = False,
        ttl: ThreadTtl | None = None,
        revisions: Sequence[Revision] = (),
    ) -> Thread:
        """A thread. Raises ``Conflict`` when the id is taken, unless ``exist_ok``."""
        thread = await self.ledger.create_thread(
            principal.tenant, thread_id, metadata or {}, values, exist_ok=exist_ok, ttl=ttl, revisions=revisions
        )
        if ttl is not None:
            self.sweeper.look()
        return thread

    async def thread(self, principal: Principal, thread_id: str) -> Thread:
        """One thread."""
        return await self.ledger.thread(principal.tenant, thread_id)

    async def threads(
        self,
        principal: Principal,
        where: ThreadFilter | None = None,
        limit: int = 50,
        offset: int = 0,
        *,
        order: ThreadOrder = ThreadOrder.CREATED_AT,
        descending: bool = True,
    ) -> Sequence[Thread]:
        """A page of threads, newest first unless told otherwise."""
        return await self.ledger.threads(
            principal.tenant, where or ThreadFilter(), limit, offset, order=order, descending=descending
        )

    async def count_threads(self, principal: Principal, where: ThreadFilter | None = None) -> int:
        """How many threads there are."""
        return await self.ledger.count_threads(principal.tenant, where or ThreadFilter())

    async def set_thread_ttl(self, principal: Principal, thread_id: str, ttl: ThreadTtl | None) -> None:
        """Let a thread expire, counted from its last use; None keeps it."""
        await self.ledger.set_thread_ttl(principal.tenant, thread_id, ttl)
        self.sweeper.look()

    async def thread_expiry(self, principal: Principal, thread_id: str) -> Expiry | None:
        """A thread's TTL; None where it is kept."""
        return await self.ledger.thread_expiry(principal.tenant, thread_id)

    async def prune_thread(self, principal: Principal, thread_id: str) -> None:
        """Forget all states of a thread but the newest."""
        await self.ledger.prune_thread(principal.tenant, thread_id)

    async def revise_thread(
        self, principal: Principal, thread_id: str, revisions: Sequence[Revision], base: int | None = None
    ) -> Thread:
        """Make a checkpoint of each revision, from checkpoint ``base`` or the newest."""
        thread = await self.ledger.revise_thread(principal.tenant, thread_id, revisions, base)
        self.hub.nudge(principal.tenant, thread_id)
        return thread

    async def update_thread(
        self,
        principal: Principal,
        thread_id: str,
        *,
        metadata: Mapping[str, Json] | None = None,
        values: Mapping[str, Json] | None = None,
        messages: Sequence[Mapping[str, Json]] = (),
    ) -> Thread:
        """Merge metadata and values; new values make a checkpoint."""
        thread = await self.ledger.update_thread(
            principal.tenant, thread_id, metadata=metadata, values=values, messages=messages
        )
        self.hub.nudge(principal.tenant, thread_id)
        return thread

    async def copy_thread(self, principal: Principal, thread_id: str) -> Thread:
        """An independent copy of a thread's values."""
        return await self.ledger.copy_thread(principal.tenant, thread_id)

    async def delete_thread(self, principal: Principal, thread_id: str) -> None:
        """Forget a thread, its runs and its events."""
        await self.ledger.delete_thread(principal.tenant, thread_id)

    async def checkpoints(
        self, principal: Principal, thread_id: str, limit: int = 10, before: int | None = None
    ) -> Sequence[Checkpoint]:
        """A thread's checkpoints, newest first."""
        return await self.ledger.checkpoints(principal.tenant, thread_id, limit, before)
