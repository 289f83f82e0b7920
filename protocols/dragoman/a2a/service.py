"""A2A's operations for one agent, on plain ProtoJSON objects: the same for every binding (A2A 1.0, section 3.1).

It knows the engine and the projections, and no transport: JSON-RPC, the SDK's handler and whatever comes next are thin
over it. Each verb takes the caller's Principal and the operation's request object; what is wrong is raised as ``Fault``
or as a domain error, which ``errors.fault_of`` turns into one. A task is a run of this agent, a context its thread.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from typing import Any, Final, cast

from dragoman.a2a import listing, project
from dragoman.a2a.asked import NOTHING, Asked, check_extensions
from dragoman.a2a.errors import (
    AGENT_NOT_FOUND,
    PUSH_NOT_SUPPORTED,
    TASK_NOT_CANCELABLE,
    TASK_NOT_FOUND,
    UNSUPPORTED_OPERATION,
    Fault,
    invalid,
)
from dragoman.a2a.params import Sending, read_id, read_listing, read_sending, read_task
from dragoman.a2a.settings import A2aSettings
from dragoman.a2a.stream import TaskStream
from dragoman.engine import Engine, RunRequest, Unset, run_request
from dragoman.engine.answers import check
from dragoman.memory.codec import dumps
from dragoman.memory.errors import InputInvalid, RunEnded, RunNotFound
from dragoman.memory.ids import short_digest
from dragoman.memory.model import Event, Interrupt, Json, Principal, Run, RunView

__all__ = ["TaskService", "Updates", "check_tenant"]

Params = Mapping[str, Any]
Updates = AsyncGenerator[tuple[int | None, dict[str, Json]], None]
"""StreamResponse objects (section 3.2.3), each with the number of the event that it completes, or None in the middle of
one."""

_PAGE: Final = 500
_OPENING: Final = frozenset({"run.queued", "run.started"})


class TaskService:
    """The tasks of one agent."""

    def __init__(self, engine: Engine, agent: str, settings: A2aSettings) -> None:
        self._engine = engine
        self._agent = agent
        self._settings = settings
        self._blocking_wait = settings.blocking_wait
        self._asked = NOTHING

    def asked(self, asked: Asked) -> TaskService:
        """The same for a request that asks for this. Raises ``Fault`` where it lacks an extension that is required."""
        if self._settings.extensions:
            check_extensions(self._settings.extensions, asked)
        if asked is NOTHING:
            return self
        service = copy(self)
        service._asked = asked
        return service

    # -- messages -----------------------------------------------------------------------------------------------------
    async def send(self, principal: Principal, params: Params) -> dict[str, Json]:
        """SendMessage: a SendMessageResponse with the task, once it has ended or asks for something."""
        sending = read_sending(params)
        wait = not sending.return_immediately
        if sending.task_id:
            run = await self._answer(principal, sending)
            if wait and not run.settled:
                run = await self._engine.wait(principal, run.id, self._blocking_wait)
        elif wait:
            run = await self._engine.run(principal, self._request(principal, sending), self._blocking_wait)
        else:
            run = await self._engine.accept(principal, self._request(principal, sending))
        view = await self._engine.view(principal, run)
        return {"task": project.task(view, sending.history_length)}

    async def stream(self, principal: Principal, params: Params) -> Updates:
        """SendStreamingMessage: the message is taken before this returns; the updates end when the task has ended or
        asks for input. A message that was sent before streams its task from the beginning."""
        sending = read_sending(params)
        if sending.task_id:
            run = await self._answer(principal, sending)
        else:
            run = await self._engine.accept(principal, self._request(principal, sending))
        return self._follow(principal, run, sending.history_length, sent=True)

    async def subscribe(self, principal: Principal, params: Params) -> Updates:
        """SubscribeToTask: the task as it is now, then its updates until it has ended, through any number of
        questions."""
        run = (await self._view(principal, read_id(params))).run
        if run.ended:
            raise Fault(
                UNSUPPORTED_OPERATION,
                f"The task has ended ({project.state(run)}); there is nothing to subscribe to. Get it instead.",
                {"taskId": run.id},
            )
        return self._follow(principal, run, None, sent=False)

    # -- tasks --------------------------------------------------------------------------------------------------------
    async def get(self, principal: Principal, params: Params) -> dict[str, Json]:
        """GetTask: a Task."""
        task_id, history_length = read_task(params)
        return project.task(await self._view(principal, task_id), history_length)

    async def list_tasks(self, principal: Principal, params: Params) -> dict[str, Json]:
        """ListTasks: a ListTasksResponse, the latest status first."""
        return await listing.list_tasks(self._engine, principal, self._agent, read_listing(params))

    async def cancel(self, principal: Principal, params: Params) -> dict[str, Json]:
        """CancelTask: the Task as it is then."""
        view = await self._view(principal, read_id(params))
        refusal = Fault(
            TASK_NOT_CANCELABLE, f"The task has ended ({project.state(view.run)}) already.", {"taskId": view.run.id}
        )
        if view.run.ended:
            raise refusal
        try:
            run = await self._engine.cancel(principal, view.run.id, "cancelled over A2A")
        except RunEnded:
            raise refusal from None
        return project.task(await self._engine.view(principal, run))

    # -- what this agent does not have --------------------------------------------------------------------------------
    async def push_config(self, principal: Principal, params: Params) -> dict[str, Json]:
        """The push notification methods (sections 3.1.7 to 3.1.10), which the card says are not supported."""
        raise Fault(PUSH_NOT_SUPPORTED, "This agent sends no push notifications; stream the task or poll it.")

    async def extended_card(self, principal: Principal, params: Params) -> dict[str, Json]:
        """GetExtendedAgentCard, which the card says is not supported (section 3.3.4)."""
        raise Fault(UNSUPPORTED_OPERATION, "This agent has no extended card; its public card says all there is.")

    # -- inside -------------------------------------------------------------------------------------------------------
    def _request(self, principal: Principal, sending: Sending) -> RunRequest:
        # The key has the content too: a client that numbers its messages from 1 in every session loses none of them.
        key = short_digest(
            "a2a", principal.subject, self._agent, sending.message_id, sending.context_id, dumps(sending.parts).decode()
        )
        return run_request(
            agent=self._agent,
            input=sending.data,
            text=sending.text,
            message=sending.message,
            thread_id=sending.context_id or None,
            idempotency_key=key,
            metadata=sending.metadata,
            wait=not sending.return_immediately,
        )

    async def _view(self, principal: Principal, task_id: str) -> RunView:
        try:
            view = await self._engine.view(principal, task_id)
        except RunNotFound:
            view = None
        if view is None or view.run.agent != self._agent:
            raise Fault(TASK_NOT_FOUND, f"There is no task {task_id[:80]!r} of this agent.", {"taskId": task_id[:80]})
        return view

    async def _answer(self, principal: Principal, sending: Sending) -> Run:
        """Give a message to the task that it names, which must be asking for something."""
        view = await self._view(principal, sending.task_id)
        run = view.run
        if sending.context_id and sending.context_id != run.thread_id:
            raise invalid("message.contextId", "is not the context of the task that message.taskId names")
        if run.ended:
            raise Fault(
                UNSUPPORTED_OPERATION,
                f"The task has ended ({project.state(run)}) and takes no more messages. Leave out taskId and send the "
                f"message with contextId {run.thread_id!r} to go on in the same conversation.",
                {"taskId": run.id},
            )
        if not view.open_interrupts:
            raise Fault(
                UNSUPPORTED_OPERATION,
                "The task is at work and asks for nothing. Wait until it does, or send the message without taskId: it "
                "becomes a task of its own, after this one in the same context.",
                {"taskId": run.id},
            )
        if isinstance(sending.data, Unset):
            return await self._engine.answer_text(principal, run.id, sending.text or "")
        return await self._engine.answer(principal, run.id, _by_key(view, sending.data))

    async def _follow(self, principal: Principal, run: Run, history_length: int | None, *, sent: bool) -> Updates:
        """The Task, then its updates. For who ``sent`` a message the Task is as the message found it, and the updates
        end with a question, which only another message can answer (section 11.7); for a subscriber it is as it is now,
        and they end with the task (section 3.1.6)."""
        told = TaskStream(run)
        told.supply(await self._engine.view(principal, run))
        events = await self._so_far(principal, run)
        for event in events[: _as_sent(events)] if sent else events:
            await self._take(principal, told, event)
        yield told.seq, told.snapshot(history_length)
        if _over(told, sent):
            return
        live = self._engine.subscribe(principal, run.thread_id, told.seq, run.id, until_ended=True)
        async with aclosing(live):
            async for event in live:
                updates = await self._take(principal, told, event)
                for n, update in enumerate(updates, 1):
                    yield event.seq if n == len(updates) else None, update
                if updates and _over(told, sent):
                    return

    async def _take(self, principal: Principal, told: TaskStream, event: Event) -> list[dict[str, Json]]:
        if told.needs(event):
            told.supply(await self._engine.view(principal, event.run_id))
        return told.take(event)

    async def _so_far(self, principal: Principal, run: Run) -> Sequence[Event]:
        events: list[Event] = []
        while True:
            after = events[-1].seq if events else 0
            page = await self._engine.events(principal, run.thread_id, after, _PAGE, run.id)
            events += page
            if len(page) < _PAGE:
                return events


def check_tenant(params: Params, principal: Principal, agent: str) -> None:
    """Raise ``Fault`` unless a request's tenant, where it names one, is this agent's or the caller's own."""
    tenant = params.get("tenant")
    if tenant and tenant not in (agent, principal.tenant):
        raise Fault(AGENT_NOT_FOUND, f"There is no tenant {str(tenant)[:80]!r} here; send the one of the agent's card.")


