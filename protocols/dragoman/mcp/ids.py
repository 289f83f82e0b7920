"""Ids that begin with what was typed, among what the caller's tenant has: of runs, threads, artifacts and agents, and
paths of the store.

Looks through the newest entries of bounded lists and says whether it saw all; no index is kept. Which variable of a
resource template is which id is said here once, by its name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

from dragoman.agents.agent import Agent
from dragoman.engine import Engine
from dragoman.memory.errors import NotFound
from dragoman.memory.model import Principal

__all__ = ["Found", "Ids"]

_ENOUGH: Final = 101
"""One more than a result holds tells that there are more."""
_PAGE: Final = 100
_DEPTH: Final = 10
"""Pages that are looked through: an older id is found by typing all of it elsewhere."""
_ITEMS: Final = 200
"""Items of the store, which come with their values."""


@dataclass(slots=True)
class Found:
    """Values, and whether these are all there are."""

    values: list[str] = field(default_factory=list[str])
    all: bool = True


_Lookup = Callable[[Principal, str, Mapping[str, str]], Awaitable[Found]]


class Ids:
    """Looks ids up. ``agents`` are those that are told of, by name."""

    def __init__(self, engine: Engine, agents: Mapping[str, Agent]) -> None:
        self._engine = engine
        self._offered = agents
        self._lookups: dict[str, _Lookup] = {
            "run_id": self._runs,
            "thread_id": self._threads,
            "artifact_id": self._artifacts,
            "agent": self._agents,
            "path": self._store,
        }

    async def begun(self, principal: Principal, name: str, typed: str, chosen: Mapping[str, str]) -> Found:
        """Values that the variable ``name`` of a resource template may have; none for one that is no id.

        ``chosen`` are the other variables: artifacts are those of its ``run_id``.
        """
        lookup = self._lookups.get(name)
        return Found() if lookup is None else await lookup(principal, typed, chosen)

    async def _runs(self, principal: Principal, typed: str, chosen: Mapping[str, str]) -> Found:
        return await _gathered(typed, self._run_pages(principal))

    async def _run_pages(self, principal: Principal) -> AsyncIterator[tuple[list[str], bool]]:
        cursor: str | None = None
        for _ in range(_DEPTH):
            page = await self._engine.list_runs(principal, limit=_PAGE, cursor=cursor)
            cursor = page.cursor
            yield [view.run.id for view in page.items], cursor is None
            if cursor is None:
                return

    async def _threads(self, principal: Principal, typed: str, chosen: Mapping[str, str]) -> Found:
        return await _gathered(typed, self._thread_pages(principal))

    async def _thread_pages(self, principal: Principal) -> AsyncIterator[tuple[list[str], bool]]:
        for number in range(_DEPTH):
            threads = await self._engine.threads(principal, limit=_PAGE, offset=number * _PAGE)
            last = len(threads) < _PAGE
            yield [thread.id for thread in threads], last
            if last:
                return

    async def _artifacts(self, principal: Principal, typed: str, chosen: Mapping[str, str]) -> Found:
        try:
            view = await self._engine.view(principal, chosen.get("run_id", ""))
        except NotFound:
            return Found()
        return Found([a.id for a in view.artifacts if a.id.startswith(typed)])

    async def _agents(self, principal: Principal, typed: str, chosen: Mapping[str, str]) -> Found:
        seen = (a.name for a in self._offered.values() if all(principal.may(scope) for scope in a.scopes))
        return Found([name for name in seen if name.startswith(typed)])

    async def _store(self, principal: Principal, typed: str, chosen: Mapping[str, str]) -> Found:
        """The next step of a path: namespaces, which end with a slash, and the keys of items (``uris.py``)."""
        folder = tuple(unquote(part) for part in typed.split("/")[:-1])
        within = "".join(f"{quote(part, safe='')}/" for part in folder)
        engine = self._engine
        namespaces = await engine.namespaces(principal, folder, max_depth=len(folder) + 1, limit=_PAGE * _DEPTH)
        items = await engine.search_items(principal, folder, limit=_ITEMS) if folder else ()
        paths = [f"{within}{quote(space[len(folder)], safe='')}/" for space in namespaces if len(space) > len(folder)]
        paths += [within + quote(item.key, safe="") for item in items if item.namespace == folder]
        whole = len(namespaces) < _PAGE * _DEPTH and len(items) < _ITEMS
        return Found([path for path in dict.fromkeys(paths) if path.startswith(typed)], whole)


async def _gathered(typed: str, pages: AsyncIterator[tuple[list[str], bool]]) -> Found:
    found = Found(all=False)
    async for ids, last in pages:
        found.values += [id for id in ids if id.startswith(typed)]
        found.all = last
        if len(found.values) >= _ENOUGH:
            break
    return found
