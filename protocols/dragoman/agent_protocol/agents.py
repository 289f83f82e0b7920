"""Agents over Agent Protocol. What the LangGraph SDK calls assistants is in ``assistants.py``."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.agent_protocol import project
from dragoman.agent_protocol.endpoint import Answer, Call, json_reply
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.wire import AgentSearch
from dragoman.agents import Agent
from dragoman.memory.model import Json

__all__ = ["get", "schemas", "search"]


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


def _named(agent: Agent, part: str | None) -> bool:
    return part is None or part.casefold() in agent.name.casefold() or part.casefold() in agent.title.casefold()


def _holds(metadata: Mapping[str, Json], pairs: Mapping[str, Json]) -> bool:
    return all(key in metadata and metadata[key] == value for key, value in pairs.items())
