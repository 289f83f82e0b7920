"""Threads beyond a run's use of them: revised at any of their states, searched, pruned, and let expire. The values, and
the ledger's verbs for them. Part of the contract of ``ledger.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from dragoman.memory.errors import NotFound
from dragoman.memory.model import Json, Thread, ThreadStatus

__all__ = [
    "CheckpointNotFound",
    "Expiry",
    "Revision",
    "ThreadFilter",
    "ThreadLedger",
    "ThreadOrder",
    "ThreadTtl",
    "TtlStrategy",
]


class CheckpointNotFound(NotFound):
    """The thread has no such checkpoint."""


class TtlStrategy(StrEnum):
    """What becomes of a thread that has not been used for its time: it is deleted with its runs, or keeps its newest
    checkpoint alone."""

    DELETE = "delete"
    KEEP_LATEST = "keep_latest"


@dataclass(frozen=True, slots=True)
class ThreadTtl:
    """How long a thread is kept after its last use, in minutes."""

    minutes: float
    strategy: TtlStrategy = TtlStrategy.DELETE


@dataclass(frozen=True, slots=True)
class Expiry:
    """A thread's TTL, and when it expires as far as is known now, in microseconds."""

    ttl: ThreadTtl
    expires_at: int


@dataclass(frozen=True, slots=True)
class Revision:
    """A change of a thread's values from outside of a run, which makes a checkpoint.

    ``values`` merge key by key, None deleting a key. ``messages`` are joined: one with a known id takes that one's
    place, one of the role ``remove`` takes it away. ``metadata`` is told of the checkpoint.
    """

    values: Mapping[str, Json] = field(default_factory=dict[str, Json])
    messages: Sequence[Mapping[str, Json]] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True)
class ThreadFilter:
    """Which threads to list; None means any. ``metadata`` and ``values`` match on top-level pairs."""

    status: ThreadStatus | None = None
    metadata: Mapping[str, Json] | None = None
    values: Mapping[str, Json] | None = None
    ids: Sequence[str] | None = None


class ThreadOrder(StrEnum):
    """What threads are listed by."""

    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    THREAD_ID = "thread_id"
    STATUS = "status"


class ThreadLedger(Protocol):
    """The verbs of threads."""

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
        """A thread, with one checkpoint for ``values`` and one for each of ``revisions``. Raises ``Conflict`` when the
        id is taken, unless ``exist_ok``: then the one there is returned."""
        ...

    async def revise_thread(
        self, tenant: str, thread_id: str, revisions: Sequence[Revision], base: int | None = None
    ) -> Thread:
        """Make a checkpoint of each revision, the first of the values at checkpoint ``base``, None being the newest;
        the thread goes on from the last. Raises ``ThreadNotFound``; ``CheckpointNotFound`` for a ``base`` that is not
        there."""
        ...

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
        """A page of threads, newest first unless told otherwise."""
        ...

    async def count_threads(self, tenant: str, where: ThreadFilter) -> int:
        """How many there are."""
        ...

    async def set_thread_ttl(self, tenant: str, thread_id: str, ttl: ThreadTtl | None) -> None:
        """Let a thread expire, counted from now and from each use of it; None keeps it. Raises ``ThreadNotFound``."""
        ...

    async def thread_expiry(self, tenant: str, thread_id: str) -> Expiry | None:
        """A thread's TTL; None where it is kept. Raises ``ThreadNotFound``."""
        ...

    async def prune_thread(self, tenant: str, thread_id: str) -> None:
        """Forget all checkpoints of a thread but the newest. Raises ``ThreadNotFound``; ``Conflict`` while a run of it
        is active."""
        ...

    async def expire_threads(self, limit: int = 20) -> int:
        """Do with up to ``limit`` threads whose time has come what their TTL says. One that was used meanwhile, or has
        an active run, gets more time. How many were looked at."""
        ...

    async def next_thread_expiry(self) -> int | None:
        """When the next thread may expire, in microseconds."""
        ...
