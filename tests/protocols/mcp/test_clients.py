"""The official Python client as it comes, in its three modes over HTTP and stdio."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import mcp_types as types
import pytest
from mcp.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from pydantic import ConfigDict

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
SERVED = Path(__file__).with_name("served.py")
MODES = ["auto", "legacy", "2026-07-28"]


async def _approve(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    """A person who says yes to everything."""
    assert isinstance(params, types.ElicitRequestFormParams)
    content: dict[str, Any] = {}
    for name in params.requested_schema["required"]:
        field = params.requested_schema["properties"][name]
        content[name] = field["enum"][0] if "enum" in field else True if field["type"] == "boolean" else "fine"
    return types.ElicitResult(action="accept", content=content)


@pytest.fixture(params=["http", "stdio"])
def connect(request: pytest.FixtureRequest, over_http: Start, tmp_path: Path) -> Start:
    """Connect a client with the given mode over each transport."""

    @asynccontextmanager
    async def over_pipe(**how: Any) -> AsyncGenerator[Client]:
        path = str(tmp_path / "stdio.db")
        async with Client(StdioServerParameters(command=sys.executable, args=[str(SERVED), path]), **how) as client:
            yield client

    @asynccontextmanager
    async def over_socket(**how: Any) -> AsyncGenerator[Client]:
        async with over_http() as server, Client(server.url, **how) as client:
            yield client

    return over_pipe if request.param == "stdio" else over_socket


@pytest.mark.parametrize("mode", MODES)
async def test_the_official_client_lists_calls_and_is_told_progress_in_every_mode(connect: Start, mode: str) -> None:
    told: list[tuple[float, float | None, str | None]] = []
    all_told = anyio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))
        if len(told) == 3:
            all_told.set()

    with anyio.fail_after(30):
        async with connect(mode=mode) as client:
            version = client.protocol_version
            listed = await client.list_tools()
            order = await client.call_tool("find_order", {"order_id": "A-1"})
            counted = await client.call_tool("count", {"to": 3}, progress_callback=on_progress)
            failed = await client.call_tool("fail", {"politely": False})
            wrong = await client.call_tool("add", {"a": 1})
            with pytest.raises(MCPError) as unknown:
                await client.call_tool("nobody", {})
            await all_told.wait()  # notifications are dispatched beside the result
    assert version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    assert "find_order" in [t.name for t in listed.tools]
    assert order.structured_content == {"id": "A-1", "amount": 12.5}
    assert counted.structured_content == {"result": 3}
    assert told == [(1, 3, "1 of 3"), (2, 3, "2 of 3"), (3, 3, "3 of 3")]
    assert failed.is_error
    assert wrong.is_error
    assert "b" in wrong.content[0].text
    assert unknown.value.code == -32602


@pytest.mark.parametrize("mode", MODES)
async def test_the_official_client_answers_questions_in_every_mode(connect: Start, mode: str) -> None:
    with anyio.fail_after(30):
        async with connect(mode=mode, elicitation_callback=_approve) as client:
            refunded = await client.call_tool("refund", {"order_id": "A", "amount": 500})
            deleted = await client.call_tool("delete", {"thing": "it"})
            shipped = await client.call_tool("ship", {"order_id": "A"})
    assert refunded.structured_content == {"result": "refunded 500"}
    assert deleted.structured_content == {"result": "deleted it"}
    assert shipped.structured_content == {"to": "fine", "speed": "slow", "note": "fine"}


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_without_elicitation_goes_on_by_the_handle_and_its_schema_admits_it(
    connect: Start, mode: str
) -> None:
    with anyio.fail_after(30):
        async with connect(mode=mode) as client:
            await client.list_tools()  # from now on the client holds results against their schemas
            handle = await client.call_tool("refund", {"order_id": "A", "amount": 500})
            run_id = handle.structured_content["run_id"]
            done = await client.call_tool("run_answer", {"run_id": run_id, "answer": "approve"})
            status = await client.call_tool("run_status", {"run_id": run_id})
    assert handle.structured_content["status"] == "waiting"
    assert done.structured_content == status.structured_content
    assert done.structured_content["output"] == "refunded 500"


class _Task(types.Result):
    """CreateTaskResult."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str


class _Named(types.RequestParams):
    task_id: str
    input_responses: dict[str, Any] | None = None


class _Request(types.Request[_Named, str]):
    name_param = "taskId"


class _Tasks(ClientExtension):
    """The tasks extension in a client: polls, and answers what is asked."""

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=_Task, resolve=self._resolve)]

    async def _resolve(self, task: _Task, context: ClaimContext) -> types.CallToolResult:
        self.seen.append(task.status)
        while True:
            told = await self._send(context, "tasks/get", task.task_id)
            if told["status"] != self.seen[-1]:
                self.seen.append(told["status"])
            if told["status"] == "completed":
                return types.CallToolResult.model_validate(told["result"], by_name=False)
            if told["status"] == "input_required":
                answers = {k: {"action": "accept", "content": {"answer": "approve"}} for k in told["inputRequests"]}
                await self._send(context, "tasks/update", task.task_id, answers)

    @staticmethod
    async def _send(context: ClaimContext, method: str, task_id: str, answers: Any = None) -> dict[str, Any]:
        request = _Request(method=method, params=_Named(task_id=task_id, input_responses=answers))
        result = await context.session.send_request(request, _Any)
        return result.model_dump(by_alias=True)


class _Any(types.Result):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize("mode", ["auto", "2026-07-28"])
async def test_a_client_with_the_tasks_extension_sees_the_task_through_its_question(connect: Start, mode: str) -> None:
    tasks = _Tasks()
    with anyio.fail_after(30):
        async with connect(mode=mode, extensions=[tasks], elicitation_callback=_approve) as client:
            done = await client.call_tool("refund", {"order_id": "A", "amount": 500})
    assert done.structured_content == {"result": "refunded 500"}
    assert tasks.seen[0] == "input_required"
    assert tasks.seen[-1] == "completed"


async def test_a_client_that_gives_up_leaves_the_server_at_its_service(connect: Start) -> None:
    with anyio.fail_after(30):
        async with connect(mode="legacy") as client:
            with pytest.raises(MCPError, match=r"[Tt]imed out"):
                await client.call_tool("slow", {"seconds": 60}, read_timeout_seconds=0.5)
            assert (await client.call_tool("echo", {"text": "still there"})).structured_content == {
                "result": "still there"
            }


def test_the_face_imports_neither_the_sdk_nor_for_stdio_a_web_server() -> None:
    program = (
        "import sys, dragoman.mcp.stdio as _; "
        "print([m for m in ('mcp', 'mcp_types', 'starlette', 'uvicorn', 'cryptography') if m in sys.modules]); "
        "import dragoman.mcp.routes as _; "
        "print([m for m in ('mcp', 'mcp_types') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
