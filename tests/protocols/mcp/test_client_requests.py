"""Questions for the client itself, a completion of its model and its roots: asked as such where the client takes them,
of plain functions and of runs, in both eras and in tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from mcp.client import Client
from mcp_types import CreateMessageResult, ListRootsResult, Root, TextContent
from pydantic import FileUrl

from dragoman.agents import CallContext, Catalog, Context, Declined, agent, list_roots, sample, tool
from dragoman.mcp.call import Peer, Session
from dragoman.mcp.jsonrpc import Reply
from dragoman.memory.model import Principal

Start = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = pytest.mark.anyio

META = "io.modelcontextprotocol/"
CALLER = Principal("acme", "ada")
TASKS: dict[str, Any] = {"extensions": {META + "tasks": {}}}
SAMPLED = {"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m", "stopReason": "endTurn"}
ROOTS = {"roots": [{"uri": "file:///a", "name": "A"}]}


async def _capital(ctx: CallContext) -> str:
    sampled = await sample(ctx, "What is the capital of France?", max_tokens=100, key="capital")
    text: str = sampled["content"]["text"]
    return text


async def _count(ctx: CallContext) -> str:
    return f"{len(await list_roots(ctx))} root(s)"


@tool(expose=True)
async def capital(ctx: CallContext) -> str:
    """Ask the client's model."""
    return await _capital(ctx)


@tool(expose=True)
async def counted(ctx: CallContext) -> str:
    """Ask for roots."""
    return await _count(ctx)


@tool(expose=True)
async def everything(ctx: CallContext) -> str:
    """Ask all at once."""
    capital, count, name = await asyncio.gather(_capital(ctx), _count(ctx), ctx.ask("Your name?", key="name"))
    return f"{capital}, {count}, {name}"


@tool(expose=True)
async def lenient(ctx: CallContext) -> str:
    """Do without."""
    try:
        return await _capital(ctx)
    except Declined as declined:
        return f"{declined.action}: {declined.message}"


@agent(description="Ask the client's model")
async def durable_capital(ctx: Context) -> str:
    return await _capital(ctx)


@agent(description="Ask for roots")
async def durable_count(ctx: Context) -> str:
    return await _count(ctx)


def _catalog() -> Catalog:
    return Catalog(capital, counted, everything, lenient)


def _with(*names: str, **more: Any) -> dict[str, Any]:
    """What a modern request says of a client with these capabilities."""
    return {"meta": {META + "clientCapabilities": {**{name: {} for name in names}, **more}}}


async def _retry(client: Any, asked: Mapping[str, Any], name: str, responses: Any, **how: Any) -> dict[str, Any]:
    params = {"name": name, "inputResponses": responses, "requestState": asked["requestState"]}
    response: dict[str, Any] = await client.modern("tools/call", params, **how)
    return response


# -- modern ------------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("sampling.roles")
@pytest.mark.parametrize("name", ["capital", "durable_capital"])
async def test_a_completion_is_asked_for_as_one(in_process: Start, name: str, schemas: Any) -> None:
    async with in_process(durable_capital, catalog=_catalog()) as client:
        asked = await client.call(name, **_with("sampling"))
        done = (await _retry(client, asked, name, {"capital": SAMPLED}, **_with("sampling")))["result"]
    message = {"role": "user", "content": {"type": "text", "text": "What is the capital of France?"}}
    params = {"messages": [message], "maxTokens": 100}
    assert asked["inputRequests"] == {"capital": {"method": "sampling/createMessage", "params": params}}
    assert done["content"][0]["text"] == "Paris"
    schemas.modern("InputRequiredResult", asked)
    schemas.modern("InputRequest", asked["inputRequests"]["capital"])


@pytest.mark.parametrize("name", ["counted", "durable_count"])
async def test_roots_are_asked_for_as_roots(in_process: Start, name: str, schemas: Any) -> None:
    async with in_process(durable_count, catalog=_catalog()) as client:
        asked = await client.call(name, **_with("roots"))
        done = (await _retry(client, asked, name, {"roots": ROOTS}, **_with("roots")))["result"]
    assert asked["inputRequests"] == {"roots": {"method": "roots/list", "params": {}}}
    assert done["content"][0]["text"] == "1 root(s)"
    schemas.modern("InputRequest", asked["inputRequests"]["roots"])


async def test_questions_of_all_kinds_are_put_together(in_process: Start) -> None:
    able = _with("sampling", "roots", "elicitation")
    responses = {"capital": SAMPLED, "roots": ROOTS, "name": {"action": "accept", "content": {"answer": "Ada"}}}
    async with in_process(catalog=_catalog()) as client:
        asked = await client.call("everything", **able)
        done = (await _retry(client, asked, "everything", responses, **able))["result"]
    methods = {key: request["method"] for key, request in asked["inputRequests"].items()}
    assert methods == {"capital": "sampling/createMessage", "roots": "roots/list", "name": "elicitation/create"}
    assert done["content"][0]["text"] == "Paris, 1 root(s), Ada"


async def test_a_client_is_never_asked_for_what_it_did_not_declare(in_process: Start) -> None:
    async with in_process(durable_capital, catalog=_catalog()) as client:
        lacks = await client.modern("tools/call", {"name": "capital"}, **_with("roots"))
        run = await client.call("durable_capital", **_with("roots"))
    assert lacks["error"]["code"] == -32021
    assert lacks["error"]["data"] == {"requiredCapabilities": {"sampling": {}}}
    assert "inputRequests" not in run
    assert run["structuredContent"]["status"] == "waiting"


