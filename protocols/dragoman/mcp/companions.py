"""The tools that go on with a run: ``run_status``, ``run_answer``, ``run_cancel``.

For clients that know neither tasks nor elicitation, and for calls that took longer than a client waits: the model
holds the run's id and asks again. They tell of any run of the tenant, whichever protocol started it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dragoman.engine import Engine
from dragoman.mcp import apps, eras, project
from dragoman.mcp.call import Call
from dragoman.mcp.settings import McpSettings
from dragoman.mcp.waiting import Patience, cancel_quietly
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json, Run, RunView

__all__ = ["COMPANIONS", "Companions"]

_RUN_ID: Final = {"run_id": {"type": "string", "description": "The run, as a tool's result named it."}}

COMPANIONS: Final[Mapping[str, Mapping[str, Json]]] = {
    "run_status": {
        "title": "How a run stands",
        "description": "Tell how a run stands: its result when it has ended, its questions when it waits.",
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
        "inputSchema": {
            "type": "object",
            "properties": {
                **_RUN_ID,
                "wait": {"type": "boolean", "description": "Whether to wait a while for it to end.", "default": True},
            },
            "required": ["run_id"],
            "additionalProperties": False,
        },
    },
    "run_answer": {
        "title": "Answer a run",
        "description": (
            "Answer the question that a run waits on with what the user said. Never decide for the user: ask."
        ),
        "annotations": {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": False},
        "inputSchema": {
            "type": "object",
            "properties": {
                **_RUN_ID,
                "answer": {"description": "JSON that fits the question's schema, or the user's words."},
                "question": {"type": "string", "description": "The question's key, where several are open."},
            },
            "required": ["run_id", "answer"],
            "additionalProperties": False,
        },
    },
    "run_cancel": {
        "title": "Cancel a run",
        "description": "Stop a run that has not ended.",
        "annotations": {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False},
        "inputSchema": {
            "type": "object",
            "properties": {**_RUN_ID, "reason": {"type": "string"}},
            "required": ["run_id"],
            "additionalProperties": False,
        },
    },
}


class Companions:
    """Calls of the companion tools. ``result`` gives the CallToolResult of a run that has ended."""

    def __init__(
        self,
        engine: Engine,
        settings: McpSettings,
        patience: Patience,
        result: Callable[[RunView, str], dict[str, Json]],
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._patience = patience
        self._result = result

    @staticmethod
    def describe(version: str, cards: bool = False) -> list[dict[str, Json]]:
        """The companion tools as ``tools/list`` tells of them. A client that shows ``cards`` has a person answer there:
        then ``run_answer`` is for the card alone."""
        told = {name: _describe(name, told, version) for name, told in COMPANIONS.items()}
        if cards:
            told["run_status"] = apps.bound(told["run_status"])
            told["run_answer"] = apps.bound(told["run_answer"], "app")
        return list(told.values())

    async def call(self, call: Call, name: str, arguments: dict[str, Any]) -> Mapping[str, Json]:
        """Call one. Raises domain errors, which the caller makes results of."""
        given = _checked(name, arguments)
        run_id: str = given["run_id"]
        principal = call.principal
        if name == "run_cancel":
            await cancel_quietly(self._engine, principal, run_id, given.get("reason", ""))
            return await self._told(call, await self._engine.get(principal, run_id))
        if name == "run_answer":
            run = await self._answered(call, run_id, given)
        else:
            run = await self._engine.get(principal, run_id)
            if not given.get("wait", True):
                return await self._told(call, run)
        run = await self._patience.watch(call, run)
        return await self._told(call, run)

    async def _answered(self, call: Call, run_id: str, given: Mapping[str, Any]) -> Run:
        answer, key = given["answer"], given.get("question")
        if key is None and isinstance(answer, str):
            return await self._engine.answer_text(call.principal, run_id, answer)
        view = await self._engine.view(call.principal, run_id)
        open_keys = [i.key for i in view.open_interrupts]
        if key is None and len(open_keys) != 1:
            raise InputInvalid(f"question: say which of the {len(open_keys)} open questions is answered: {open_keys}.")
        return await self._engine.answer(call.principal, run_id, {key or open_keys[0]: answer})

    async def _told(self, call: Call, run: Run) -> dict[str, Json]:
        view = await self._engine.view(call.principal, run.id)
        if not view.run.ended:
            return project.handle_result(view, call.version, self._settings.companions, apps.shown_to(call))
        result = {**self._result(view, call.version), "isError": False}
        if eras.has("structured", call.version):
            result["structuredContent"] = project.run_summary(view)
        return result


def _describe(name: str, told: Mapping[str, Json], version: str) -> dict[str, Json]:
    described: dict[str, Json] = {"name": name, "description": told["description"], "inputSchema": told["inputSchema"]}
    if eras.has("titles", version):
        described["title"] = told["title"]
    if eras.has("annotations", version):
        described["annotations"] = told["annotations"]
    if eras.has("structured", version):
        described["outputSchema"] = project.RUN_SCHEMA
    return described


_TYPES: Final[Mapping[str, type]] = {"string": str, "boolean": bool}


def _checked(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, if they fit the tool's schema, which is flat. Raises ``InputInvalid`` naming each field."""
    schema: Any = COMPANIONS[name]["inputSchema"]
    problems = [{"field": f, "problem": "it is required"} for f in schema["required"] if f not in arguments]
    for field, value in arguments.items():
        known = schema["properties"].get(field)
        if known is None:
            problems.append({"field": field, "problem": "there is no such field"})
        elif "type" in known and not isinstance(value, _TYPES[known["type"]]):
            problems.append({"field": field, "problem": f"a {known['type']} is needed"})
    if problems:
        lines = "; ".join(f"{p['field']}: {p['problem']}" for p in problems)
        raise InputInvalid(f"Invalid input for {name}: {lines}.", tuple(problems))
    return arguments
