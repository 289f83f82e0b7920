"""The three clients of the demo: the a2a-sdk's, the MCP SDK's, and plain HTTP for Agent Protocol. Nobody's mocks."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

import httpx
import mcp_types
from a2a.client import ClientConfig, create_client
from a2a.client.client import Client as A2aClient
from a2a.types.a2a_pb2 import Message, Part, Role, SendMessageRequest, SubscribeToTaskRequest, Task, TaskState
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from mcp.client import Client as McpClient
from mcp.client.extension import advertise

from dragoman.memory.ids import uuid7

__all__ = ["McpTask", "a2a_client", "approve", "mcp_task", "send_refund", "state_name", "watch"]

_TASKS = "io.modelcontextprotocol/tasks"
_ENDED = {TaskState.TASK_STATE_COMPLETED, TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_CANCELED}


def state_name(state: int) -> str:
    """``TASK_STATE_INPUT_REQUIRED`` and so on."""
    return str(TaskState.Name(cast("Any", state)))


@asynccontextmanager
async def a2a_client(url: str, *, streaming: bool) -> AsyncGenerator[A2aClient]:
    """The a2a-sdk's client, made from the agent card."""
    async with httpx.AsyncClient(timeout=30) as http:
        client = await create_client(url, ClientConfig(httpx_client=http, streaming=streaming))
        try:
            yield client
        finally:
            await client.close()


async def send_refund(client: A2aClient, order_id: str, amount: float) -> Task:
    """Ask for a refund; the task as the server left it."""
    data = json_format.ParseDict({"order_id": order_id, "amount": amount}, Value())
    message = Message(message_id=uuid7(), role=Role.ROLE_USER, parts=[Part(data=data)])
    task: Task | None = None
    async for answer in client.send_message(SendMessageRequest(message=message)):
        if answer.HasField("task"):
            task = answer.task
    if task is None:
        raise RuntimeError("the server answered without a task")
    return task


async def watch(client: A2aClient, task_id: str, ready: asyncio.Event) -> list[str]:
    """Subscribe to a task; its states until it ended."""
    states: list[str] = []
    async for answer in client.subscribe(SubscribeToTaskRequest(id=task_id)):
        state: int | None = None
        if answer.HasField("task"):
            state = answer.task.status.state
        elif answer.HasField("status_update"):
            state = answer.status_update.status.state
        ready.set()
        if state is not None and (not states or states[-1] != state_name(state)):
            states.append(state_name(state))
        if state in _ENDED:
            break
    return states


class _TaskParams(mcp_types.RequestParams):
    task_id: str


class _GetTask(mcp_types.Request[_TaskParams, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    params: _TaskParams
    name_param = "taskId"


class McpTask(mcp_types.Result):
    """What ``tasks/get`` answers."""

    task_id: str
    status: str
    input_requests: dict[str, Any] | None = None
    result: dict[str, Any] | None = None


async def _later(context: object, params: object) -> mcp_types.ElicitResult:
    """This client leaves the questions of a task to somebody else."""
    return mcp_types.ElicitResult(action="cancel")


@asynccontextmanager
async def mcp_task(url: str) -> AsyncGenerator[Callable[[str], Awaitable[McpTask]]]:
    """The MCP SDK's client of 2026-07-28 with the tasks extension: ``await get(task_id)``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A server asks only what the client says it can: with a callback it tells that it takes elicitations.
        async with McpClient(
            f"{url}/mcp", mode="2026-07-28", extensions=[advertise(_TASKS)], elicitation_callback=_later
        ) as client:

            async def get(task_id: str) -> McpTask:
                return await client.session.send_request(_GetTask(params=_TaskParams(task_id=task_id)), McpTask)

            yield get


async def approve(url: str, run_id: str) -> tuple[str, dict[str, Any]]:
    """Approve over Agent Protocol: the status before, and the run with its values once it has ended."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        before = (await http.get(f"/runs/{run_id}")).raise_for_status().json()
        answer = {"approved": True, "comment": "fine with me"}
        (await http.post(f"/runs/{run_id}/resume", json={"answers": {"approval": answer}})).raise_for_status()
        after: dict[str, Any] = (await http.get(f"/runs/{run_id}/wait")).raise_for_status().json()
    return str(before["status"]), after
