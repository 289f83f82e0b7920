"""Which tools there are: agents, and the catalog's tools, as the settings choose them. Told of by ``tools.py``.

Made anew when the catalog's tools change. Companion tools are not here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from dragoman.agents.agent import Agent
from dragoman.agents.catalog import Catalog, Change
from dragoman.agents.schemas import SchemaCheck
from dragoman.agents.tool import Tool
from dragoman.engine import Engine
from dragoman.mcp.project import Shape, shape_of
from dragoman.mcp.settings import McpSettings
from dragoman.memory.model import Json

__all__ = ["Offer", "Offers"]

Offered: TypeAlias = Agent | Tool[..., Any]
_log = logging.getLogger("dragoman.mcp")


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool, and how its output is told. A call of an agent, or of a tool that takes a Context, is a run.

    ``told`` is the schema of its input that clients are told, where pydantic takes more than that says.
    """

    name: str
    what: Offered
    shape: Shape
    told: SchemaCheck | None = None

    @property
    def plain(self) -> Tool[..., Any] | None:
        """The tool, where its call is no run."""
        return None if isinstance(self.what, Agent) else self.what

    @property
    def durable(self) -> Agent | None:
        """The agent, where its call is a run."""
        return self.what if isinstance(self.what, Agent) else None

    def check(self, arguments: Mapping[str, Json]) -> None:
        """Hold arguments against the schema that clients are told: "20" is no number. Raises ``InputInvalid``."""
        if self.told is None or self.told.fits(arguments):
            return
        what = f"input for {self.name}"
        self.what.signature.validate(arguments, what)  # names the fields that are wrong for it, too
        self.told.check(arguments, f"Invalid {what}")


class Offers:
    """Tools by name, in their order: agents, then the catalog's. ``reserved`` are names that no tool may have."""

    def __init__(self, engine: Engine, catalog: Catalog, settings: McpSettings, reserved: Collection[str]) -> None:
        taken = [name for name in reserved if name in engine.agents or name in catalog.tools]
        if taken:
            raise ValueError(f"An agent or tool is named {taken[0]!r} as a companion tool is; rename it, or have none.")
        self._engine = engine
        self._agents: Mapping[str, Agent] = engine.agents
        self._catalog = catalog
        self._settings = settings
        self._reserved = reserved
        self._listeners: list[Callable[[], None]] = []
        self._named: dict[str, Offer] = {}
        self.scopes: frozenset[str] = frozenset()
        self._make()
        catalog.listen(self._changed)

    def find(self, name: str) -> Offer | None:
        """The tool of this name."""
        return self._named.get(name)

    def shape(self, name: str) -> Shape | None:
        """How the output of an agent or tool is told, offered or not."""
        offer = self._named.get(name)
        if offer is not None:
            return offer.shape
        hidden = self._engine.drivable(name)
        return None if hidden is None else _offer(hidden).shape

    def seen_with(self, held: frozenset[str]) -> list[Offer]:
        """The tools that a caller may call who holds these of ``scopes``."""
        return [offer for offer in self._named.values() if offer.what.scopes <= held]

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever the tools have changed."""
        self._listeners.append(listener)

    def _changed(self, kind: Change) -> None:
        if kind == "tools":
            self._make()
            for listener in self._listeners:
                listener()

    def _make(self) -> None:
        known = self._named
        self._named = {}
        for what in self._chosen():
            offer = known.get(what.name)
            same = offer is not None and offer.what is what
            self._named[what.name] = offer if offer is not None and same else _offer(what)
        self.scopes = frozenset(scope for offer in self._named.values() for scope in offer.what.scopes)

    def _chosen(self) -> Iterator[Offered]:
        for agent in self._agents.values():
            if self._settings.offers(agent.name):
                yield agent
        for tool in self._catalog.tools.values():
            if tool.name in self._agents or tool.name in self._reserved:
                _log.warning("the tool %r has a name that is taken; it is not offered", tool.name)
            elif self._settings.offers(tool.name):
                yield self._catalog.durable.get(tool.name, tool)


def _offer(what: Offered) -> Offer:
    signature = what.signature
    shape = shape_of(signature.output_schema, signature, handle=isinstance(what, Agent))
    return Offer(what.name, what, shape, SchemaCheck(signature.input_schema) if signature.check is None else None)
