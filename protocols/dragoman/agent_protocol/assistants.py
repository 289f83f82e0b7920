"""Assistants, as the LangGraph SDK has them. Agents over Agent Protocol are in ``agents.py``.

An agent is a graph of one node. Which steps it takes is known when it has taken them, so its graph shows no more, and
it has no subgraphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.agent_protocol import project_sdk
from dragoman.agent_protocol.endpoint import Answer, Call, Header, empty, json_reply
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.threads import forget
from dragoman.agent_protocol.wire_assistants import (
    AssistantCreate,
    AssistantDeletion,
    AssistantLatest,
    AssistantUpdate,
    VersionList,
)
from dragoman.agent_protocol.wire_sdk import AssistantSearch
from dragoman.memory.assistants import AssistantFilter, AssistantOrder, AssistantPatch, NewAssistant
from dragoman.memory.ids import uuid7
from dragoman.memory.ledger import ThreadFilter

__all__ = [
    "count",
    "create",
    "delete",
    "get",
    "graph",
    "schemas",
    "search",
    "set_latest",
    "subgraphs",
    "update",
    "versions",
]

_ORDERS: Final[Mapping[str | None, AssistantOrder]] = {
    None: "created_at",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "name": "name",
    "graph_id": "agent",
    "assistant_id": "id",
}
_PAGE: Final = 200


async def create(face: Face, call: Call) -> Answer:
    """POST /assistants"""
    asked = call.read(AssistantCreate)
    agent = face.agent(asked.graph_id)
    new = NewAssistant(
        call.principal.tenant,
        asked.assistant_id or uuid7(),
        agent.name,
        asked.name or "Untitled",
        asked.description,
        dict[str, Any](asked.config or {}),
        asked.context,
        asked.metadata,
    )
    made = await face.engine.assistants.create(call.principal, new, exist_ok=asked.if_exists == "do_nothing")
    return json_reply(project_sdk.assistant(made))


async def get(face: Face, call: Call) -> Answer:
    """GET /assistants/{assistant_id}"""
    return json_reply(project_sdk.assistant(await face.engine.assistants.get(call.principal, _id(call))))


async def update(face: Face, call: Call) -> Answer:
    """PATCH /assistants/{assistant_id}"""
    asked = call.read(AssistantUpdate)
    patch = AssistantPatch(
        face.agent(asked.graph_id).name if asked.graph_id is not None else None,
        asked.name,
        asked.description,
        None if asked.config is None else dict[str, Any](asked.config),
        asked.context,
        asked.metadata,
    )
    return json_reply(project_sdk.assistant(await face.engine.assistants.update(call.principal, _id(call), patch)))


async def delete(face: Face, call: Call) -> Answer:
    """DELETE /assistants/{assistant_id}; with ``delete_threads`` the threads that were made for it too, whose runs are
    cancelled first."""
    asked = call.read_query(AssistantDeletion)
    gone = await face.engine.assistants.delete(call.principal, _id(call))
    if asked.delete_threads:
        await _delete_threads(face, call, gone.id)
    return empty()


async def _delete_threads(face: Face, call: Call, assistant_id: str) -> None:
    where = ThreadFilter(metadata={"assistant_id": assistant_id})
    while threads := await face.engine.threads(call.principal, where, _PAGE):
        for thread in threads:
            await forget(face, call, thread.id)


async def search(face: Face, call: Call) -> Answer:
    """POST /assistants/search"""
    asked = call.read(AssistantSearch)
    found = await face.engine.assistants.search(
        call.principal,
        _filter(asked),
        _ORDERS[asked.sort_by],
        descending=asked.sort_order == "desc",
        limit=asked.limit + 1,
        offset=asked.offset,
    )
    page = [project_sdk.selected(project_sdk.assistant(one), asked.select) for one in found[: asked.limit]]
    end = str(asked.offset + asked.limit).encode()
    more: list[Header] = [(b"x-pagination-next", end)] if len(found) > asked.limit else []
    return json_reply(page, headers=more)


async def count(face: Face, call: Call) -> Answer:
    """POST /assistants/count"""
    return json_reply(await face.engine.assistants.count(call.principal, _filter(call.read(AssistantSearch))))


async def versions(face: Face, call: Call) -> Answer:
    """POST /assistants/{assistant_id}/versions"""
    asked = call.read(VersionList)
    found = await face.engine.assistants.versions(call.principal, _id(call), asked.metadata, asked.limit, asked.offset)
    return json_reply([project_sdk.assistant(one) for one in found])


async def set_latest(face: Face, call: Call) -> Answer:
    """POST /assistants/{assistant_id}/latest"""
    asked = call.read(AssistantLatest)
    chosen = await face.engine.assistants.set_latest(call.principal, _id(call), asked.version)
    return json_reply(project_sdk.assistant(chosen))


async def schemas(face: Face, call: Call) -> Answer:
    """GET /assistants/{assistant_id}/schemas"""
    found = await face.engine.assistants.get(call.principal, _id(call))
    return json_reply(project_sdk.schemas(face.agent(found.agent)))


async def graph(face: Face, call: Call) -> Answer:
    """GET /assistants/{assistant_id}/graph; ``xray`` shows the same, for there is nothing within."""
    found = await face.engine.assistants.get(call.principal, _id(call))
    return json_reply(project_sdk.graph(face.agent(found.agent)))


async def subgraphs(face: Face, call: Call) -> Answer:
    """GET /assistants/{assistant_id}/subgraphs and /subgraphs/{namespace}"""
    await face.engine.assistants.get(call.principal, _id(call))
    return json_reply({})


def _id(call: Call) -> str:
    return call.path("assistant_id")


def _filter(asked: AssistantSearch) -> AssistantFilter:
    return AssistantFilter(asked.graph_id, asked.name, asked.metadata or None)
