"""Resources: what people offer with ``@resource``, and what the server itself has.

Its own are runs, their artifacts, threads, items of the store and the instructions of agents (``uris.py``, ``own.py``).
The list has what is offered, then instructions, then the newest runs with their threads, which is as far back as a list
helps anyone; what is older is read by its URI all the same. Another tenant's is not found, in the same words as what
never was. Follows 2026-07-28 and 2025-11-25 "Resources".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from dragoman.agents.agent import Agent
from dragoman.agents.catalog import Catalog, Change
from dragoman.engine import Engine
from dragoman.mcp import artifacts, own, pages, params, reading, scopes, uris
from dragoman.mcp.call import Call
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.mcp.pages import Pages
from dragoman.mcp.plain import InputRequired, Plain
from dragoman.mcp.settings import McpSettings
from dragoman.memory.errors import NotFound
from dragoman.memory.model import Json

__all__ = ["Resources", "not_found"]

_NOT_FOUND_OLDER: Final = -32002
"""Resource not found up to 2025-11-25; the modern era has -32602 instead."""
_RECENT_TTL_MS: Final = 5_000
"""How long a list with runs may be kept, at most."""
_MOST_LISTS: Final = 64


class Resources:
    """The verbs of resources. ``agents`` are those whose instructions are read, by name."""

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        settings: McpSettings,
        plain: Plain,
        server_info: Mapping[str, Json],
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._settings = settings
        self._plain = plain
        self.agents = {name: agent for name, agent in engine.agents.items() if settings.offers(name)}
        self._templates = Pages("resourceTemplates", "uriTemplate", settings, server_info)
        self._lists: dict[tuple[str, frozenset[str]], list[dict[str, Json]]] = {}
        self._scopes = self._all_scopes()
        catalog.listen(self._changed)

    # -- lists --------------------------------------------------------------------------------------------------------
    async def list_resources(self, call: Call) -> Mapping[str, Json]:
        """A page of what the caller may read."""
        entries, size = self._offered(call), self._settings.page_size
        start = pages.position(call, entries, "uri")
        if start is None or start + size >= len(entries):
            entries = [*entries, *await self._recent(call)]
        shown, following = pages.cut(call, entries, "uri", size)
        result: dict[str, Json] = {"resources": shown}
        if following is not None:
            result["nextCursor"] = following
        ttl_ms = self._settings.list_ttl_ms
        return self._cacheable(call, result, min(ttl_ms, _RECENT_TTL_MS) if self._settings.listed_runs else ttl_ms)

    async def list_templates(self, call: Call) -> bytes:
        """A page of the templates."""
        held = scopes.held_of(call.principal, self._scopes)
        return self._templates.page(call, partial(self._template_entries, call.version, held), held)

    def _offered(self, call: Call) -> list[dict[str, Json]]:
        """What is listed before runs; made once for each version and for what a caller may see."""
        held = scopes.held_of(call.principal, self._scopes)
        kept = self._lists.get((call.version, held))
        if kept is None:
            version = call.version
            offered = [r for r in self._catalog.resources.values() if not r.is_template and r.scopes <= held]
            kept = [reading.entry(resource, version) for resource in offered]
            kept += [own.agent_entry(agent, version) for agent in self.agents.values() if agent.scopes <= held]
            if len(self._lists) >= _MOST_LISTS:
                self._lists.clear()
            self._lists[call.version, held] = kept
        return kept

    async def _recent(self, call: Call) -> list[dict[str, Json]]:
        if not self._settings.listed_runs:
            return []
        runs = await self._engine.list_runs(call.principal, limit=self._settings.listed_runs, bare=True)
        return own.recent_entries((view.run for view in runs.items), call.version)

    def _template_entries(self, version: str, held: frozenset[str]) -> list[dict[str, Json]]:
        offered = [r for r in self._catalog.resources.values() if r.is_template and r.scopes <= held]
        return [*(reading.template_entry(resource, version) for resource in offered), *own.template_entries()]

    def _changed(self, kind: Change) -> None:
        if kind == "resources":
            self._lists.clear()
            self._templates.forget()
            self._scopes = self._all_scopes()

    def _all_scopes(self) -> frozenset[str]:
        of_resources = (resource.scopes for resource in self._catalog.resources.values())
        return frozenset[str]().union(*of_resources, *(agent.scopes for agent in self.agents.values()))

    # -- read ---------------------------------------------------------------------------------------------------------
    async def read_resource(self, call: Call) -> Mapping[str, Json]:
        """The contents under a URI."""
        uri = params.text(call, "uri")
        try:
            contents = await self._contents(call, uri)
        except NotFound:
            raise not_found(call, uri) from None
        if isinstance(contents, InputRequired):
            return contents.result
        return self._cacheable(call, {"contents": [contents]}, 0)

    async def _contents(self, call: Call, uri: str) -> Mapping[str, Json] | InputRequired:
        found = reading.find_resource(self._catalog, uri)
        if found is not None:
            resource, values = found
            return await reading.read_offered(call, self._plain, resource, uri, values)
        named = uris.parse(uri)
        if named is None:
            raise NotFound
        return await self._own(call, named)

    async def _own(self, call: Call, named: uris.Own) -> Mapping[str, Json]:
        engine, principal, names = self._engine, call.principal, named.names
        if named.kind == "run":
            return own.run_contents(await engine.view(principal, names[0]))
        if named.kind == "thread":
            return own.thread_contents(await engine.thread(principal, names[0]))
        if named.kind == "item":
            item = await engine.get_item(principal, names[:-1], names[-1])
            if item is None:
                raise NotFound
            return own.item_contents(item)
        if named.kind == "agent":
            return own.agent_contents(self._agent(call, names[0]))
        for artifact in (await engine.view(principal, names[0])).artifacts:
            if artifact.id == names[1]:
                return artifacts.contents(artifact, names[0])
        raise NotFound

    def _agent(self, call: Call, name: str) -> Agent:
        agent = self.agents.get(name)
        if agent is None:
            raise NotFound
        scopes.require(call.principal, agent.scopes, f"The agent {name!r}")
        return agent

    @staticmethod
    def _cacheable(call: Call, result: dict[str, Json], ttl_ms: int) -> dict[str, Json]:
        if call.modern:
            result |= {"ttlMs": ttl_ms, "cacheScope": "private"}
        return result


def not_found(call: Call, uri: str) -> ProtocolError:
    """There is no such resource for this caller."""
    code = INVALID_PARAMS if call.modern else _NOT_FOUND_OLDER
    return ProtocolError(code, "Resource not found.", {"uri": uri[:500]})
