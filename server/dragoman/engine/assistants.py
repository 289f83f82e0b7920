"""Assistants, by tenant: those that were made, and beside them each agent's own, which nobody has to make.

An agent's own assistant has an id that follows from the agent's name and no configuration. It is kept only when a
tenant changes it; until then it is told of from the agents at hand. Above: the faces. Below: the ledger's verbs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5

from dragoman.agents.agent import Agent
from dragoman.memory.assistants import (
    Assistant,
    AssistantFilter,
    AssistantNotFound,
    AssistantOrder,
    AssistantPatch,
    NewAssistant,
)
from dragoman.memory.errors import AgentNotFound, Conflict
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import Json, Principal

__all__ = ["Assistants", "own_assistant_id"]

# Ids are made of agents' names in this namespace: clients keep them, so it never changes.
_OWN: Final = UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")


@lru_cache(1024)  # asked for with every run of the LangGraph SDK
def own_assistant_id(agent: str) -> str:
    """The id of an agent's own assistant."""
    return str(uuid5(_OWN, agent))


class Assistants:
    """The assistants over one ledger and the agents that are served."""

    def __init__(self, ledger: Ledger, agents: Mapping[str, Agent]) -> None:
        self._ledger = ledger
        self._agents = agents
        self._own = {own_assistant_id(name): agent for name, agent in agents.items()}
        self._since = now_micros()

    async def get(self, principal: Principal, name: str) -> Assistant:
        """An assistant by its id, or an agent's own by the agent's name. Raises ``AgentNotFound`` naming the agents
        that there are."""
        chosen = own_assistant_id(name) if name in self._agents else name
        try:
            return await self._ledger.assistant(principal.tenant, chosen)
        except AssistantNotFound:
            if (agent := self._own.get(chosen)) is not None:
                return self._of(principal.tenant, agent)
        known = ", ".join(self._agents) or "none"
        raise AgentNotFound(f"There is no assistant and no agent {name[:80]!r} here; there are the agents: {known}.")

    async def create(self, principal: Principal, new: NewAssistant, *, exist_ok: bool = False) -> Assistant:
        """Make one, for an agent that is served here. Raises ``AgentNotFound``; ``Conflict`` when the id is taken,
        unless ``exist_ok``: then the one there is returned."""
        self._check_agent(new.agent)
        if new.id not in self._own:
            return await self._ledger.create_assistant(new, exist_ok=exist_ok)
        if not exist_ok:
            raise Conflict(f"There is an assistant {new.id!r} already.")
        return await self.get(principal, new.id)

    async def update(self, principal: Principal, name: str, patch: AssistantPatch) -> Assistant:
        """Make a new version. Raises ``AgentNotFound``."""
        if patch.agent is not None:
            self._check_agent(patch.agent)
        old = await self.get(principal, name)
        base = NewAssistant(
            old.tenant, old.id, old.agent, old.name, old.description, old.config, old.context, old.metadata
        )
        return await self._ledger.update_assistant(
            principal.tenant, old.id, patch, base if old.id in self._own else None
        )

    async def delete(self, principal: Principal, name: str) -> Assistant:
        """Forget one, with its versions and crons; the one that it was. An agent's own is as it was at first again.
        Raises ``AgentNotFound``; ``Conflict`` for an agent's own that nobody changed."""
        old = await self.get(principal, name)
        try:
            await self._ledger.delete_assistant(principal.tenant, old.id)
        except AssistantNotFound:
            raise Conflict(f"This is the agent {old.agent!r} as it is served; it cannot be deleted.") from None
        return old

    async def versions(
        self, principal: Principal, name: str, metadata: Mapping[str, Json] | None, limit: int, offset: int
    ) -> Sequence[Assistant]:
        """An assistant's versions, newest first. Raises ``AgentNotFound``."""
        one = await self.get(principal, name)
        try:
            return await self._ledger.assistant_versions(principal.tenant, one.id, metadata, limit, offset)
        except AssistantNotFound:
            return [one][offset : offset + limit] if _holds(one, metadata) else []

    async def set_latest(self, principal: Principal, name: str, version: int) -> Assistant:
        """Make a version the current one. Raises ``AgentNotFound``, ``AssistantNotFound``."""
        one = await self.get(principal, name)
        if one.version == version:
            return one
        return await self._ledger.set_latest_assistant(principal.tenant, one.id, version)

    async def count(self, principal: Principal, where: AssistantFilter) -> int:
        """How many there are."""
        own = await self._own_matching(principal, where)
        return len(own) + await self._ledger.count_assistants(principal.tenant, where)

    async def search(
        self,
        principal: Principal,
        where: AssistantFilter,
        order: AssistantOrder = "created_at",
        *,
        descending: bool = True,
        limit: int = 10,
        offset: int = 0,
    ) -> Sequence[Assistant]:
        """A page of them, the agents' own among the others."""
        own = await self._own_matching(principal, where)
        # A kept one at the place n of its list is at n, or up to as many later as there are of the agents' own.
        begin = max(0, offset - len(own))
        kept = await self._ledger.assistants(
            principal.tenant,
            where,
            order,
            descending=descending,
            limit=offset + limit - begin,
            offset=begin,
        )
        if begin and not kept:
            return []

        def place(one: Assistant) -> tuple[str | int, str]:
            return getattr(one, order), one.id

        listed = sorted([*own, *kept], key=place, reverse=descending)
        if begin:  # what stands before the first kept one that was read is not to be told from what stands elsewhere
            first = next(n for n, one in enumerate(listed) if one is kept[0])
            listed, begin = listed[first:], begin + first
        return listed[offset - begin : offset - begin + limit]

    # -- inside -------------------------------------------------------------------------------------------------------
    def _check_agent(self, name: str) -> None:
        if name not in self._agents:
            known = ", ".join(self._agents) or "none"
            raise AgentNotFound(f"There is no agent {name[:80]!r} here; there are: {known}.")

    def _of(self, tenant: str, agent: Agent) -> Assistant:
        return Assistant(
            tenant=tenant,
            id=own_assistant_id(agent.name),
            agent=agent.name,
            version=1,
            name=agent.title,
            description=agent.description,
            config={},
            context={},
            metadata={"created_by": "system", "version": agent.version},
            created_at=self._since,
            updated_at=self._since,
        )

    async def _own_matching(self, principal: Principal, where: AssistantFilter) -> list[Assistant]:
        """The agents' own that are not kept."""
        own = [self._of(principal.tenant, agent) for agent in self._agents.values()]
        found = [one for one in own if _fits(one, where)]
        kept = await self._ledger.assistants_kept(principal.tenant, [one.id for one in found])
        return [one for one in found if one.id not in kept]


def _fits(one: Assistant, where: AssistantFilter) -> bool:
    named = where.name is None or where.name.casefold() in one.name.casefold()
    return named and where.agent in (None, one.agent) and _holds(one, where.metadata)


def _holds(one: Assistant, pairs: Mapping[str, Json] | None) -> bool:
    return all(key in one.metadata and one.metadata[key] == value for key, value in (pairs or {}).items())
