"""The SDK's ``RequestHandler`` over our service: what the SDK's own bindings stand on."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from a2a.client import ClientConfig, create_client
from a2a.server.context import ServerCallContext
from a2a.server.routes import create_agent_card_routes, create_rest_routes
from a2a.server.routes.common import DefaultServerCallContextBuilder
from a2a.types import a2a_pb2 as pb
from a2a.utils import errors as sdk
from starlette.applications import Starlette
from starlette.requests import Request

from dragoman.a2a import A2aSettings
from dragoman.a2a.handler import PRINCIPAL, ServiceHandler
from dragoman.a2a.service import TaskService
from dragoman.agents import Context, agent
from dragoman.engine import Engine
from dragoman.memory.model import Principal

from .conftest import Open

pytestmark = pytest.mark.anyio

LOCAL = Principal("default", "local")


@agent
async def asks(ctx: Context, text: str) -> str:
    return f"{text} {await ctx.ask('And you?')}"


def handler_of(engine: Engine) -> ServiceHandler:
    return ServiceHandler(TaskService(engine, "asks", A2aSettings(blocking_wait=10)))


def context(principal: Principal = LOCAL) -> ServerCallContext:
    return ServerCallContext(state={PRINCIPAL: principal})


_numbers = iter(range(1, 1000))


def request(text: str, **more: Any) -> pb.SendMessageRequest:
    parts = [pb.Part(text=text)]
    message = pb.Message(message_id=f"h{next(_numbers)}", role=pb.Role.ROLE_USER, parts=parts, **more)
    return pb.SendMessageRequest(message=message)


async def test_every_operation_works_on_messages_of_the_sdk(open_house: Open) -> None:
    async with open_house(asks) as house:
        handler = handler_of(house.engine)
        task = await handler.on_message_send(request("fine"), context())
        assert isinstance(task, pb.Task)
        assert task.status.state == pb.TaskState.TASK_STATE_INPUT_REQUIRED
        assert await handler.on_get_task(pb.GetTaskRequest(id=task.id), context()) == task
        listed = await handler.on_list_tasks(pb.ListTasksRequest(), context())
        assert [t.id for t in listed.tasks] == [task.id]

        subscription = handler.on_subscribe_to_task(pb.SubscribeToTaskRequest(id=task.id), context())
        assert await anext(subscription) == task
        answered = [e async for e in handler.on_message_send_stream(request("too", task_id=task.id), context())]
        told = [event async for event in subscription]
        assert told[-1] == answered[-1]
        assert isinstance(told[-1], pb.TaskStatusUpdateEvent)
        assert told[-1].status.state == pb.TaskState.TASK_STATE_COMPLETED

        other = await handler.on_message_send(request("fine"), context())
        assert isinstance(other, pb.Task)
        gone = await handler.on_cancel_task(pb.CancelTaskRequest(id=other.id), context())
        assert gone.status.state == pb.TaskState.TASK_STATE_CANCELED


async def test_faults_are_the_sdks_exceptions(open_house: Open) -> None:
    async with open_house(asks) as house:
        handler = handler_of(house.engine)
        task = await handler.on_message_send(request("fine"), context())
        assert isinstance(task, pb.Task)
        stranger = context(Principal("umbrella", "eve"))
        with pytest.raises(sdk.TaskNotFoundError, match=task.id):
            await handler.on_get_task(pb.GetTaskRequest(id=task.id), stranger)
        with pytest.raises(sdk.TaskNotFoundError):
            await anext(handler.on_subscribe_to_task(pb.SubscribeToTaskRequest(id=task.id), stranger))
        with pytest.raises(sdk.InvalidParamsError, match="pageSize") as caught:
            await handler.on_list_tasks(pb.ListTasksRequest(page_size=1000), context())
        assert caught.value.data == {  # pyright: ignore[reportUnknownMemberType]
            "errors": [{"field": "pageSize", "message": "must be between 1 and 100, not 1000"}]
        }
        with pytest.raises(sdk.UnsupportedOperationError):
            await handler.on_get_extended_agent_card(pb.GetExtendedAgentCardRequest(), context())
        push = pb.TaskPushNotificationConfig(task_id=task.id, url="https://127.0.0.1/hook")
        with pytest.raises(sdk.InvalidParamsError, match="url: leads to an address that is not public"):
            await handler.on_create_task_push_notification_config(push, context())


async def test_a_binding_of_the_sdk_stands_on_it(open_house: Open) -> None:
    class Caller(DefaultServerCallContextBuilder):
        def build(self, request: Request) -> ServerCallContext:
            built = super().build(request)
            built.state[PRINCIPAL] = LOCAL
            return built

    interface = pb.AgentInterface(url="http://testserver", protocol_binding="HTTP+JSON", protocol_version="1.0")
    card = pb.AgentCard(
        name="asks",
        description="Asks.",
        version="1",
        supported_interfaces=[interface],
        capabilities=pb.AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[pb.AgentSkill(id="asks", name="asks", description="Asks.", tags=["asks"])],
    )
    async with open_house(asks) as house:
        app = Starlette(
            routes=[*create_agent_card_routes(card), *create_rest_routes(handler_of(house.engine), Caller())]
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
            config = ClientConfig(httpx_client=http, supported_protocol_bindings=["HTTP+JSON"], streaming=False)
            client = await create_client(card, config)
            (answer,) = [update async for update in client.send_message(request("fine"))]
            assert answer.task.status.message.parts[0].text == "And you?"
            (answer,) = [u async for u in client.send_message(request("too", task_id=answer.task.id))]
            assert answer.task.artifacts[0].parts[0].text == "fine too"
