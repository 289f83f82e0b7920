"""``tools/list`` and ``tools/call``: an agent as a tool, a call as a run.

What a call is answered with, once its run has settled or its time is over:

=====================  ==================================================================================
the run                the answer
=====================  ==================================================================================
ended                  its result
waits or works on      a task, where the client declared tasks
waits                  in the modern era ``input_required``, where the client declared elicitation
waits                  in the older era ``elicitation/create`` on the way (``waiting.py``), likewise
anything else          a handle: the run's id, how it stands, and the tools to go on with it
=====================  ==================================================================================

Nothing here drives a run. ``_meta["dragoman/idempotencyKey"]`` on a call makes a repeated call meet the first one's
run, which is how a client whose connection broke gets it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.engine import Engine, RunRequest
from dragoman.mcp import answers, eras, forms, mrtr, params, project
from dragoman.mcp.call import Call
from dragoman.mcp.companions import COMPANIONS, Companions
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError, tool_error
from dragoman.mcp.sealed import Sealer
from dragoman.mcp.settings import McpSettings
from dragoman.mcp.waiting import Patience
from dragoman.memory.codec import dumps
from dragoman.memory.errors import DragomanError
from dragoman.memory.ids import short_digest
from dragoman.memory.model import Json, Run, RunStatus, RunView

__all__ = ["Tools"]

_NO_SHAPE: Final = project.Shape(wraps=False, schema=None)
_IDEMPOTENCY: Final = "dragoman/idempotencyKey"


class Tools:
    """The verbs of tools."""

    def __init__(
        self,
        engine: Engine,
        settings: McpSettings,
        sealer: Sealer,
        patience: Patience,
        server_info: Mapping[str, Json],
    ) -> None:
        taken = [name for name in COMPANIONS if name in engine.agents] if settings.companions else []
        if taken:
            raise ValueError(f"The agent {taken[0]!r} has the name of a companion tool; rename it, or have none.")
        self._engine = engine
        self._settings = settings
        self._sealer = sealer
        self._patience = patience
        self._shapes = {a.name: project.shape_of(a.output_schema) for a in engine.agents.values()}
        self._companions = Companions(engine, settings, patience, self.result)
        self._pages = {version: self._paged(version, server_info) for version in eras.ALL}

    # -- list ---------------------------------------------------------------------------------------------------------
    async def list_tools(self, call: Call) -> bytes:
        """A page of the tools, in the order of the configuration; made once, as JSON."""
        cursor: Any = call.params.get("cursor")
        page = self._pages[call.version].get(cursor if cursor is None or isinstance(cursor, str) else "")
        if page is None:
            raise ProtocolError(INVALID_PARAMS, "tools/list: the cursor is not one of ours; begin without one.")
        return page

    def _paged(self, version: str, server_info: Mapping[str, Json]) -> dict[str | None, bytes]:
        tools = [project.tool(a, version) for a in self._engine.agents.values()]
        if self._settings.companions:
            tools += self._companions.describe(version)
        size = self._settings.page_size
        modern = version in eras.MODERN
        pages: dict[str | None, bytes] = {}
        for start in range(0, max(1, len(tools)), size):
            page: dict[str, Json] = {"tools": tools[start : start + size]}
            if start + size < len(tools):
                page["nextCursor"] = f"after-{start + size}"
            if modern:
                page |= {"ttlMs": self._settings.list_ttl_ms, "cacheScope": "private"}
            pages[f"after-{start}" if start else None] = dumps(project.stamp(page, modern, server_info))
        return pages

    # -- call ---------------------------------------------------------------------------------------------------------
    async def call_tool(self, call: Call) -> Mapping[str, Json]:
        """Call an agent or a companion tool."""
        name = params.text(call, "name")
        arguments = params.an_object(call, "arguments")
        try:
            if name in self._engine.agents:
                return await self._agent(call, name, arguments)
            if self._settings.companions and name in COMPANIONS:
                return await self._companions.call(call, name, arguments)
        except DragomanError as error:
            told = tool_error(error)
            if told is None:
                raise
            return project.error_result(told)
        known = ", ".join([*self._engine.agents, *(COMPANIONS if self._settings.companions else ())])
        raise ProtocolError(INVALID_PARAMS, f"Unknown tool {name[:80]!r}; there are: {known}.")

    async def _agent(self, call: Call, name: str, arguments: dict[str, Json]) -> Mapping[str, Json]:
        if "requestState" in call.params or "inputResponses" in call.params:
            resumed = mrtr.resumed_run(call, self._sealer)
            if resumed is not None:
                return await self._retried(call, resumed)
        request = RunRequest(agent=name, input=arguments, idempotency_key=_idempotency_key(call, name, arguments))
        return await self._answer(call, await self._patience.start(call, request), {})

    async def _retried(self, call: Call, run_id: str) -> Mapping[str, Json]:
        view = await self._engine.view(call.principal, run_id)
        responses = call.params.get("inputResponses")
        told = answers.Answered()
        if responses is not None:
            told = await answers.give(self._engine, call.principal, view, responses, call.version)
        if told.dismissed and not told.fit:
            return project.handle_result(view, call.version, self._settings.companions)
        run = await self._engine.get(call.principal, run_id)
        return await self._answer(call, await self._patience.resume(call, run), told.problems)

    async def _answer(self, call: Call, run: Run, problems: Mapping[str, str]) -> Mapping[str, Json]:
        if run.ended:
            return self.result(await self._engine.view(call.principal, run), call.version)
        view = await self._engine.view(call.principal, run.id)
        if view.run.ended:
            return self.result(view, call.version)
        if call.tasks and not self._only_the_handle_answers(call, view):
            message = project.status_message(view)
            return {"resultType": "task", **project.task(view.run, self._settings.poll_interval_ms, message)}
        if view.run.status is RunStatus.WAITING and call.modern and call.elicits:
            asked = [i for i in view.open_interrupts if forms.askable(i)]
            if asked:
                return mrtr.input_required(call, self._sealer, run.id, asked, self._settings.state_ttl, problems)
        return project.handle_result(view, call.version, self._settings.companions)

    def _only_the_handle_answers(self, call: Call, view: RunView) -> bool:
        # A task asks by elicitation: a client without it would poll a task that waits and never be asked.
        return view.run.status is RunStatus.WAITING and not call.elicits and self._settings.companions

    def result(self, view: RunView, version: str) -> dict[str, Json]:
        """The CallToolResult of a run that has ended."""
        shape = self._shapes.get(view.run.agent, _NO_SHAPE)
        return project.call_result(view, shape, version, self._settings.embed_limit)


def _idempotency_key(call: Call, name: str, arguments: Mapping[str, Json]) -> str | None:
    key: Any = call.meta.get(_IDEMPOTENCY)
    if key is None:
        return None
    if not isinstance(key, str) or not 0 < len(key) <= 200:
        raise ProtocolError(INVALID_PARAMS, f'_meta["{_IDEMPOTENCY}"] must be a string of 1 to 200 characters.')
    return short_digest("mcp", call.principal.subject, name, key, dumps(arguments).decode())
