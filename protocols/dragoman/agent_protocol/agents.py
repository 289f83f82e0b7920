"""Agents over Agent Protocol, and the assistants that the LangGraph SDK knows them as."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.agent_protocol import project, project_sdk
from dragoman.agent_protocol.endpoint import Answer, Call, Header, json_reply
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.wire import AgentSearch
from dragoman.agent_protocol.wire_sdk import AssistantSearch
from dragoman.agents import Agent
from dragoman.memory.model import Json

__all__ = ["assistant", "assistant_schemas", "assistants", "count_assistants", "get", "schemas", "search"]


async def search(face: Face, call: Call) -> Answer:
    """POST /agents/search: by a part of the name, and by top-level pairs of the metadata."""
    asked = call.read(AgentSearch)
    found = [project.agent(a) for a in face.engine.agents.values() if _named(a, asked.name)]
    found = [shown for shown in found if _holds(shown["metadata"], asked.metadata)]
    return json_reply(found[asked.offset : asked.offset + asked.limit])


async def get(face: Face, call: Call) -> Answer:
    """GET /agents/{agent_id}"""
    return json_reply(project.agent(face.agent(call.path("agent_id"))))


async def schemas(face: Face, call: Call) -> Answer:
    """GET /agents/{agent_id}/schemas"""
    return json_reply(project.agent_schemas(face.agent(call.path("agent_id"))))


async def assistants(face: Face, call: Call) -> Answer:
    """POST /assistants/search"""
    asked = call.read(AssistantSearch)
    found = _assistants(face, asked)
    if asked.sort_by is not None:
        found.sort(key=lambda shown: str(shown[asked.sort_by or "name"]), reverse=asked.sort_order == "desc")
    end = asked.offset + asked.limit
    more: list[Header] = [(b"x-pagination-next", str(end).encode())] if len(found) > end else []
    page = [project_sdk.selected(shown, asked.select) for shown in found[asked.offset : end]]
    return json_reply(page, headers=more)


async def count_assistants(face: Face, call: Call) -> Answer:
    """POST /assistants/count"""
    return json_reply(len(_assistants(face, call.read(AssistantSearch))))


async def assistant(face: Face, call: Call) -> Answer:
    """GET /assistants/{assistant_id}"""
    return json_reply(project_sdk.assistant(face.agent(call.path("assistant_id")), face.since))


async def assistant_schemas(face: Face, call: Call) -> Answer:
    """GET /assistants/{assistant_id}/schemas"""
    return json_reply(project_sdk.schemas(face.agent(call.path("assistant_id"))))


def _assistants(face: Face, asked: AssistantSearch) -> list[dict[str, Json]]:
    agents = [a for a in face.engine.agents.values() if asked.graph_id in (None, a.name) and _named(a, asked.name)]
    found = [project_sdk.assistant(a, face.since) for a in agents]
    return [shown for shown in found if _holds(shown["metadata"], asked.metadata)]


def _named(agent: Agent, part: str | None) -> bool:
    return part is None or part.casefold() in agent.name.casefold() or part.casefold() in agent.title.casefold()


def _holds(metadata: Mapping[str, Json], pairs: Mapping[str, Json]) -> bool:
    return all(key in metadata and metadata[key] == value for key, value in pairs.items())
