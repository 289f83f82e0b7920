"""``subscriptions/listen``: a stream on which a client of the modern era is told what changes of what it asked about.

It begins with what is honoured and lasts until the client closes it or takes the request back, or the server stops,
which is told by the result. Follows 2026-07-28 "Subscriptions", and the tasks extension for ``taskIds``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dragoman.agents.catalog import Catalog
from dragoman.agents.catalog import Change as ListName
from dragoman.engine import Engine
from dragoman.mcp import notices, params
from dragoman.mcp.call import TASKS, Call
from dragoman.mcp.errors import INVALID_PARAMS, INVALID_REQUEST, ProtocolError, capability_missing
from dragoman.mcp.objects import is_array
from dragoman.mcp.settings import McpSettings
from dragoman.mcp.tasks import Tasks
from dragoman.mcp.watch import Change, Watch
from dragoman.memory.errors import NotFound, QueueFull
from dragoman.memory.model import Json

__all__ = ["Listening"]

_LISTS: Final[Mapping[str, ListName]] = {
    "toolsListChanged": "tools",
    "promptsListChanged": "prompts",
    "resourcesListChanged": "resources",
}
_URIS: Final = "resourceSubscriptions"
_TASK_IDS: Final = "taskIds"
_RETRY: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a client asks to be told of: lists by the member that names them, URIs, ids of tasks."""

    lists: tuple[str, ...]
    uris: tuple[str, ...]
    task_ids: tuple[str, ...]


class Listening:
    """The verb, and the streams that are open."""

    def __init__(self, engine: Engine, catalog: Catalog, settings: McpSettings, tasks: Tasks) -> None:
        self._engine = engine
        self._catalog = catalog
        self._settings = settings
        self._tasks = tasks
        self._over = False
        self._open: set[Watch] = set()
        self._of_caller: Counter[tuple[str, str]] = Counter()

    async def listen(self, call: Call) -> Mapping[str, Json]:
        """Tell what changes until it is over. Raises ``ProtocolError``, and ``QueueFull`` for one stream too many."""
        wanted = self._wanted(call)
        if not call.channel.streams:
            raise ProtocolError(INVALID_REQUEST, f"{call.request.method} is answered by text/event-stream alone.")
        caller = (call.principal.tenant, call.principal.subject)
        if self._of_caller[caller] >= self._settings.listen_streams:
            raise QueueFull(f"{self._settings.listen_streams} streams are open already.", retry_after=_RETRY)
        watch = Watch(self._engine, self._catalog, self._settings, call.principal)
        self._open.add(watch)
        self._of_caller[caller] += 1
        call.stop = watch.end
        if self._over:
            watch.end()
        try:
            await self._tell(call, watch, wanted)
        finally:
            call.stop = None
            watch.close()
            self._open.discard(watch)
            self._of_caller[caller] -= 1
            if not self._of_caller[caller]:
                del self._of_caller[caller]
        return {"_meta": notices.of_subscription(call.id)}

    def end(self) -> None:
        """End all streams with their results, those too that are yet to begin."""
        self._over = True
        for watch in list(self._open):
            watch.end()

    def __len__(self) -> int:
        """How many streams are open."""
        return len(self._open)

    # -- inside -------------------------------------------------------------------------------------------------------
    def _wanted(self, call: Call) -> _Wanted:
        told = params.an_object(call, "notifications")
        if call.params.get("notifications") is None:
            raise ProtocolError(INVALID_PARAMS, f'{call.request.method}: "notifications" must be an object.')
        wanted = _Wanted(
            tuple(name for name in _LISTS if told.get(name) is True),
            _strings(call, told, _URIS),
            _strings(call, told, _TASK_IDS),
        )
        most = self._settings.listen_items
        if len(wanted.uris) + len(wanted.task_ids) > most:
            raise ProtocolError(INVALID_PARAMS, f"A stream tells of {most} resources and tasks at most.")
        if _TASK_IDS in told and not call.tasks:
            required: dict[str, Json] = {"extensions": {TASKS: {}}}
            raise capability_missing(required, f'"{_TASK_IDS}" needs the client capability {TASKS}.')
        return wanted

    async def _tell(self, call: Call, watch: Watch, wanted: _Wanted) -> None:
        meta = notices.of_subscription(call.id)
        honoured = await self._begin(watch, wanted)
        if not call.withdrawn:
            await call.channel.send(notices.acknowledged(honoured, meta))
        stood: dict[str, Json] = {}
        while (change := await watch.next()) is not None and not call.withdrawn:
            message = await self._message(call, change, stood, meta)
            if message is not None and not call.withdrawn:
                await call.channel.send(message)

    @staticmethod
    async def _begin(watch: Watch, wanted: _Wanted) -> dict[str, Json]:
        """Watch what is there for the caller, and tell what that is. How its tasks stand is told at once: they may
        have changed since the client looked."""
        honoured: dict[str, Json] = dict.fromkeys(wanted.lists, True)
        watch.lists({_LISTS[name] for name in wanted.lists})
        if uris := [uri for uri in wanted.uris if await watch.resource(uri)]:
            honoured[_URIS] = uris
        if task_ids := [task_id for task_id in wanted.task_ids if await watch.task(task_id)]:
            honoured[_TASK_IDS] = task_ids
            for task_id in task_ids:
                watch.note_task(task_id)
        return honoured

    async def _message(
        self, call: Call, change: Change, stood: dict[str, Json], meta: Mapping[str, Json]
    ) -> Mapping[str, Json] | None:
        """What tells of a change; None for a task that stands as it was told to stand."""
        kind, name = change
        if kind == "list":
            return notices.list_changed(name, meta)
        if kind == "resource":
            return notices.resource_updated(name, meta)
        try:
            task = await self._tasks.state(call, name)
        except NotFound:
            return None  # it was deleted
        stands = {key: value for key, value in task.items() if key != "lastUpdatedAt"}
        if stood.get(name) == stands:
            return None
        stood[name] = stands
        return notices.task_changed(task, meta)


def _strings(call: Call, told: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of strings, each once; absent is empty."""
    given: Any = told.get(name, [])
    if not is_array(given) or not all(isinstance(item, str) for item in given):
        raise ProtocolError(INVALID_PARAMS, f'{call.request.method}: "notifications.{name}" must be a list of strings.')
    return tuple(dict.fromkeys(given))
