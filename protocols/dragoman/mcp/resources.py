"""Artifacts of runs as resources: what a tool's result embeds or links to can be read.

Nothing is listed, since artifacts belong to runs and a caller knows its own; the template says how they are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman.engine import Engine
from dragoman.mcp import artifacts, params
from dragoman.mcp.call import Call
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.mcp.settings import McpSettings
from dragoman.memory.errors import NotFound
from dragoman.memory.model import Json

__all__ = ["Resources"]

_PREFIX: Final = "dragoman://runs/"
_NOT_FOUND_OLDER: Final = -32002
"""Resource not found up to 2025-11-25; the modern era has -32602 instead."""


class Resources:
    """The verbs of resources."""

    def __init__(self, engine: Engine, settings: McpSettings) -> None:
        self._engine = engine
        self._settings = settings

    async def list_resources(self, call: Call) -> Mapping[str, Json]:
        """No resource is listed."""
        return self._cacheable(call, {"resources": []})

    async def list_templates(self, call: Call) -> Mapping[str, Json]:
        """The template of artifacts."""
        template = {
            "uriTemplate": artifacts.uri_of("{run_id}", "{artifact_id}"),
            "name": "artifact",
            "description": "A file that a run made.",
        }
        return self._cacheable(call, {"resourceTemplates": [template]})

    async def read_resource(self, call: Call) -> Mapping[str, Json]:
        """An artifact's contents."""
        uri = params.text(call, "uri")
        run_id, _, artifact_id = uri.removeprefix(_PREFIX).partition("/artifacts/")
        if not uri.startswith(_PREFIX) or not artifact_id:
            raise self._not_found(call, uri)
        try:
            view = await self._engine.view(call.principal, run_id)
        except NotFound:
            raise self._not_found(call, uri) from None
        for artifact in view.artifacts:
            if artifact.id == artifact_id:
                return self._cacheable(call, {"contents": [artifacts.contents(artifact, run_id)]}, ttl_ms=0)
        raise self._not_found(call, uri)

    def _cacheable(self, call: Call, result: dict[str, Json], ttl_ms: int | None = None) -> dict[str, Json]:
        if call.modern:
            result |= {"ttlMs": self._settings.list_ttl_ms if ttl_ms is None else ttl_ms, "cacheScope": "private"}
        return result

    @staticmethod
    def _not_found(call: Call, uri: str) -> ProtocolError:
        code = INVALID_PARAMS if call.modern else _NOT_FOUND_OLDER
        return ProtocolError(code, "Resource not found.", {"uri": uri[:500]})
