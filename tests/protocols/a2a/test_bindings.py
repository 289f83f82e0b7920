"""The three bindings are one: the same conversations, errors, streams and idempotence over each, of a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from .bindings import BINDINGS, Binding, Refusal, connected
from .conftest import a_message
from .process import Process

pytestmark = pytest.mark.anyio

AGENTS = '''
from dragoman.agents import Context, Rejected, agent

@agent
async def desk(ctx: Context, order: str, amount: float) -> dict[str, float]:
    """Refunds."""
    await ctx.progress(1, 2, "looking")
    approval = await ctx.approve(f"Refund {amount:g} for {order}?")
    if not approval.approved:
        raise Rejected("nobody wants that")
    await ctx.artifact("receipt.txt", f"{order}: {amount:g}")
    for word in ("paid ", "back "):
        await ctx.stream_text(word)
    return {order: amount}
'''


@pytest.fixture(scope="module")
async def process(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Process, None]:
    there = Process(tmp_path_factory.mktemp("bindings"), AGENTS)
    await there.start()
    yield there
    there.end()


@asynccontextmanager
async def over(process: Process, binding: str) -> AsyncGenerator[Binding, None]:
    async with asyncio.timeout(60), connected(binding, process.url, process.grpc, "desk") as client:
        yield client


def order(**more: Any) -> dict[str, Any]:
    return a_message({"data": {"order": "A-1", "amount": 5}}, **more)


def shape(told: Any, ids: dict[str, str]) -> Any:
    """A value with what must differ between two tasks named by when it was met first, ids and times, and without what
    is empty, which protobuf does not tell."""
    if isinstance(told, dict):
        fields = cast("dict[str, Any]", told)
        return {name: _named(name, fields[name], ids) for name in sorted(fields) if fields[name] not in ("", [], {})}
    if isinstance(told, list):
        items = cast("list[Any]", told)  # type: ignore[redundant-cast]
        return [shape(one, ids) for one in items]
    return told


def _named(name: str, value: Any, ids: dict[str, str]) -> Any:
    if name == "timestamp":
        return "time"
    if name in ("id", "taskId", "contextId", "messageId", "artifactId") and isinstance(value, str):
        return ids.setdefault(value, f"{name} {len(ids)}")
    return shape(value, ids)


async def conversation(client: Binding) -> list[Any]:
    """Everything that a client may do with a task: what it was told at each step."""
    ids: dict[str, str] = {}
    told: list[Any] = []
    task = await client.send(order())
    told.append(task)
    told.append(await client.call("GetTask", {"id": task["id"], "historyLength": 1}))
    told.append(await client.call("ListTasks", {"contextId": task["contextId"], "includeArtifacts": True}))
    subscription = client.stream("SubscribeToTask", {"id": task["id"]})
    told.append((await anext(subscription))[1])
    answer = a_message({"data": {"approved": True}}, taskId=task["id"])
    told.append(await client.send(answer, historyLength=0))
    seen = [update async for _, update in subscription]
    # How chunks are cut is a matter of time; what they say is not.
    told.append([one["statusUpdate"]["status"]["state"] for one in seen if "statusUpdate" in one])
    told.append("".join(_text(one) for one in seen))
    told.append(await client.call("GetTask", {"id": task["id"]}))
    streamed = [update async for _, update in client.stream("SendStreamingMessage", {"message": order()})]
    told += streamed
    second = streamed[0]["task"]["id"]
    told.append(await client.call("CancelTask", {"id": second}))
    for operation, params in (
        ("CancelTask", {"id": second}),
        ("SubscribeToTask", {"id": second}),
        ("GetTask", {"id": "nobody"}),
        ("SendMessage", {"message": order(taskId=second)}),
        ("SendMessage", {"message": a_message({"url": "https://x.example/a.png"})}),
        ("SendMessage", {"message": order(taskId=task["id"], contextId="other")}),
        ("GetExtendedAgentCard", {}),
        ("ListTasks", {"pageSize": 101}),
    ):
        told.append(await _refused(client, operation, params))
    return [shape(one, ids) for one in told]


def _text(update: dict[str, Any]) -> str:
    parts = update.get("artifactUpdate", {}).get("artifact", {}).get("parts", [])
    return "".join(part.get("text", "") for part in parts)


async def _refused(client: Binding, operation: str, params: Any) -> tuple[str, str]:
    asked = anext(client.stream(operation, params)) if operation == "SubscribeToTask" else None
    with pytest.raises(Refusal) as caught:
        await (asked or client.call(operation, params))
    return caught.value.reason, caught.value.domain


@pytest.mark.requirement(
    "a2a.send.task-or-message",
    "a2a.send.media-types",
    "a2a.stream.connection",
    "a2a.subscribe.terminal",
    "a2a.cancel.terminal",
    "a2a.blocking",
    "a2a.errors.not-found",
    "a2a.errors.content",
    "a2a.capability.extended-card",
    "a2a.context.told",
    "a2a.multi-turn.mismatch",
    "a2a.data-model",
    "a2a.equivalence.functions",
    "a2a.equivalence.behaviour",
    "a2a.equivalence.errors",
    "a2a.jsonrpc.typed-data",
    "a2a.grpc.error-info",
    "a2a.rest.query",
    "a2a.rest.query-encoding",
    "a2a.rest.typed-details",
    "a2a.rest.error-info",
    "a2a.extended-card.undeclared",
)
async def test_a_conversation_is_told_the_same_over_each_binding(process: Process) -> None:
    told: dict[str, list[Any]] = {}
    for binding in BINDINGS:
        async with over(process, binding) as client:
            told[binding] = await conversation(client)
    first, *others = told.values()
    assert first[0]["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    for other in others:
        for step, (here, there) in enumerate(zip(first, other, strict=True)):
            assert (step, there) == (step, here)


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.requirement("a2a.equivalence.functions")
async def test_a_task_begun_over_one_binding_goes_on_over_every_other(process: Process, binding: str) -> None:
    async with over(process, binding) as client:
        task = await client.send(order())
    for other in BINDINGS:
        async with over(process, other) as client:
            assert (await client.call("GetTask", {"id": task["id"]})) == task
    last = BINDINGS[BINDINGS.index(binding) - 1]
    async with over(process, last) as client:
        done = await client.send(a_message("yes", taskId=task["id"]))
    assert done["status"]["state"] == "TASK_STATE_COMPLETED"


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.requirement("a2a.equivalence.behaviour")
async def test_a_message_sent_50_times_at_once_is_one_task(process: Process, binding: str) -> None:
    async with over(process, binding) as client:
        context = f"fifty-{BINDINGS.index(binding)}"
        message = order(contextId=context)
        told = await asyncio.gather(*(client.send(message) for _ in range(50)))
        assert len({task["id"] for task in told}) == 1
        assert {task["status"]["state"] for task in told} == {"TASK_STATE_INPUT_REQUIRED"}
        (listed,) = (await client.call("ListTasks", {"contextId": context}))["tasks"]
        answer = a_message({"data": {"approved": True}}, taskId=listed["id"])
        done = await asyncio.gather(*(client.send(answer) for _ in range(50)))
        assert {task["status"]["state"] for task in done} == {"TASK_STATE_COMPLETED"}
        assert [len(task["artifacts"]) for task in done] == [len(done[0]["artifacts"])] * 50


async def test_a_message_sent_at_once_over_all_bindings_is_one_task(process: Process) -> None:
    message = order()
    async with over(process, "JSON-RPC") as a, over(process, "HTTP+JSON") as b, over(process, "gRPC") as c:
        told = await asyncio.gather(*(client.send(message) for client in (a, b, c) * 10))
    assert len({task["id"] for task in told}) == 1


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("version", ["0.3", "99.0", "1.1", "one"])
@pytest.mark.requirement(
    "a2a.service-parameters",
    "a2a.version.unsupported",
    "a2a.jsonrpc.headers",
    "a2a.grpc.metadata",
    "a2a.grpc.error-info",
    "a2a.rest.headers",
    "a2a.rest.error-info",
    "a2a.version.format",
)
async def test_a_version_that_is_not_served_is_refused(process: Process, binding: str, version: str) -> None:
    async with over(process, binding) as client:
        with pytest.raises(Refusal) as caught:
            await client.call("GetTask", {"id": "x"}, a2a_version=version)
    assert caught.value.reason == "VERSION_NOT_SUPPORTED"
    assert caught.value.code == {"JSON-RPC": -32009, "HTTP+JSON": 400, "gRPC": "FAILED_PRECONDITION"}[binding]
