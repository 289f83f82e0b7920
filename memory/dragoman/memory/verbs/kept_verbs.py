"""The verbs of threads, facts and keys that are in ``Ledger`` itself, as a part of a ledger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from dragoman.memory.latest import Latest
from dragoman.memory.model import ApiKey, Checkpoint, Json, RunView, Thread
from dragoman.memory.verbs import facts, keys, latest, thread_lists, threads
from dragoman.memory.verbs.through import Through

__all__ = ["KeptVerbs"]


class KeptVerbs(ABC):
    """See ``Ledger``."""

    @property
    @abstractmethod
    def _runner(self) -> Through: ...

    async def latest_runs(
        self, tenant: str, which: Latest, limit: int = 50, before: tuple[int, int] | None = None
    ) -> Sequence[RunView]:
        """See ``LatestLedger.latest_runs``."""
        return await self._runner.read(latest.read_latest, tenant, which, limit, before)

    async def count_latest(self, tenant: str, which: Latest, most: int = 5000) -> int:
        """See ``LatestLedger.count_latest``."""
        return await self._runner.read(latest.count_latest, tenant, which, most)

    # -- threads ------------------------------------------------------------------------------------------------------

    async def thread(self, tenant: str, thread_id: str) -> Thread:
        """See ``Ledger.thread``."""
        return await self._runner.look(thread_lists.read_thread, tenant, thread_id)

    async def update_thread(
        self,
        tenant: str,
        thread_id: str,
        *,
        metadata: Mapping[str, Json] | None = None,
        values: Mapping[str, Json] | None = None,
        messages: Sequence[Mapping[str, Json]] = (),
    ) -> Thread:
        """See ``Ledger.update_thread``."""
        return await self._runner.write(threads.update_thread, tenant, thread_id, metadata, values, messages)

    async def copy_thread(self, tenant: str, thread_id: str) -> Thread:
        """See ``Ledger.copy_thread``."""
        return await self._runner.write(threads.copy_thread, tenant, thread_id)

    async def delete_thread(self, tenant: str, thread_id: str) -> None:
        """See ``Ledger.delete_thread``."""
        await self._runner.write(threads.delete_thread, tenant, thread_id)

    async def checkpoints(
        self, tenant: str, thread_id: str, limit: int = 10, before: int | None = None
    ) -> Sequence[Checkpoint]:
        """See ``Ledger.checkpoints``."""
        return await self._runner.read(threads.read_checkpoints, tenant, thread_id, limit, before)

    # -- facts --------------------------------------------------------------------------------------------------------

    async def remember(
        self, tenant: str, kind: str, key: str, value: Json, ttl_s: float, only_new: bool = False
    ) -> bool:
        """See ``Ledger.remember``."""
        return await self._runner.write(facts.remember, tenant, kind, key, value, ttl_s, only_new)

    async def recall(self, tenant: str, kind: str, key: str) -> Json | None:
        """See ``Ledger.recall``."""
        return await self._runner.look(facts.read_fact, tenant, kind, key)

    async def prolong(self, tenant: str, kind: str, key: str, ttl_s: float) -> bool:
        """See ``Ledger.prolong``."""
        return await self._runner.write(facts.prolong, tenant, kind, key, ttl_s)

    async def forget(self, tenant: str, kind: str, key: str) -> bool:
        """See ``Ledger.forget``."""
        return await self._runner.write(facts.forget, tenant, kind, key)

    # -- keys ---------------------------------------------------------------------------------------------------------

    async def add_key(self, key: ApiKey, secret_hash: bytes) -> None:
        """See ``Ledger.add_key``."""
        await self._runner.write(keys.add_key, key, secret_hash)

    async def find_key(self, secret_hash: bytes) -> ApiKey | None:
        """See ``Ledger.find_key``."""
        return await self._runner.look(keys.read_key, secret_hash)

    async def keys(self, tenant: str | None = None) -> Sequence[ApiKey]:
        """See ``Ledger.keys``."""
        return await self._runner.read(keys.read_keys, tenant)

    async def revoke_key(self, key_id: str) -> bool:
        """See ``Ledger.revoke_key``."""
        return await self._runner.write(keys.revoke_key, key_id)
