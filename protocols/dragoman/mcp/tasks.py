"""The tasks extension: a run as a task, looked up in the ledger at each request.

Any run of the tenant is a task by its id, whichever protocol started it. There is no list and no separate result
(``io.modelcontextprotocol/tasks``, "Task Polling", "Task Update Requests", "Task Cancellation").
"""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.engine import Engine
from dragoman.mcp import answers, mrtr, params, project
from dragoman.mcp.call import TASKS, Call
from dragoman.mcp.durable import DurableCalls
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError, capability_missing
from dragoman.mcp.settings import McpSettings
from dragoman.mcp.waiting import cancel_quietly
from dragoman.memory.errors import RunNotFound
from dragoman.memory.model import Json, RunView

__all__ = ["Tasks"]


class Tasks:
    """The verbs of tasks."""

    def __init__(self, engine: Engine, settings: McpSettings, durable: DurableCalls) -> None:
        self._engine = engine
        self._settings = settings
        self._durable = durable

    async def get_task(self, call: Call) -> Mapping[str, Json]:
        """The task with its result, or with the questions that lie open.

        A client that cannot be asked is shown that input is required, and none of the questions as requests.
        """
        return self._state(call, await self._view(call))

    async def state(self, call: Call, run_id: str) -> dict[str, Json]:
        """A run as a task in full, as ``tasks/get`` tells it. Raises ``RunNotFound``."""
        return self._state(call, await self._engine.view(call.principal, run_id))

    def _state(self, call: Call, view: RunView) -> dict[str, Json]:
        told: dict[str, Json] = project.task(view, self._settings.poll_interval_ms)
        status = told["status"]
        if status == "failed":
            told["error"] = project.request_error(view.run)
        elif status == "completed":
            result = self._durable.result(view, call.version)
            told["result"] = {"resultType": "complete", **result}
        elif status == "input_required":
            told["inputRequests"] = mrtr.input_requests(call, view.open_interrupts, {})
        return told

    async def update_task(self, call: Call) -> Mapping[str, Json]:
        """Answer open questions; responses to others are ignored. An answer that does not fit its schema is refused,
        and its question stays open."""
        view = await self._view(call)
        if "inputResponses" not in call.params:
            raise ProtocolError(INVALID_PARAMS, 'tasks/update: "inputResponses" must be an object.')
        told = await answers.give(self._engine, call.principal, view, call.params["inputResponses"], call.version)
        if told.problems:
            raise ProtocolError(INVALID_PARAMS, " ".join(told.problems.values()), {"problems": told.problems})
        return {}

    async def cancel_task(self, call: Call) -> Mapping[str, Json]:
        """Cancel the run; a task that has ended is acknowledged and left as it is."""
        view = await self._view(call)
        await cancel_quietly(self._engine, call.principal, view.run.id, "tasks/cancel")
        return {}

    async def _view(self, call: Call) -> RunView:
        if not call.tasks:
            required: dict[str, Json] = {"extensions": {TASKS: {}}}
            raise capability_missing(required, f"{call.request.method} needs the client capability {TASKS}.")
        try:
            return await self._engine.view(call.principal, params.text(call, "taskId"))
        except RunNotFound:
            raise ProtocolError(INVALID_PARAMS, "Task not found.") from None
