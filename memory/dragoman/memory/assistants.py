"""Assistants: agents with a configuration, kept in versions; the values, and the ledger's verbs for them.

Not agents: what an agent is stands in code, and an assistant names it. The assistant that every agent has without
being made is not kept here, unless somebody changed it. Part of the contract of ``ledger.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from dragoman.memory.errors import NotFound
from dragoman.memory.model import Json

__all__ = [
    "Assistant",
    "AssistantFilter",
    "AssistantLedger",
    "AssistantNotFound",
    "AssistantOrder",
    "AssistantPatch",
    "NewAssistant",
]

AssistantOrder = Literal["created_at", "updated_at", "name", "agent", "id"]
"""What assistants are listed by."""


class AssistantNotFound(NotFound):
    """No such assistant."""


@dataclass(frozen=True, slots=True)
class NewAssistant:
    """An assistant to keep: an agent's name, and what its runs are given. ``id`` is unique in the tenant."""

    tenant: str
    id: str
    agent: str
    name: str
    description: str | None = None
    config: Mapping[str, Json] = field(default_factory=dict[str, Json])
    context: Mapping[str, Json] = field(default_factory=dict[str, Json])
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True)
class AssistantPatch:
    """What a new version changes; None leaves it as it was. ``metadata`` is merged key by key, None deleting a key;
    the others are put in place of what was there."""

    agent: str | None = None
    name: str | None = None
    description: str | None = None
    config: Mapping[str, Json] | None = None
    context: Mapping[str, Json] | None = None
    metadata: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Assistant:
    """An assistant at one of its versions, which count from 1. ``updated_at`` of a version that is listed is when it
    was made."""

    tenant: str
    id: str
    agent: str
    version: int
    name: str
    description: str | None
    config: Mapping[str, Json]
    context: Mapping[str, Json]
    metadata: Mapping[str, Json]
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class AssistantFilter:
    """Which assistants; None means any. ``name`` is a part of the name, whatever its case; ``metadata`` matches on
    top-level pairs."""

    agent: str | None = None
    name: str | None = None
    metadata: Mapping[str, Json] | None = None


class AssistantLedger(Protocol):
    """The verbs of assistants. A ``Ledger`` has them; every one is a transaction."""

    async def create_assistant(self, new: NewAssistant, *, exist_ok: bool = False) -> Assistant:
        """Keep a new one as its version 1. Raises ``Conflict`` when the id is taken, unless ``exist_ok``: then the one
        there is returned as it is."""
        ...

    async def assistant(self, tenant: str, assistant_id: str) -> Assistant:
        """One assistant at its current version. Raises ``AssistantNotFound``."""
        ...

    async def update_assistant(
        self, tenant: str, assistant_id: str, patch: AssistantPatch, base: NewAssistant | None = None
    ) -> Assistant:
        """Make a new version of the current one, and make it the current one.

        ``base`` is version 1 of one that is not kept yet. Raises ``AssistantNotFound``.
        """
        ...

    async def delete_assistant(self, tenant: str, assistant_id: str) -> None:
        """Forget it with its versions and crons. Its runs and threads stay. Raises ``AssistantNotFound``."""
        ...

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
        """Assistants at their current versions; those that are equal in ``order`` stand by id, in the same
        direction."""
        ...

    async def count_assistants(self, tenant: str, where: AssistantFilter | None = None) -> int:
        """How many there are."""
        ...

    async def assistants_kept(self, tenant: str, ids: Sequence[str]) -> frozenset[str]:
        """Which of these ids are kept."""
        ...

    async def assistant_versions(
        self,
        tenant: str,
        assistant_id: str,
        metadata: Mapping[str, Json] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> Sequence[Assistant]:
        """Its versions, newest first, filtered by top-level pairs. Raises ``AssistantNotFound``."""
        ...

    async def set_latest_assistant(self, tenant: str, assistant_id: str, version: int) -> Assistant:
        """Make a version the current one. Raises ``AssistantNotFound``, also for an unknown version."""
        ...
