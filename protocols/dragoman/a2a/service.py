"""A2A's operations for one agent, on plain ProtoJSON objects: the same for every binding (A2A 1.0, section 3.1).

It knows the engine and the projections, and no transport: JSON-RPC, the SDK's handler and whatever comes next are thin
over it. Each verb takes the caller's Principal and the operation's request object; what is wrong is raised as ``Fault``
or as a domain error, which ``errors.fault_of`` turns into one. A task is a run of this agent, a context its thread.
"""

from __future__ import annotations

from asyncio import timeout
from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from typing import Any, Final, cast

from dragoman.a2a import listing, project
from dragoman.a2a.answering import digests, read_answers, were_given
from dragoman.a2a.asked import ASKED_AT, GENERATION, NOTHING, Asked, check_extensions
from dragoman.a2a.card_cache import CardCache
from dragoman.a2a.errors import (
    AGENT_NOT_FOUND,
    GENERATION_MISMATCH,
    TASK_NOT_CANCELABLE,
    TASK_NOT_FOUND,
    UNSUPPORTED_OPERATION,
    Fault,
    invalid,
)
from dragoman.a2a.files import Links
from dragoman.a2a.following import Follower, Updates
from dragoman.a2a.params import PUSH_AT, Sending, read_id, read_listing, read_sending, read_task
from dragoman.a2a.push import PushConfigs
from dragoman.a2a.push_params import read_config_id, read_config_page, read_new_config
from dragoman.a2a.settings import A2aSettings
from dragoman.engine import Engine, RunRequest, run_request
from dragoman.memory.codec import dumps
from dragoman.memory.errors import Conflict, RunEnded, RunNotFound
from dragoman.memory.ids import short_digest
from dragoman.memory.model import Json, Principal, Run, RunView, ThreadPolicy

__all__ = ["TaskService", "Updates", "check_tenant"]

Params = Mapping[str, Any]
_ANSWERS: Final = "a2a.answer"  # the kind of the facts that tell which messages were answers
_ANSWER_TTL: Final = 7 * 86_400.0


