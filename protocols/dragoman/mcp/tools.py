"""``tools/list`` and ``tools/call``: agents, the catalog's tools, and the companions that go on with a run.

An agent's call is a run (``durable.py``), and so is that of a tool which takes a Context; any other tool is done within
its request (``plain_tools.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from dragoman.mcp import apps, params, project, scopes
from dragoman.mcp.call import Call
from dragoman.mcp.companions import COMPANIONS, Companions
from dragoman.mcp.durable import DurableCalls
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError, tool_error
from dragoman.mcp.offers import Offer, Offers
from dragoman.mcp.pages import Pages
from dragoman.mcp.plain_tools import PlainTools
from dragoman.mcp.settings import McpSettings
from dragoman.memory.errors import DragomanError
from dragoman.memory.model import Json

__all__ = ["Tools"]

_NAMED: Final = 20  # tools that the error about an unknown one names


class Tools:
    """The verbs of tools."""

    def __init__(
        self,
        offers: Offers,
        durable: DurableCalls,
        plain: PlainTools,
        companions: Companions | None,
        settings: McpSettings,
        server_info: Mapping[str, Json],
    ) -> None:
        self._offers = offers
        self._durable = durable
        self._plain = plain
        self._companions = companions
        self._pages = Pages("tools", "name", settings, server_info)
        offers.listen(self._pages.forget)

    # -- list ---------------------------------------------------------------------------------------------------------
    async def list_tools(self, call: Call) -> bytes:
        """A page of the tools that the caller may call: agents, then the catalog's, then the companions."""
        held = scopes.held_of(call.principal, self._offers.scopes)
        cards = self._companions is not None and apps.shown_to(call)
        return self._pages.page(call, partial(self._told, call.version, held, cards), (held, cards))

    def _told(self, version: str, held: frozenset[str], cards: bool) -> list[dict[str, Json]]:
        told: list[dict[str, Json]] = []
        for offer in self._offers.seen_with(held):
            tool = project.tool(offer.what, offer.shape, version)
            told.append(apps.bound(tool) if cards and offer.durable is not None else tool)
        return told if self._companions is None else [*told, *self._companions.describe(version, cards)]

    # -- call ---------------------------------------------------------------------------------------------------------
    async def call_tool(self, call: Call) -> Mapping[str, Json]:
        """Call a tool."""
        name = params.text(call, "name")
        arguments = params.an_object(call, "arguments")
        offer = self._offers.find(name)
        try:
            if offer is not None:
                scopes.require(call.principal, offer.what.scopes, f"The tool {name!r}")
                return await self._offered(call, offer, arguments)
            if self._companions is not None and name in COMPANIONS:
                return await self._companions.call(call, name, arguments)
        except DragomanError as error:
            told = tool_error(error)
            if told is None:
                raise
            return project.error_result(told)
        raise ProtocolError(INVALID_PARAMS, f"Unknown tool {name[:80]!r}; there are: {self._known(call)}.")

    def _known(self, call: Call) -> str:
        seen = self._offers.seen_with(scopes.held_of(call.principal, self._offers.scopes))
        names = [offer.name for offer in seen] + list(COMPANIONS if self._companions is not None else ())
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return f"{', '.join(names[:_NAMED])}{more}" or "none"

    async def _offered(self, call: Call, offer: Offer, arguments: dict[str, Json]) -> Mapping[str, Json]:
        if offer.plain is not None:
            return await self._plain.call(call, offer, offer.plain, arguments)
        assert offer.durable is not None
        return await self._durable.call(call, offer.durable, arguments, offer.check)
