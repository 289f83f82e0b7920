"""The commands of the thread streaming protocol that any transport takes: run, input, state and agent (CDDL sections
4a, 7, 10 and 11). Subscriptions are the socket's own.

``run.start`` begins a run on a thread, makes the thread where it is not there, and answers the run that waits where one
does. While one is at work the next waits for it: an agent here is a function, and what it is told while it works is its
next run's. That is also what ``input.inject`` is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from dragoman.agent_protocol.answers import Resumption, resumption
from dragoman.agent_protocol.endpoint import Call
from dragoman.agent_protocol.errors import CheckpointNotFound
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.live.errors import CommandRefused, error_response, refused
from dragoman.agent_protocol.live.filters import snake
from dragoman.agent_protocol.live.source import LAST, seq_of
from dragoman.agent_protocol.live.tree import tree_of
from dragoman.agent_protocol.narrow import is_list, is_object
from dragoman.agent_protocol.opening import sdk_request
from dragoman.agent_protocol.reading import namespace
from dragoman.agent_protocol.shapes import checkpoint_id, checkpoint_number, is_uuid, stamp, state_of
from dragoman.agent_protocol.surface import Surface
from dragoman.agent_protocol.wire_sdk import SdkRunCreate
from dragoman.agents.signature import problems_of
from dragoman.memory.errors import DragomanError, InputInvalid, LedgerBusy, QueueFull, RunNotFound, ThreadNotFound
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import Checkpoint, Json, Run, RunStatus, RunView

__all__ = ["Commands"]

Params = Mapping[str, Any]
Result = dict[str, Json]
_MOST_CHECKPOINTS: Final = 100


class Commands:
    """Commands of one caller to one thread. ``busy`` is why the last one found no room, where that was so."""

    def __init__(self, face: Face, call: Call, thread_id: str) -> None:
        self._face = face
        self._engine = face.engine
        self._call = call
        self._principal = call.principal
        self._thread_id = thread_id
        self.busy: DragomanError | None = None
        self._does: Mapping[str, Callable[[Params], Awaitable[Result]]] = {
            "run.start": self._start,
            "input.respond": self._respond,
            "input.inject": self._inject,
            "agent.getTree": self.tree,
            "state.get": self._state,
            "state.listCheckpoints": self._checkpoints,
            "state.fork": self._fork,
        }

    async def answer(self, command: Json) -> dict[str, Json]:
        """The response to a command, an error's too."""
        if not is_object(command):
            return error_response(None, "invalid_argument", "A command is an object with id, method and params.")
        id, method = command.get("id"), command.get("method")
        if not isinstance(id, int) or isinstance(id, bool) or id < 0:
            return error_response(None, "invalid_argument", "id must be a whole number from 0 on.")
        params = command.get("params")
        if not isinstance(method, str) or not (params is None or is_object(params)):
            return error_response(id, "invalid_argument", "method must be a string, and params an object.")
        does = self._does.get(method) or self._does.get(_LISTED.get(method, ""))
        if does is None:
            return error_response(id, "unknown_command", f"There is no command {method[:80]!r}.")
        try:
            at = await self._last()
            result = await does(snake(params or {}))
        except Exception as error:
            if isinstance(error, QueueFull | LedgerBusy):
                self.busy = error
            return refused(id, error)
        return {"type": "success", "id": id, "result": result, "meta": {"applied_through_seq": seq_of(at, LAST)}}

    async def _last(self) -> int:
        """The number of the thread's last event."""
        try:
            return (await self._engine.thread(self._principal, self._thread_id)).last_seq
        except ThreadNotFound:
            return 0

    # -- runs ---------------------------------------------------------------------------------------------------------
    async def _start(self, params: Params) -> Result:
        assistant = params.get("assistant_id")
        if not isinstance(assistant, str):
            raise _wrong("assistant_id", "must be the name or id of an agent")
        checkpoint = _configurable(params).get("checkpoint_id")
        if checkpoint is None:
            answered = await self._answer_waiting(params.get("input"))
            if answered is not None:
                return self._told(answered)
        return self._told(await self._open(assistant, params, checkpoint))

    async def _answer_waiting(self, given: Json) -> Run | None:
        """A thread whose run waits is answered; messages are no answer, and open a run of their own."""
        views = await self._face.active(self._call, self._thread_id)
        waiting = [view for view in views if view.open_interrupts]
        at_work = any(v.run.status is not RunStatus.WAITING for v in views)
        if not waiting or at_work or (is_object(given) and "messages" in given):
            return None
        return await self._go_on(resumption(waiting, given))

    async def _open(self, assistant: str, params: Params, checkpoint: Json = None) -> Run:
        kept = ("input", "config", "metadata", "context", "multitask_strategy")
        body = {k: params[k] for k in kept if params.get(k) is not None}
        body |= {"assistant_id": assistant, "if_not_exists": "create"}
        if checkpoint is not None:
            body["checkpoint_id"] = checkpoint
        if not is_uuid(self._thread_id):
            raise _wrong("thread_id", "must be a UUID")
        try:
            asked = SdkRunCreate.model_validate(body)
        except ValidationError as error:
            raise problems_of(error, "params") from None
        request = await sdk_request(self._face, self._principal, asked, self._thread_id)
        return await self._engine.accept(self._principal, request)

    def _told(self, run: Run) -> Result:
        self._face.unheard.started(self._principal, run)
        return {"run_id": run.id}

    # -- input --------------------------------------------------------------------------------------------------------
    async def _respond(self, params: Params) -> Result:
        entries = params.get("responses")
        given = [snake(e) for e in entries if is_object(e)] if is_list(entries) else [params]
        answers: dict[str, Json] = {}
        for n, entry in enumerate(given):
            name = entry.get("interrupt_id")
            if not isinstance(name, str) or "response" not in entry:
                raise _wrong(
                    f"responses.{n}" if is_list(entries) else "interrupt_id", "needs interrupt_id and response"
                )
            answers[name] = entry["response"]
        await self._before_answer(params)
        run = await self._answer(answers)
        return self._told(run)

    async def _before_answer(self, params: Params) -> None:
        if params.get("goto") is not None:
            raise CommandRefused("not_supported", "goto: an agent is one node, and goes on where it waits.")
        update = params.get("update")
        if update is None:
            return
        if not is_object(update) or "messages" in update:
            raise _wrong("update", "must be an object without messages")
        await self._engine.update_thread(self._principal, self._thread_id, values=update)

    async def _answer(self, answers: Mapping[str, Json]) -> Run:
        waiting = [view for view in await self._active() if view.interrupts]
        owners = {i.id: view.run for view in waiting for i in view.interrupts}
        unknown = [name for name in answers if name not in owners]
        if unknown or not answers:
            named = ", ".join(map(repr, unknown)) or "none was named"
            raise CommandRefused("no_such_interrupt", f"No such question is open on this thread: {named[:200]}.")
        runs = {owners[name].id for name in answers}
        if len(runs) > 1:
            raise _wrong("responses", "belong to several runs; answer one run at a time")
        return await self._engine.answer(self._principal, runs.pop(), dict(answers))

    async def _inject(self, params: Params) -> Result:
        message = params.get("message")
        if not is_object(message) or not isinstance(message.get("content"), str):
            raise _wrong("message", "needs a role and a content, a text")
        if message.get("role") not in ("user", "system"):
            raise _wrong("message.role", "must be user or system")
        newest = await self._newest(params)
        if message["role"] == "system":
            said = {"role": "system", "content": message["content"]}
            await self._engine.update_thread(self._principal, self._thread_id, messages=[said])
            return {}
        return self._told(await self._open(newest.agent, {"input": {"messages": [message]}}))

    # -- state --------------------------------------------------------------------------------------------------------
    async def _state(self, params: Params) -> Result:
        thread_id = await self._place(params)
        keys = params.get("keys")
        if keys is not None and not (is_list(keys) and all(isinstance(key, str) for key in keys)):
            raise _wrong("keys", "must be a list of strings")
        thread = await self._engine.thread(self._principal, thread_id)
        values = state_of(thread.values, Surface.LANGGRAPH)
        result: Result = {"values": values if keys is None else {k: values[k] for k in keys if k in values}}
        if thread.checkpoint:
            ns = "|".join(params.get("namespace") or ())
            result["checkpoint"] = {"id": checkpoint_id(thread_id, thread.checkpoint), "ns": ns}
        return result

    async def _checkpoints(self, params: Params) -> Result:
        thread_id = await self._place(params)
        limit, before = params.get("limit"), params.get("before")
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
            raise _wrong("limit", "must be a whole number from 0 on")
        number = None if before is None else self._number(thread_id, before)
        most = min(10 if limit is None else limit, _MOST_CHECKPOINTS)
        found = await self._engine.checkpoints(self._principal, thread_id, most, number) if most else ()
        return {"checkpoints": [_summary(c) for c in found]}

    async def _fork(self, params: Params) -> Result:
        number = self._number(self._thread_id, params.get("checkpoint_id"))
        found = await self._engine.checkpoints(self._principal, self._thread_id, 1, number + 1)
        if not found or found[0].number != number:
            raise CheckpointNotFound("The thread has no such checkpoint.")
        assistant = params.get("assistant_id")
        if not isinstance(assistant, str):
            by = found[0].run_id
            run = await self._engine.get(self._principal, by) if by else await self._newest(params)
            assistant = run.agent
        run = await self._open(assistant, params, params["checkpoint_id"])
        return {**self._told(run), "thread_id": run.thread_id}

    def _number(self, thread_id: str, name: Json) -> int:
        number = checkpoint_number(thread_id, name) if isinstance(name, str) else None
        if number is None:
            raise CheckpointNotFound("The thread has no such checkpoint.")
        return number

    # -- agents -------------------------------------------------------------------------------------------------------
    async def tree(self, params: Params) -> Result:
        """agent.getTree"""
        return {"tree": await tree_of(self._engine, self._principal, await self._newest(params))}

    async def _newest(self, params: Params) -> Run:
        """The run that is meant: the named one, else the thread's newest."""
        name = params.get("run_id")
        if isinstance(name, str) and is_uuid(name):
            run = await self._engine.get(self._principal, name)
            if run.thread_id == self._thread_id:
                return run
        elif name is None:
            page = await self._engine.list_runs(self._principal, RunFilter(thread_id=self._thread_id), 1, bare=True)
            if page.items:
                return page.items[0].run
        raise CommandRefused("no_such_run", "The thread has no such run.")

    async def _place(self, params: Params) -> str:
        """The thread of a namespace: this one, or that of the called run that its last segment names."""
        segments: Any = params.get("namespace") or []
        if not is_list(segments) or not all(isinstance(s, str) for s in segments):
            raise _wrong("namespace", "must be a list of strings")
        thread_id, parents = self._thread_id, None
        for segment in segments:
            name = segment.rpartition(":")[2]
            try:
                run = await self._engine.get(self._principal, name) if is_uuid(name) else None
            except RunNotFound:
                run = None
            called = run is not None and run.parent_run_id is not None and namespace(run.agent, run.id) == segment
            if run is None or not called or (parents is not None and run.parent_run_id != parents):
                raise CommandRefused("no_such_namespace", f"There is no {segment[:80]!r} here.")
            if parents is None:
                parent = await self._engine.get(self._principal, str(run.parent_run_id))
                if parent.thread_id != self._thread_id:
                    raise CommandRefused("no_such_namespace", f"There is no {segment[:80]!r} here.")
            thread_id, parents = run.thread_id, run.id
        return thread_id

    async def _active(self) -> list[RunView]:
        return list(await self._face.active(self._call, self._thread_id))

    async def _go_on(self, meant: Resumption) -> Run:
        if meant.text is not None:
            return await self._engine.answer_text(self._principal, meant.run_id, meant.text)
        return await self._engine.answer(self._principal, meant.run_id, meant.answers)


_LISTED: Final = {"agent.get_tree": "agent.getTree", "state.list_checkpoints": "state.listCheckpoints"}


def _summary(of: Checkpoint) -> dict[str, Json]:
    """CheckpointSummary."""
    node = {"node_name": of.step} if of.step is not None else {}
    run = {"metadata": {"run_id": of.run_id}} if of.run_id is not None else {}
    return {
        "id": checkpoint_id(of.thread_id, of.number),
        "timestamp": stamp(of.created_at),
        "step": of.number - 1,
        **node,
        **run,
    }


def _configurable(params: Params) -> Mapping[str, Any]:
    config = params.get("config")
    configurable = config.get("configurable") if is_object(config) else None
    return configurable if is_object(configurable) else {}


def _wrong(field: str, problem: str) -> InputInvalid:
    return InputInvalid(f"{field}: {problem}.", ({"field": field, "problem": problem},))
