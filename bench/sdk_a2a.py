"""Three agents on the A2A SDK's own server, in memory: ``python sdk_a2a.py PORT LOOP HTTP``. They do what the measured
agents do: ``/a2a/echo``, ``/a2a/stream``, ``/a2a/park``."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Literal, cast

import uvicorn
from a2a.helpers import get_data_parts, new_task_from_user_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Message, Part
from starlette.applications import Starlette
from starlette.routing import BaseRoute

Does = Callable[[TaskUpdater, Message], Awaitable[None]]


async def echo(updater: TaskUpdater, message: Message) -> None:
    """What was said."""
    await updater.add_artifact([Part(text=message.parts[0].text)], name="output")
    await updater.complete()


async def stream(updater: TaskUpdater, message: Message) -> None:
    """As many pieces of text as were asked for, of one artifact."""
    (asked,) = get_data_parts(message.parts)
    for n in range(int(cast("dict[str, float]", asked)["count"])):
        await updater.add_artifact([Part(text=f"{n} ")], artifact_id="text", append=n > 0)
    await updater.complete()


async def park(updater: TaskUpdater, message: Message) -> None:
    """A question."""
    asked = updater.new_agent_message([Part(text=f"Go on with {message.parts[0].text}?")])
    await updater.requires_input(asked)


class Executor(AgentExecutor):
    """One agent."""

    def __init__(self, does: Does) -> None:
        self._does = does

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """The message opens a task."""
        message = context.message
        assert message is not None
        task = context.current_task or new_task_from_user_message(message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        await self._does(updater, message)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Nothing is cancelled here."""


def routes(port: int) -> list[BaseRoute]:
    """The three agents' routes."""
    made: list[BaseRoute] = []
    for does in (echo, stream, park):
        name = does.__name__
        card = AgentCard(
            name=name,
            description=name,
            version="1",
            capabilities=AgentCapabilities(streaming=True),
            default_input_modes=["text/plain"],
            default_output_modes=["text/plain"],
            skills=[AgentSkill(id=name, name=name, description=name, tags=["bench"])],
            supported_interfaces=[
                AgentInterface(
                    url=f"http://127.0.0.1:{port}/a2a/{name}", protocol_binding="JSONRPC", protocol_version="1.0"
                )
            ],
        )
        handler = DefaultRequestHandler(Executor(does), InMemoryTaskStore(), card)
        made += create_jsonrpc_routes(handler, f"/a2a/{name}")
        made += create_agent_card_routes(card, card_url=f"/a2a/{name}/.well-known/agent-card.json")
    return made


if __name__ == "__main__":
    port, loop, http = sys.argv[1:]
    uvicorn.run(
        Starlette(routes=routes(int(port))),
        port=int(port),
        loop=cast(Literal["asyncio", "uvloop"], loop),
        http=cast(Literal["h11", "httptools"], http),
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