class TaskService:
    """The tasks of one agent."""

    def __init__(self, engine: Engine, agent: str, settings: A2aSettings) -> None:
        self._engine = engine
        self._agent = agent
        self._settings = settings
        self._cards = CardCache(engine.agents, settings)
        self._blocking_wait = settings.blocking_wait
        self._links = Links(settings)
        self._asked = NOTHING
        self._legacy = False
        self._push = PushConfigs(engine)

    def legacy(self) -> TaskService:
        """The same for clients of A2A 0.3, whose configs and notifications are of that version."""
        service = copy(self)
        service._legacy = True
        service._push = PushConfigs(self._engine, legacy=True)
        return service

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
            run = await self._continue(principal, sending)
            if wait and not run.settled:
                run = await self._engine.wait(principal, run.id, self._blocking_wait)
        elif wait:
            run = await self._engine.run(principal, await self._request(principal, sending), self._blocking_wait)
        else:
            run = await self._engine.accept(principal, await self._request(principal, sending))
        if wait and (message := project.reply(run)) is not None:
            return {"message": message}
        view = await self._engine.view(principal, run)
        told = project.task(view, sending.history_length, link=self._links.link)
        return {"task": await self._with_generation(principal, run, told)}

    async def stream(self, principal: Principal, params: Params) -> Updates:
        """SendStreamingMessage: the message is taken before this returns; the updates end when the task has ended or
        asks for input. A message that was sent before streams its task from the beginning."""
        sending = read_sending(params)
        if sending.task_id:
            run = await self._continue(principal, sending)
        else:
            run = await self._engine.accept(principal, await self._request(principal, sending))
        return self._follower(principal).follow(run, sending.history_length, sent=True, after=self._asked.after)

    async def subscribe(self, principal: Principal, params: Params) -> Updates:
        """SubscribeToTask: the task as it is now, then its updates until it has ended, through any number of
        questions. Who comes back with the id of an update is told what followed it, even when the task has ended."""
        run = (await self._view(principal, read_id(params))).run
        if run.ended and self._asked.after is None:
            raise Fault(
                UNSUPPORTED_OPERATION,
                f"The task has ended ({project.state(run)}); there is nothing to subscribe to. Get it instead.",
                {"taskId": run.id},
            )
        return self._follower(principal).follow(run, None, sent=False, after=self._asked.after)

    # -- tasks --------------------------------------------------------------------------------------------------------
    async def get(self, principal: Principal, params: Params) -> dict[str, Json]:
        """GetTask: a Task. With a generation, once it has a later one or the time of a long poll is over."""
        task_id, history_length, generation = read_task(params)
        view = await self._view(principal, task_id)
        if generation is not None and not view.run.ended:
            with suppress(TimeoutError):
                async with timeout(self._settings.long_poll):
                    await self._follower(principal).later(view.run, generation)
            view = await self._view(principal, task_id)
        told = project.task(view, history_length, link=self._links.link)
        return await self._with_generation(principal, view.run, told)

    async def list_tasks(self, principal: Principal, params: Params) -> dict[str, Json]:
        """ListTasks: a ListTasksResponse, the latest status first."""
        return await listing.list_tasks(self._engine, principal, self._agent, read_listing(params), self._links.link)

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
        told = project.task(await self._engine.view(principal, run), link=self._links.link)
        return await self._with_generation(principal, run, told)

    # -- push notifications -------------------------------------------------------------------------------------------
    async def create_push_config(self, principal: Principal, params: Params) -> dict[str, Json]:
        """CreateTaskPushNotificationConfig: the config as it is kept, without its secrets."""
        task_id, config = read_new_config(params)
        return await self._push.put((await self._view(principal, task_id)).run, config)

    async def get_push_config(self, principal: Principal, params: Params) -> dict[str, Json]:
        """GetTaskPushNotificationConfig: a TaskPushNotificationConfig without its secrets."""
        task_id, config_id = read_config_id(params, needed=not self._legacy)
        return await self._push.get((await self._view(principal, task_id)).run, config_id or task_id)

    async def list_push_configs(self, principal: Principal, params: Params) -> dict[str, Json]:
        """ListTaskPushNotificationConfigs, oldest first."""
        task_id, size, token = read_config_page(params)
        return await self._push.page((await self._view(principal, task_id)).run, size, token)

    async def delete_push_config(self, principal: Principal, params: Params) -> dict[str, Json]:
        """DeleteTaskPushNotificationConfig: nothing, also where there was none."""
        task_id, config_id = read_config_id(params)
        await self._push.drop((await self._view(principal, task_id)).run, config_id)
        return {}

    # -- cards --------------------------------------------------------------------------------------------------------
    async def extended_card(self, principal: Principal, params: Params) -> dict[str, Json]:
        """GetExtendedAgentCard: an AgentCard for callers that the server asked who they are; where it asks nobody the
        card says that it is not supported (section 3.3.4)."""
        if not self._settings.security_schemes:
            raise Fault(UNSUPPORTED_OPERATION, "This agent has no extended card; its public card says all there is.")
        return self._cards.extended(self._agent, ASKED_AT.get() or self._settings.file_url)

    # -- inside -------------------------------------------------------------------------------------------------------
    def _follower(self, principal: Principal) -> Follower:
        return Follower(self._engine, principal, self._links.link, GENERATION in self._asked.extensions)

    async def _with_generation(self, principal: Principal, run: Run, told: dict[str, Json]) -> dict[str, Json]:
        """A Task, and its generation for who asked for it."""
        if GENERATION in self._asked.extensions:
            generation = await self._follower(principal).generation(run)
            told["metadata"] = {**(told.get("metadata") or {}), GENERATION: {"generation": generation}}
        return told

    async def _request(
        self, principal: Principal, sending: Sending, thread_id: str = "", policy: ThreadPolicy = ThreadPolicy.ENQUEUE
    ) -> RunRequest:
        # The key has the content too: a client that numbers its messages from 1 in every session loses none of them.
        key = short_digest(
            "a2a", principal.subject, self._agent, sending.message_id, sending.context_id, _content(sending.parts)
        )
        return run_request(
            agent=self._agent,
            input=sending.data,
            text=sending.text,
            message=sending.message,
            thread_id=thread_id or sending.context_id or None,
            policy=policy,
            idempotency_key=key if self._settings.idempotent else None,
            metadata=sending.metadata,
            wait=not sending.return_immediately,
            deliveries=() if sending.push is None else (await self._push.opening(sending.push, PUSH_AT),),
        )

    async def _view(self, principal: Principal, task_id: str) -> RunView:
        try:
            view = await self._engine.view(principal, task_id)
        except RunNotFound:
            view = None
        if view is None or view.run.agent != self._agent:
            raise Fault(
                TASK_NOT_FOUND,
                f"There is no task {task_id[:80]!r} of this agent (not found).",
                {"taskId": task_id[:80]},
            )
        return view

    async def _continue(self, principal: Principal, sending: Sending) -> Run:
        """Give a message to the task that it names: as an answer to what it asks, or by what is set for busy ones."""
        view = await self._view(principal, sending.task_id)
        run = view.run
        if sending.context_id and sending.context_id != run.thread_id:
            raise invalid("message.contextId", "is not the context of the task that message.taskId names")
        key = short_digest("a2a", principal.subject, run.id, sending.message_id, _content(sending.parts))
        if await self._answered_before(view, key):
            return run
        if sending.if_generation is not None:
            await self._check_generation(principal, run, sending.if_generation)
        if run.ended:
            raise Fault(
                UNSUPPORTED_OPERATION,
                f"The task has ended ({project.state(run)}) and takes no more messages. Leave out taskId and send the "
                f"message with contextId {run.thread_id!r} to go on in the same conversation.",
                {"taskId": run.id},
            )
        if not view.open_interrupts and self._settings.busy != "reject":
            policy = ThreadPolicy(self._settings.busy)
            return await self._engine.accept(principal, await self._request(principal, sending, run.thread_id, policy))
        if not view.open_interrupts:
            raise Fault(
                UNSUPPORTED_OPERATION,
                "The task is at work and asks for nothing. Wait until it does, or send the message without taskId: it "
                "becomes a task of its own, after this one in the same context.",
                {"taskId": run.id},
            )
        return await self._answer(principal, view, sending, key)

    async def _answer(self, principal: Principal, view: RunView, sending: Sending, key: str) -> Run:
        """Answer the open questions. What the message says is noted before: sent again, it is known by that."""
        run, answers = view.run, read_answers(view, sending)
        if sending.push is not None:
            await self._push.put(run, sending.push, PUSH_AT)
        await self._engine.ledger.remember(run.tenant, _ANSWERS, key, digests(view, answers), _ANSWER_TTL)
        try:
            return await self._engine.answer(principal, run.id, answers)
        except Conflict:  # somebody was faster: by this message, sent twice at once, or by another
            now = await self._view(principal, run.id)
            if await self._answered_before(now, key):
                return now.run
            raise

    async def _answered_before(self, view: RunView, key: str) -> bool:
        """Whether what was asked is answered, and with what this message says."""
        known: Any = await self._engine.ledger.recall(view.run.tenant, _ANSWERS, key)
        return isinstance(known, dict) and were_given(view, cast("dict[str, Json]", known))

    async def _check_generation(self, principal: Principal, run: Run, expected: int) -> None:
        current = await self._follower(principal).generation(run)
        if current != expected:
            raise Fault(
                GENERATION_MISMATCH,
                f"The task's generation is {current}, not {expected}: it has gone on since. Get it again.",
                {"taskId": run.id, "expectedGeneration": str(expected), "currentGeneration": str(current)},
            )


def _content(parts: list[dict[str, Any]]) -> str:
    """What a message says, in whatever order a binding has the fields of its data."""
    return dumps(_ordered(parts)).decode()


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _ordered(fields[name]) for name in sorted(fields)}
    if isinstance(value, list):
        items = cast("list[Any]", value)  # type: ignore[redundant-cast]
        return [_ordered(one) for one in items]
    return value


def check_tenant(params: Params, principal: Principal, agent: str) -> None:
    """Raise ``Fault`` unless a request's tenant, where it names one, is this agent's or the caller's own."""
    tenant = params.get("tenant")
    if tenant and tenant not in (agent, principal.tenant):
        raise Fault(AGENT_NOT_FOUND, f"There is no tenant {str(tenant)[:80]!r} here; send the one of the agent's card.")
