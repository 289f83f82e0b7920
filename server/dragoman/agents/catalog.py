"""What is offered beside agents: tools, resources and prompts, which may come and go while the server runs.

A module that is loaded may hold a ``Catalog`` of its own and change it; the server's own takes in all that it loaded
and tells those who listen. Not a registry of agents, and no protocol is spoken here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from dragoman.agents.agent import Agent
from dragoman.agents.prompt import Prompt
from dragoman.agents.resource import Resource
from dragoman.agents.tool import Tool

__all__ = ["Catalog", "Change", "Offer"]

Offer: TypeAlias = Tool[..., Any] | Resource | Prompt
Change: TypeAlias = Literal["tools", "prompts", "resources"]
"""Which list changed."""


class Catalog:
    """Tools by name, prompts by name, resources by URI or template, in the order in which they were added.

    Changed and read on one event loop.
    """

    def __init__(self, *offers: Offer) -> None:
        self._tools: dict[str, Tool[..., Any]] = {}
        self._prompts: dict[str, Prompt] = {}
        self._resources: dict[str, Resource] = {}
        self._durable: dict[str, Agent] = {}
        self._listeners: list[Callable[[Change], None]] = []
        self._watchers: list[Callable[[str], None]] = []
        for offer in offers:
            self.add(offer)

    # -- what is there ------------------------------------------------------------------------------------------------
    @property
    def tools(self) -> Mapping[str, Tool[..., Any]]:
        """Tools by name."""
        return self._tools

    @property
    def prompts(self) -> Mapping[str, Prompt]:
        """Prompts by name."""
        return self._prompts

    @property
    def resources(self) -> Mapping[str, Resource]:
        """Resources and templates, by URI."""
        return self._resources

    @property
    def durable(self) -> Mapping[str, Agent]:
        """The tools that are runs, as the engine drives them."""
        return self._durable

    def offers(self) -> Iterable[Offer]:
        """All of it."""
        yield from self._tools.values()
        yield from self._resources.values()
        yield from self._prompts.values()

    # -- changing it --------------------------------------------------------------------------------------------------
    def add(self, *offers: Offer) -> None:
        """Add, or replace what has the same name or URI."""
        for offer in offers:
            if isinstance(offer, Tool):
                self._tools[offer.name] = offer
                self._durable.pop(offer.name, None)
                if offer.signature.durable:
                    self._durable[offer.name] = as_agent(offer)
            elif isinstance(offer, Prompt):
                self._prompts[offer.name] = offer
            else:
                self._resources[offer.uri] = offer
        self._tell(*offers)

    def remove(self, *offers: Offer) -> None:
        """Remove what has the name or URI of these; what is not there is let be."""
        for offer in offers:
            if isinstance(offer, Tool):
                self._tools.pop(offer.name, None)
                self._durable.pop(offer.name, None)
            elif isinstance(offer, Prompt):
                self._prompts.pop(offer.name, None)
            else:
                self._resources.pop(offer.uri, None)
        self._tell(*offers)

    def changed(self, uri: str) -> None:
        """Say that what is read under a URI has changed."""
        for watcher in list(self._watchers):
            watcher(uri)

    def include(self, other: Catalog) -> None:
        """Take in another catalog, now and as it changes."""
        taken = list(other.offers())
        self.add(*taken)

        def follow(kind: Change) -> None:
            nonlocal taken
            now = list(other.offers())
            gone = [offer for offer in taken if offer not in now and _kind(offer) == kind]
            self.remove(*gone)
            self.add(*(offer for offer in now if offer not in taken and _kind(offer) == kind))
            taken = now

        other.listen(follow)
        other.watch(self.changed)

    # -- hearing of it ------------------------------------------------------------------------------------------------
    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``listener`` whenever a list has changed; the function that ends it is returned."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def watch(self, watcher: Callable[[str], None]) -> Callable[[], None]:
        """Call ``watcher`` with the URI of whatever changed; the function that ends it is returned."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def _tell(self, *offers: Offer) -> None:
        kinds: set[Change] = {_kind(offer) for offer in offers}
        for kind in sorted(kinds):
            for listener in list(self._listeners):
                listener(kind)


def _kind(offer: Offer) -> Change:
    if isinstance(offer, Tool):
        return "tools"
    return "prompts" if isinstance(offer, Prompt) else "resources"


def as_agent(tool: Tool[..., Any]) -> Agent:
    """A durable tool as the engine drives it."""
    return Agent(
        fn=tool.fn,
        name=tool.name,
        title=tool.title,
        description=tool.description,
        version="1.0.0",
        skills=(),
        signature=tool.signature,
        timeout=tool.timeout,
        hints=tool.hints,
        icons=tool.icons,
        scopes=tool.scopes,
        task_support=tool.task_support,
        ask_first=tool.ask_first,
        meta=tool.meta,
        headers=tool.headers,
    )
