"""Watching for one client: what of that which it asked about has changed, each thing once however often it changed.

A client that reads slowly has each change told once, when it gets to it; so what waits is never more than what is
watched. Sources are the catalog, and the engine's hub for runs, threads, artifacts and items of the store. Knows no
message: ``notices.py`` says how a change is told, ``listen.py`` and ``push.py`` where.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final, Literal, TypeAlias

from dragoman.agents.catalog import Catalog
from dragoman.agents.catalog import Change as ListName
from dragoman.engine import Engine
from dragoman.engine.relay import item_name
from dragoman.mcp import uris
from dragoman.mcp.reading import find_resource
from dragoman.mcp.settings import McpSettings
from dragoman.memory.errors import NotFound
from dragoman.memory.model import Event, Principal

__all__ = ["EVERYBODY", "Change", "Watch"]

Change: TypeAlias = tuple[Literal["list", "resource", "task"], str]
"""What changed: a list by its name, a resource by its URI, a task by its id."""

_OF_THREADS: Final = frozenset({"values"})
EVERYBODY: Final = ""
"""The tenant to whom it is told what all see: the catalog."""


class Watch:
    """What one client watches, until it is closed. ``settings`` say which agents are offered."""

    def __init__(self, engine: Engine, catalog: Catalog, settings: McpSettings, principal: Principal) -> None:
        self._engine = engine
        self._catalog = catalog
        self._settings = settings
        self._principal = principal
        self._ends: dict[Change, list[Callable[[], None]]] = {}
        self._changed: dict[Change, None] = {}
        self._news = asyncio.Event()
        self._over = False
        self._at_end = engine.hub.listen_to_end(self.end)

    # -- what is watched ----------------------------------------------------------------------------------------------
    def lists(self, names: Collection[ListName]) -> None:
        """Watch lists of the catalog."""

        def told(name: ListName) -> None:
            if name in names:
                self._note(("list", name))

        if names:
            relay = self._engine.relay
            elsewhere = [relay.hear(EVERYBODY, f"list:{name}", partial(told, name)) for name in names]
            self._ends["list", ""] = [self._catalog.listen(told), *elsewhere]

    async def resource(self, uri: str) -> bool:
        """Watch a resource; whether there is such a thing for the caller. An item of the store need not be there."""
        change: Change = ("resource", uri)
        if change in self._ends:
            return True
        own = uris.parse(uri)
        if own is None:
            found = find_resource(self._catalog, uri)
            if found is None or not all(self._principal.may(scope) for scope in found[0].scopes):
                return False
            here = self._catalog.watch(lambda changed: self._note(change) if changed == uri else None)
            elsewhere = self._engine.relay.hear(EVERYBODY, f"resource:{uri}", lambda: self._note(change))
            self._ends[change] = [here, elsewhere]
            return True
        try:
            ends = await self._own(change, own)
        except NotFound:
            return False
        return self._keep(change, ends)

    async def task(self, run_id: str) -> bool:
        """Watch a run for its status; whether the caller's tenant has such a run."""
        change: Change = ("task", run_id)
        if change in self._ends:
            return True
        try:
            run = await self._engine.get(self._principal, run_id)
        except NotFound:
            return False
        listener = _Listener(lambda event: event.run_id == run_id and event.type.startswith("run."), change, self._note)
        return self._keep(change, [self._engine.hub.listen(self._principal.tenant, run.thread_id, listener)])

    def forget(self, uri: str) -> None:
        """Watch a resource no more."""
        change: Change = ("resource", uri)
        for end in self._ends.pop(change, ()):
            end()
        self._changed.pop(change, None)

    @property
    def resources(self) -> frozenset[str]:
        """The URIs that are watched."""
        return frozenset(name for kind, name in self._ends if kind == "resource")

    # -- what changed -------------------------------------------------------------------------------------------------
    async def next(self) -> Change | None:
        """The next change; None once it is over and all was told."""
        while not self._changed:
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        change = next(iter(self._changed))
        del self._changed[change]
        return change

    def put_back(self, change: Change) -> None:
        """A change that was taken could not be told: it is told to who asks next."""
        self._note(change)

    def note_task(self, run_id: str) -> None:
        """Have a task told of as if it had changed."""
        self._note(("task", run_id))

    def end(self) -> None:
        """Nothing more is to come."""
        self._over = True
        self._news.set()

    def close(self) -> None:
        """Watch nothing more."""
        for ends in self._ends.values():
            for end in ends:
                end()
        self._ends.clear()
        self._at_end()
        self.end()

    # -- inside -------------------------------------------------------------------------------------------------------
    async def _own(self, change: Change, own: uris.Own) -> list[Callable[[], None]]:
        hub, tenant = self._engine.hub, self._principal.tenant
        if own.kind == "item":
            namespace, key = own.names[:-1], own.names[-1]
            here = hub.listen_to_item(tenant, namespace, key, lambda: self._note(change))
            elsewhere = self._engine.relay.hear(tenant, item_name(namespace, key), lambda: self._note(change))
            return [here, elsewhere]
        if own.kind == "thread":
            thread_id = (await self._engine.thread(self._principal, own.names[0])).id
            return [hub.listen(tenant, thread_id, _Listener(_changes_thread, change, self._note))]
        if own.kind == "agent":
            agent = self._engine.agents.get(own.names[0])
            hidden = agent is None or not self._settings.offers(agent.name)
            if agent is None or hidden or not all(self._principal.may(scope) for scope in agent.scopes):
                raise NotFound
            return []  # it stays as it is while the server runs
        view = await self._engine.view(self._principal, own.names[0])
        run_id, artifact_id = view.run.id, own.names[-1]
        if own.kind == "artifact" and artifact_id not in {artifact.id for artifact in view.artifacts}:
            raise NotFound

        def matters(event: Event) -> bool:
            if event.run_id != run_id:
                return False
            if own.kind == "artifact":
                return event.type == "artifact" and event.data.get("id") == artifact_id
            return event.type == "artifact" or event.type.startswith("run.")

        return [hub.listen(tenant, view.run.thread_id, _Listener(matters, change, self._note))]

    def _keep(self, change: Change, ends: list[Callable[[], None]]) -> bool:
        if self._over or change in self._ends:  # closed, or watched by another request meanwhile
            for end in ends:
                end()
        else:
            self._ends[change] = ends
        return True

    def _note(self, change: Change) -> None:
        self._changed[change] = None
        self._news.set()


class _Listener:
    """Takes note of the events of a thread that matter."""

    def __init__(self, matters: Callable[[Event], bool], change: Change, note: Callable[[Change], None]) -> None:
        self._matters = matters
        self._change = change
        self._note = note

    def put(self, events: Sequence[Event]) -> None:
        if any(self._matters(event) for event in events):
            self._note(self._change)

    def nudge(self) -> None:
        self._note(self._change)


def _changes_thread(event: Event) -> bool:
    return event.type in _OF_THREADS or event.type.startswith("run.")