def _as_sent(events: Sequence[Event]) -> int:
    """How many of a run's events came before what the last message set going."""
    resumed = [n for n, event in enumerate(events, 1) if event.type == "run.resumed"]
    if resumed:
        return resumed[-1]
    return next((n for n, event in enumerate(events) if event.type not in _OPENING), len(events))


def _over(told: TaskStream, sent: bool) -> bool:
    return told.ended or (sent and told.state == "TASK_STATE_INPUT_REQUIRED")


def _by_key(view: RunView, data: Json) -> Mapping[str, Json]:
    """Data as answers by key or id: it is one already, or it is the whole answer to the one open question."""
    waiting_for = view.open_interrupts
    if len(waiting_for) > 1:
        if not isinstance(data, dict):
            keys = ", ".join(repr(i.key) for i in waiting_for)
            raise invalid("message.parts", f"must hold data with answers by key; open questions: {keys}")
        return data  # pyright: ignore[reportUnknownVariableType]
    only = next(iter(waiting_for))
    if not isinstance(data, dict) or not data:
        return {only.key: data}
    given = cast("dict[str, Json]", data)
    fields: Mapping[str, Any] = only.schema.get("properties") or {}
    for name in (only.key, only.id):
        if given.keys() == {name} and name not in fields:
            return {only.key: given[name]}
    # Names of answered questions, so that a second answer is told to be one.
    known = {name for i in view.interrupts for name in (i.key, i.id)}
    return given if given.keys() <= known and not _fits(only, given) else {only.key: given}


def _fits(interrupt: Interrupt, answer: Json) -> bool:
    try:
        check(interrupt, answer)
    except InputInvalid:
        return False
    return True
