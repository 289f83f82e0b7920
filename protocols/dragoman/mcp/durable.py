"""A call that is a run: of an agent, or of a tool that takes a Context.

What it is answered with, once its run has settled or its time is over:

=====================  ==================================================================================
the run                the answer
=====================  ==================================================================================
ended                  its result; the JSON-RPC error that it raised
waits or works on      a task, where the client declared tasks and the agent does not forbid them
waits                  in the modern era ``input_required``, where the client can be asked
waits                  in the older era a request to the client on the way (``waiting.py``), likewise
anything else          a handle: the run's id, how it stands, and the tools to go on with it
=====================  ==================================================================================

An agent that requires tasks is answered with one at once, and refuses a modern client without them; an older client,
whose version has none, is served as any other. One that asks first has what it asks within ``inline_wait`` asked as
``input_required``, and the retry is answered with a task.

Nothing here drives a run. ``_meta["dragoman/idempotencyKey"]`` on a call makes a repeated call meet the first one's
run, which is how a client whose connection broke gets it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dragoman.agents.agent import Agent
from dragoman.engine import Engine, RunRequest
from dragoman.mcp import answers, apps, mrtr, project, questions, tracing
from dragoman.mcp.call import TASKS, Call
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError, capability_missing
from dragoman.mcp.sealed import Sealer
from dragoman.mcp.settings import McpSettings
from dragoman.mcp.waiting import Patience
from dragoman.memory.codec import dumps
from dragoman.memory.ids import short_digest
from dragoman.memory.model import Json, Run, RunStatus, RunView

__all__ = ["DurableCalls"]

_NO_SHAPE: Final = project.Shape(wraps=False, schema=None)
_IDEMPOTENCY: Final = "dragoman/idempotencyKey"
_PRIORITY: Final = "dragoman/priority"


class DurableCalls:
    """Calls of agents and of durable tools. ``shapes`` are those of their outputs, by name."""

    def __init__(
        self,
        engine: Engine,
        settings: McpSettings,
        sealer: Sealer,
        patience: Patience,
        shapes: Callable[[str], project.Shape | None],
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._sealer = sealer
        self._patience = patience
        self._shapes = shapes

    async def call(
        self, call: Call, agent: Agent, arguments: dict[str, Json], check: Callable[[dict[str, Json]], None]
    ) -> Mapping[str, Json]:
        """Call an agent; ``check`` holds the arguments of a new run against what clients are told. Raises
        ``ProtocolError`` and domain errors."""
        required = agent.task_support == "required"
        if required and call.modern and not call.tasks:
            why = f"{agent.name} is answered with a task alone; it needs the client capability {TASKS}."
            raise capability_missing({"extensions": {TASKS: {}}}, why)
        call.forbids_task = agent.task_support == "forbidden"
        responses = mrtr.responses(call)
        resumed = mrtr.resumed_run(call, self._sealer)
        if resumed is not None:
            return await self._retried(call, agent, resumed, responses)
        check(arguments)
        request = RunRequest(
            agent=agent.name,
            input=arguments,
            idempotency_key=_idempotency_key(call, agent.name, arguments),
            priority=call.meta.get(_PRIORITY),
            metadata=tracing.kept(call),
        )
        if required and call.detaches and not agent.ask_first:
            return await self._task(call, await self._patience.detach(call, request))
        run = await self._patience.start(call, request)
        problems: Mapping[str, str] = {}
        if responses:
            run, problems = await self._given_ahead(call, run, responses)
        asks = agent.ask_first and run.status is RunStatus.WAITING
        return await self._answer(call, run, problems, asks_first=asks, as_task=required)

    async def go_on(self, call: Call, run_id: str, seen: int) -> Mapping[str, Json]:
        """Answer a call whose client comes back for the answer, and was told of its run up to the event ``seen``."""
        call.run_id, call.seen = run_id, seen
        run = await self._patience.resume(call, await self._engine.get(call.principal, run_id))
        return await self._answer(call, run, {}, asks_first=False)

    def result(self, view: RunView, version: str) -> dict[str, Json]:
        """The CallToolResult of a run that has ended."""
        shape = self._shapes(view.run.agent) or _NO_SHAPE
        return project.call_result(view, shape, version, self._settings.embed_limit)

    # -- rounds -------------------------------------------------------------------------------------------------------
    async def _retried(
        self, call: Call, agent: Agent, run_id: str, responses: Mapping[str, Json]
    ) -> Mapping[str, Json]:
        view = await self._engine.view(call.principal, run_id)
        told = answers.Answered()
        if responses:
            told = await answers.give(self._engine, call.principal, view, responses, call.version)
        if told.dismissed and not told.fit:
            return project.handle_result(view, call.version, self._settings.companions, apps.shown_to(call))
        call.run_id = run_id
        if call.detaches and (agent.ask_first or agent.task_support == "required") and not told.problems:
            return await self._task(call, await self._engine.get(call.principal, run_id))
        run = await self._patience.resume(call, await self._engine.get(call.principal, run_id))
        return await self._answer(call, run, told.problems, asks_first=agent.ask_first)

    async def _given_ahead(self, call: Call, run: Run, responses: Mapping[str, Json]) -> tuple[Run, Mapping[str, str]]:
        """Answer what the run asks and the request answered already, as often as it asks such."""
        left = dict(responses)
        problems: Mapping[str, str] = {}
        while run.status is RunStatus.WAITING and left:
            view = await self._engine.view(call.principal, run.id)
            asked = {i.key: left.pop(i.key) for i in view.open_interrupts if i.key in left}
            if not asked:
                break
            told = await answers.give(self._engine, call.principal, view, asked, call.version)
            problems = {**problems, **told.problems}
            if told.dismissed or told.problems:
                break
            run = await self._patience.resume(call, await self._engine.get(call.principal, run.id))
        return run, problems

    # -- the answer ---------------------------------------------------------------------------------------------------
    async def _answer(
        self, call: Call, run: Run, problems: Mapping[str, str], *, asks_first: bool, as_task: bool = False
    ) -> Mapping[str, Json]:
        view = await self._engine.view(call.principal, run if run.ended else run.id)
        waits = view.run.status is RunStatus.WAITING
        askable = questions.askable(call, view.open_interrupts) if waits else []
        # A task asks by requests to the client: one that takes none of them would poll a task that waits for ever.
        unasked = waits and not askable and not call.elicits and self._settings.companions
        open_ended = as_task or not (view.run.ended or unasked)
        if call.detaches and open_ended and not (asks_first and askable):
            return await self._task(call, view)
        if view.run.ended:
            return self._ended(call, view)
        if call.modern and askable:
            return mrtr.input_required(call, self._sealer, run.id, askable, self._settings.state_ttl, problems)
        return project.handle_result(view, call.version, self._settings.companions, apps.shown_to(call))

    def _ended(self, call: Call, view: RunView) -> Mapping[str, Json]:
        error = project.request_error(view.run)
        if error is not None:
            raise ProtocolError(error["code"], error["message"], error.get("data"))
        return self.result(view, call.version)

    async def _task(self, call: Call, run: Run | RunView) -> Mapping[str, Json]:
        view = run if isinstance(run, RunView) else await self._engine.view(call.principal, run.id)
        return {"resultType": "task", **project.task(view, self._settings.poll_interval_ms)}


def _idempotency_key(call: Call, name: str, arguments: Mapping[str, Json]) -> str | None:
    key: Any = call.meta.get(_IDEMPOTENCY)
    if key is None:
        return None
    if not isinstance(key, str) or not 0 < len(key) <= 200:
        raise ProtocolError(INVALID_PARAMS, f'_meta["{_IDEMPOTENCY}"] must be a string of 1 to 200 characters.')
    return short_digest("mcp", call.principal.subject, name, key, dumps(arguments).decode())
