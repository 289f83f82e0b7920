"""A peer as others write them: agents on the A2A SDK's own server, in memory. ``python sdk_peer.py PORT``.

Served are ``/echo`` (JSON-RPC 1.0), ``/asks`` (asks once), ``/slow`` (tells, waits for a gate, answers), ``/says`` (a
message and no task), ``/late`` (is slow to make a task), ``/refuses``, ``/polled`` (a card without streaming), ``/old``
(a card of 0.3) and ``/rest`` (HTTP+JSON).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn
from a2a.helpers import new_task_from_user_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Message, Part, Role, TaskState
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

Does = Callable[[TaskUpdater, RequestContext], Awaitable[None]]


def _effect(what: str) -> None:
    with Path(os.environ["EFFECTS"]).open("a") as file:
        file.write(f"{what}\n")


def _said(context: RequestContext) -> str:
    assert context.message is not None
    return context.message.parts[0].text


async def echo(updater: TaskUpdater, context: RequestContext) -> None:
    """What was said, in pieces, with a file."""
    _effect(f"echo {_said(context)}")
    said = updater.new_agent_message([Part(text="thinking")])
    await updater.update_status(TaskState.TASK_STATE_WORKING, said)
    await updater.add_artifact([Part(text="you said ")], artifact_id="t", append=False)
    await updater.add_artifact([Part(text=_said(context))], artifact_id="t", append=True, last_chunk=True)
    await updater.add_artifact([Part(raw=b"\x00\x01", filename="bytes.bin", media_type="image/png")], last_chunk=True)
    await updater.complete()


async def asks(updater: TaskUpdater, context: RequestContext) -> None:
    """Asks once, in prose."""
    if context.current_task is None:
        await updater.requires_input(updater.new_agent_message([Part(text="Which colour?")]))
        return
    _effect(f"asked {_said(context)}")
    await updater.add_artifact([Part(text=f"painted {_said(context)}")])
    await updater.complete()


async def slow(updater: TaskUpdater, context: RequestContext) -> None:
    """Tells something, waits at the gate, tells the rest."""
    _effect(f"slow {_said(context)}")
    await updater.add_artifact([Part(text="one ")], artifact_id="t", append=False)
    gate = Path(os.environ["EFFECTS"]).with_name("gate")
    while not gate.exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    await updater.add_artifact([Part(text="two")], artifact_id="t", append=True, last_chunk=True)
    await updater.complete()


async def refuses(updater: TaskUpdater, context: RequestContext) -> None:
    """Refuses."""
    await updater.reject(updater.new_agent_message([Part(text="not my desk")]))


class Executor(AgentExecutor):
    """One agent."""

    def __init__(self, does: Does) -> None:
        self._does = does

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """The message opens a task, or goes to the one that it names."""
        assert context.message is not None
        task = context.current_task or new_task_from_user_message(context.message)
        if context.current_task is None:
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        await self._does(updater, context)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """The task ends."""
        task = context.current_task
        assert task is not None
        _effect("cancelled")
        await TaskUpdater(event_queue, task.id, task.context_id).cancel()


class Late(Executor):
    """Tells of no task before the gate is open."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Then it works for ever."""
        _effect("late")
        gate = Path(os.environ["EFFECTS"]).with_name("gate")
        while not gate.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        assert context.message is not None
        task = new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        await TaskUpdater(event_queue, task.id, task.context_id).start_work()
        await asyncio.get_running_loop().create_future()


class Says(Executor):
    """Answers with a message."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """No task is made."""
        answer = Message(message_id="x", role=Role.ROLE_AGENT, parts=[Part(text=f"hello {_said(context)}")])
        await event_queue.enqueue_event(answer)


def routes(url: str) -> list[BaseRoute]:
    """The agents' routes."""
    made: list[BaseRoute] = []
    made += _agent(url, "echo", Executor(echo))
    made += _agent(url, "asks", Executor(asks))
    made += _agent(url, "slow", Executor(slow))
    made += _agent(url, "refuses", Executor(refuses))
    made += _agent(url, "says", Says(echo))
    made += _agent(url, "late", Late(echo))
    made += _agent(url, "polled", Executor(slow), streaming=False)
    made += _agent(url, "old", Executor(echo), version="0.3")
    made += _agent(url, "rest", Executor(echo), binding="HTTP+JSON")
    return made


def _agent(
    url: str,
    name: str,
    executor: AgentExecutor,
    *,
    streaming: bool = True,
    version: str = "1.0",
    binding: str = "JSONRPC",
) -> list[BaseRoute]:
    card = AgentCard(
        name=name,
        description=name,
        version="1",
        capabilities=AgentCapabilities(streaming=streaming),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id=name, name=name, description=name, tags=["test"])],
        supported_interfaces=[AgentInterface(url=f"{url}/{name}", protocol_binding=binding, protocol_version=version)],
    )
    handler = DefaultRequestHandler(executor, InMemoryTaskStore(), card)
    path = f"/{name}/.well-known/agent-card.json"
    if version == "0.3":
        shown = _old_card(url, name)

        async def serve(_: Any) -> JSONResponse:
            return JSONResponse(shown)

        cards: list[BaseRoute] = [Route(path, serve)]
    else:
        cards = list(create_agent_card_routes(card, card_url=path))
    if binding == "HTTP+JSON":
        return [*cards, *create_rest_routes(handler, path_prefix=f"/{name}")]
    return [*cards, *create_jsonrpc_routes(handler, f"/{name}", enable_v0_3_compat=version == "0.3")]


def _old_card(url: str, name: str) -> dict[str, Any]:
    """A card as a peer of 0.3 has it."""
    return {
        "protocolVersion": "0.3.0",
        "name": name,
        "description": name,
        "version": "1",
        "url": f"{url}/{name}",
        "preferredTransport": "JSONRPC",
        "capabilities": {"streaming": True},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [{"id": name, "name": name, "description": name, "tags": ["test"]}],
    }


if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(Starlette(routes=routes(f"http://127.0.0.1:{port}")), host="127.0.0.1", port=port, log_level="warning")
