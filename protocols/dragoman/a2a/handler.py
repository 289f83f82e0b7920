"""The service behind the SDK's ``RequestHandler``, so that the SDK's bindings can stand on it.

The SDK's own engine, queue and task store are not used. Protobuf is spoken at this edge alone: requests become plain
objects, and what the service gives becomes messages again. Importing this module imports the SDK, which takes about a
second.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message as ProtoMessage

from a2a.server.context import ServerCallContext
from a2a.server.events.event_queue import Event
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import a2a_pb2 as pb
from a2a.utils import errors as sdk
from dragoman.a2a.errors import Fault
from dragoman.a2a.jsonrpc import fault_for
from dragoman.a2a.service import TaskService, Updates
from dragoman.memory.model import Json, Principal

__all__ = ["PRINCIPAL", "ServiceHandler"]

PRINCIPAL: Final = "dragoman.principal"
"""The key of the caller in ``ServerCallContext.state``."""

_EVENTS: Final[Mapping[str, type[pb.Task | pb.Message | pb.TaskStatusUpdateEvent | pb.TaskArtifactUpdateEvent]]] = {
    "task": pb.Task,
    "message": pb.Message,
    "statusUpdate": pb.TaskStatusUpdateEvent,
    "artifactUpdate": pb.TaskArtifactUpdateEvent,
}


class ServiceHandler(RequestHandler):
    """One agent's tasks. The context of each call must hold the caller under ``PRINCIPAL``."""

    def __init__(self, service: TaskService) -> None:
        self._service = service

    async def on_message_send(self, params: pb.SendMessageRequest, context: ServerCallContext) -> pb.Task | pb.Message:
        """SendMessage."""
        told = await _call(self._service.send, params, context)
        if (message := told.get("message")) is not None:
            return ParseDict(message, pb.Message())
        return ParseDict(told["task"], pb.Task())

    async def on_message_send_stream(
        self, params: pb.SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event, None]:
        """SendStreamingMessage."""
        async with aclosing(_stream(self._service.stream, params, context)) as events:
            async for event in events:
                yield event

    async def on_subscribe_to_task(
        self, params: pb.SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event, None]:
        """SubscribeToTask."""
        async with aclosing(_stream(self._service.subscribe, params, context)) as events:
            async for event in events:
                yield event

    async def on_get_task(self, params: pb.GetTaskRequest, context: ServerCallContext) -> pb.Task:
        """GetTask."""
        return ParseDict(await _call(self._service.get, params, context), pb.Task())

    async def on_list_tasks(self, params: pb.ListTasksRequest, context: ServerCallContext) -> pb.ListTasksResponse:
        """ListTasks."""
        return ParseDict(await _call(self._service.list_tasks, params, context), pb.ListTasksResponse())

    async def on_cancel_task(self, params: pb.CancelTaskRequest, context: ServerCallContext) -> pb.Task:
        """CancelTask."""
        return ParseDict(await _call(self._service.cancel, params, context), pb.Task())

    async def on_create_task_push_notification_config(
        self, params: pb.TaskPushNotificationConfig, context: ServerCallContext
    ) -> pb.TaskPushNotificationConfig:
        """CreateTaskPushNotificationConfig."""
        told = await _call(self._service.create_push_config, params, context)
        return ParseDict(told, pb.TaskPushNotificationConfig())

    async def on_get_task_push_notification_config(
        self, params: pb.GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> pb.TaskPushNotificationConfig:
        """GetTaskPushNotificationConfig."""
        told = await _call(self._service.get_push_config, params, context)
        return ParseDict(told, pb.TaskPushNotificationConfig())

    async def on_list_task_push_notification_configs(
        self, params: pb.ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> pb.ListTaskPushNotificationConfigsResponse:
        """ListTaskPushNotificationConfigs."""
        told = await _call(self._service.list_push_configs, params, context)
        return ParseDict(told, pb.ListTaskPushNotificationConfigsResponse())

    async def on_delete_task_push_notification_config(
        self, params: pb.DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        """DeleteTaskPushNotificationConfig."""
        await _call(self._service.delete_push_config, params, context)

    async def on_get_extended_agent_card(
        self, params: pb.GetExtendedAgentCardRequest, context: ServerCallContext
    ) -> pb.AgentCard:
        """GetExtendedAgentCard, without its fields for 0.3."""
        told = await _call(self._service.extended_card, params, context)
        return ParseDict(told, pb.AgentCard(), ignore_unknown_fields=True)


async def _call(
    verb: Callable[[Principal, Mapping[str, Any]], Awaitable[dict[str, Json]]],
    params: ProtoMessage,
    context: ServerCallContext,
) -> dict[str, Json]:
    try:
        return await verb(context.state[PRINCIPAL], MessageToDict(params))
    except Exception as error:
        raise _sdk_error(fault_for(error)) from None


async def _stream(
    verb: Callable[[Principal, Mapping[str, Any]], Awaitable[Updates]], params: ProtoMessage, context: ServerCallContext
) -> AsyncGenerator[Event, None]:
    try:
        async with aclosing(await verb(context.state[PRINCIPAL], MessageToDict(params))) as updates:
            async for _, update in updates:
                for name, value in update.items():
                    yield ParseDict(value, _EVENTS[name]())
    except Exception as error:
        raise _sdk_error(fault_for(error)) from None


def _sdk_error(fault: Fault) -> sdk.A2AError:
    """A fault as the SDK's exception of the same code; its bindings turn that into their words."""
    kinds = {code: kind for kind, code in sdk.JSON_RPC_ERROR_CODE_MAP.items()}
    data: dict[str, Any] = dict(fault.metadata)
    if fault.violations:
        data["errors"] = [{"field": v["field"], "message": v["description"]} for v in fault.violations]
    return kinds.get(fault.kind.code, sdk.InternalError)(message=fault.message, data=data or None)
