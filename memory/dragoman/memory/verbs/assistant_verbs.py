"""The verbs of assistants, as a part of a ledger. What each does is in ``assistants``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from dragoman.memory.assistants import Assistant, AssistantFilter, AssistantOrder, AssistantPatch, NewAssistant
from dragoman.memory.model import Json
from dragoman.memory.verbs import assistants
from dragoman.memory.verbs.through import Through

__all__ = ["AssistantVerbs"]


class AssistantVerbs(ABC):
    """See ``AssistantLedger``."""

    @property
    @abstractmethod
    def _runner(self) -> Through: ...

    async def create_assistant(self, new: NewAssistant, *, exist_ok: bool = False) -> Assistant:
        """See ``AssistantLedger.create_assistant``."""
        return await self._runner.write(assistants.create_assistant, new, exist_ok)

    async def assistant(self, tenant: str, assistant_id: str) -> Assistant:
        """See ``AssistantLedger.assistant``."""
        return await self._runner.look(assistants.read_assistant, tenant, assistant_id)

    async def update_assistant(
        self, tenant: str, assistant_id: str, patch: AssistantPatch, base: NewAssistant | None = None
    ) -> Assistant:
        """See ``AssistantLedger.update_assistant``."""
        return await self._runner.write(assistants.update_assistant, tenant, assistant_id, patch, base)

    async def delete_assistant(self, tenant: str, assistant_id: str) -> None:
        """See ``AssistantLedger.delete_assistant``."""
        await self._runner.write(assistants.delete_assistant, tenant, assistant_id)

    async def assistants(
        self,
        tenant: str,
        where: AssistantFilter | None = None,
        order: AssistantOrder = "created_at",
        *,
        descending: bool = True,
        limit: int = 50,
        offset: int = 0,
    ) -> Sequence[Assistant]:
        """See ``AssistantLedger.assistants``."""
        chosen = where or AssistantFilter()
        return await self._runner.read(assistants.read_assistants, tenant, chosen, order, descending, limit, offset)

    async def count_assistants(self, tenant: str, where: AssistantFilter | None = None) -> int:
        """See ``AssistantLedger.count_assistants``."""
        return await self._runner.read(assistants.count_assistants, tenant, where or AssistantFilter())

    async def assistants_kept(self, tenant: str, ids: Sequence[str]) -> frozenset[str]:
        """See ``AssistantLedger.assistants_kept``."""
        return await self._runner.read(assistants.read_kept, tenant, ids)

    async def assistant_versions(
        self,
        tenant: str,
        assistant_id: str,
        metadata: Mapping[str, Json] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> Sequence[Assistant]:
        """See ``AssistantLedger.assistant_versions``."""
        return await self._runner.read(assistants.read_versions, tenant, assistant_id, metadata, limit, offset)

    async def set_latest_assistant(self, tenant: str, assistant_id: str, version: int) -> Assistant:
        """See ``AssistantLedger.set_latest_assistant``."""
        return await self._runner.write(assistants.set_latest_assistant, tenant, assistant_id, version)