async def test_what_the_client_does_not_take_is_shown_to_its_user_as_any_question(in_process: Start) -> None:
    answer = {"action": "accept", "content": {"answer": '{"role": "user", "content": {"text": "Lyon"}}'}}
    async with in_process(durable_capital) as client:
        asked = await client.call("durable_capital", **_with("elicitation"))
        done = (await _retry(client, asked, "durable_capital", {"capital": answer}, **_with("elicitation")))["result"]
    assert asked["inputRequests"]["capital"]["method"] == "elicitation/create"
    assert done["content"][0]["text"] == "Lyon"


@pytest.mark.parametrize("name", ["capital", "durable_capital"])
async def test_a_response_that_is_no_completion_is_not_taken(in_process: Start, name: str) -> None:
    async with in_process(durable_capital, catalog=_catalog()) as client:
        asked = await client.call(name, **_with("sampling"))
        again = await _retry(client, asked, name, {"capital": {"text": "Paris"}}, **_with("sampling"))
        other = await client.call(name, **_with("sampling"))
        refused = await _retry(client, other, name, {"capital": "Paris"}, **_with("sampling"))
    assert again["result"]["resultType"] == "input_required"
    assert refused["error"]["code"] == -32602


async def test_a_task_asks_the_client_itself(in_process: Start, schemas: Any) -> None:
    able = _with("sampling", **TASKS)
    async with in_process(durable_capital) as client:
        task = await client.call("durable_capital", **able)
        got = (await client.modern("tasks/get", {"taskId": task["taskId"]}, **able))["result"]
        given = {"taskId": task["taskId"], "inputResponses": {"capital": SAMPLED}}
        await client.modern("tasks/update", given, **able)
        await client.engine.wait(CALLER, task["taskId"], 10)
        done = (await client.modern("tasks/get", {"taskId": task["taskId"]}, **able))["result"]
    assert got["inputRequests"]["capital"]["method"] == "sampling/createMessage"
    assert done["result"]["content"][0]["text"] == "Paris"


# -- older -------------------------------------------------------------------------------------------------------------
def _older(version: str = "2025-11-25", *names: str) -> Peer:
    return Peer(CALLER, Session(version, {name: {} for name in names}, "s"), withdraws="s")


@pytest.mark.parametrize("version", ["2024-11-05", "2025-11-25"])
@pytest.mark.parametrize(
    ("name", "capability", "method", "result", "told"),
    [
        ("capital", "sampling", "sampling/createMessage", SAMPLED, "Paris"),
        ("durable_capital", "sampling", "sampling/createMessage", SAMPLED, "Paris"),
        ("counted", "roots", "roots/list", ROOTS, "1 root(s)"),
        ("durable_count", "roots", "roots/list", ROOTS, "1 root(s)"),
    ],
)
async def test_an_older_client_is_asked_by_requests(
    in_process: Start, recorded: Any, version: str, name: str, capability: str, method: str, result: Any, told: str
) -> None:
    peer = _older(version, capability)
    async with in_process(durable_capital, durable_count, catalog=_catalog()) as client:
        call = asyncio.create_task(client.send(peer, "tools/call", {"name": name}, recorded))
        asked = await recorded.wait_for(method)
        await client.kernel.reply(peer, Reply(asked["id"], result, None))
        answered = await call
    assert answered["result"]["content"][0]["text"] == told


async def test_an_older_client_that_lacks_it_is_told_so(in_process: Start, recorded: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        told = await client.send(_older("2025-11-25", "roots"), "tools/call", {"name": "capital"}, recorded)
    assert told["result"]["isError"] is True
    assert "sampling" in told["result"]["content"][0]["text"]
    assert recorded.sent == []


async def test_a_user_who_rejects_a_completion_has_declined(in_process: Start, recorded: Any) -> None:
    peer = _older("2025-11-25", "sampling")
    async with in_process(catalog=_catalog()) as client:
        call = asyncio.create_task(client.send(peer, "tools/call", {"name": "lenient"}, recorded))
        asked = await recorded.wait_for("sampling/createMessage")
        await client.kernel.reply(peer, Reply(asked["id"], None, {"code": -1, "message": "User rejected"}))
        answered = await call
    assert answered["result"]["content"][0]["text"] == "cancel: User rejected"


async def test_a_completion_that_is_none_is_not_asked_for_again(in_process: Start, recorded: Any) -> None:
    peer = _older("2025-11-25", "sampling")
    async with in_process(catalog=_catalog()) as client:
        call = asyncio.create_task(client.send(peer, "tools/call", {"name": "capital"}, recorded))
        asked = await recorded.wait_for("sampling/createMessage")
        await client.kernel.reply(peer, Reply(asked["id"], {"text": "Paris"}, None))
        answered = await call
    assert answered["result"]["isError"] is True
    assert len(recorded.sent) == 1


# -- a real client -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_official_client_answers_for_its_model_and_its_roots(over_http: Start, mode: Any) -> None:
    async def complete(context: Any, params: Any) -> CreateMessageResult:
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text="Paris"), model="m")

    async def tell(context: Any) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri=FileUrl("file:///a"))])

    async with (
        over_http(durable_capital, catalog=_catalog()) as server,
        Client(server.url, mode=mode, sampling_callback=complete, list_roots_callback=tell) as client,
    ):
        told = [
            (await client.call_tool(name, {})).structured_content for name in ("capital", "counted", "durable_capital")
        ]
    assert told == [{"result": "Paris"}, {"result": "1 root(s)"}, {"result": "Paris"}]
