"""How an agent says that its calls are tasks, and how what it raises or returns is told as a task and as a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from dragoman.agents import (
    CallContext,
    Catalog,
    Context,
    Embedded,
    Image,
    RequestError,
    Text,
    ToolResult,
    agent,
    tool,
)
from dragoman.engine import RunRequest
from dragoman.memory.model import FailureKind, Principal

Start = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = pytest.mark.anyio

META = "io.modelcontextprotocol/"
CALLER = Principal("acme", "ada")
ACCEPT = {"action": "accept", "content": {"name": "Ada"}}
NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@agent(task_support="required")
async def job(ctx: Context) -> str:
    """A task, always."""
    return "done"


@agent(task_support="forbidden")
async def greet(ctx: Context, name: str) -> str:
    """Never a task."""
    await asyncio.sleep(0.02)  # longer than a call is answered at once
    return f"Hello, {name}!"


@agent(task_support="forbidden")
async def asks_only(ctx: Context) -> str:
    """Never a task, and it asks."""
    return (await ctx.interrupt("Who?", schema=NAME, key="who"))["name"]  # type: ignore[no-any-return]


@tool(expose=True, task_support="required", ask_first=True)
async def named_job(ctx: Context) -> str:
    """Ask first, then be a task."""
    answer = await ctx.interrupt("Who?", schema=NAME, key="who")
    return f"for {answer['name']}"


@tool(expose=True, ask_first=True)
async def named(ctx: Context, quick: bool = False) -> str:
    """Ask first, then be a task if it is one."""
    if quick:
        return "at once"
    answer = await ctx.interrupt("Who?", schema=NAME, key="who")
    where = await ctx.ask("Where?", key="where")
    return f"for {answer['name']} in {where}"


@tool(expose=True)
async def refuses(ctx: Context, slowly: bool = False) -> str:
    """Raise an error of the request."""
    if slowly:
        await asyncio.sleep(0.1)  # longer than a call is answered at once
    raise RequestError("the quota is used up", code=-31000, data={"left": 0})


@tool(expose=True)
async def refuses_plainly(ctx: Context) -> str:
    """Raise an error of the request without data."""
    raise RequestError("not today")


@agent
async def blocks(ctx: Context) -> list[Text | Image | Embedded]:
    """Content."""
    await ctx.artifact("note.txt", "noted")
    return [Text(text="hello"), Image(data=b"\x89PNG"), Embedded(uri="test://a", text="inside")]


@tool(expose=True)
async def chosen(ctx: Context, failing: bool) -> ToolResult:
    """A result whose parts are chosen."""
    return ToolResult(content=(Text(text="some"),), structured={"some": 1}, is_error=failing)


def _catalog() -> Catalog:
    return Catalog(named_job, named, refuses, refuses_plainly, chosen)


async def _retry(client: Any, asked: Any, name: str, responses: Any, **how: Any) -> dict[str, Any]:
    params = {"name": name, "inputResponses": responses, "requestState": asked["requestState"]}
    response = await client.modern("tools/call", params, elicits=True, **how)
    result: dict[str, Any] = response["result"]
    return result


async def _task(client: Any, task: dict[str, Any], schemas: Any) -> dict[str, Any]:
    """A task of this id once its run has settled."""
    await client.engine.wait(CALLER, task["taskId"], 10)
    response = await client.modern("tasks/get", {"taskId": task["taskId"]}, tasks=True, elicits=True)
    schemas.tasks("GetTaskResult", response["result"])
    result: dict[str, Any] = response["result"]
    return result


# -- required ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("tasks.required")
@pytest.mark.parametrize("name", ["job", "named_job"])
async def test_a_call_that_must_be_a_task_is_refused_without_tasks_and_before_it_runs(
    in_process: Start, name: str
) -> None:
    async with in_process(job, catalog=_catalog()) as client:
        told = await client.modern("tools/call", {"name": name}, elicits=True)
        runs = (await client.engine.list_runs(CALLER)).items
    assert told["error"]["code"] == -32021
    assert told["error"]["data"] == {"requiredCapabilities": {"extensions": {META + "tasks": {}}}}
    assert runs == ()


async def test_a_call_that_must_be_a_task_is_one_although_it_ends_at_once(in_process: Start, schemas: Any) -> None:
    async with in_process(job) as client:
        task = await client.call("job", tasks=True)
        schemas.tasks("CreateTaskResult", task)
        done = await _task(client, task, schemas)
    assert task["resultType"] == "task"
    assert done["result"]["content"][0]["text"] == "done"


async def test_an_older_client_is_served_as_any_other(in_process: Start) -> None:
    async with in_process(job) as client:
        told = await client.older("tools/call", {"name": "job"})
    assert told["result"]["content"][0]["text"] == "done"


def test_a_plain_tool_cannot_be_a_task() -> None:
    async def plain(ctx: CallContext) -> str:
        return ""

    with pytest.raises(TypeError, match="takes a Context"):
        tool(expose=True, task_support="required")(plain)


# -- forbidden ---------------------------------------------------------------------------------------------------------
async def test_a_call_that_must_not_be_a_task_is_waited_for(in_process: Start) -> None:
    params = {"name": "greet", "arguments": {"name": "Ada"}, "task": {"ttl": 1000}}
    async with in_process(greet, inline_wait=0.001) as client:
        told = (await client.modern("tools/call", params, tasks=True))["result"]
    assert (told["resultType"], told["content"][0]["text"]) == ("complete", "Hello, Ada!")
    assert "taskId" not in told


async def test_a_call_that_must_not_be_a_task_asks_in_rounds(in_process: Start) -> None:
    async with in_process(asks_only) as client:
        asked = await client.call("asks_only", tasks=True, elicits=True)
        done = await _retry(client, asked, "asks_only", {"who": ACCEPT}, tasks=True)
    assert asked["resultType"] == "input_required"
    assert done["content"][0]["text"] == "Ada"


# -- asking first ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["named_job", "named"])
async def test_what_is_asked_first_is_asked_in_the_call_and_its_retry_is_a_task(
    in_process: Start, name: str, schemas: Any
) -> None:
    async with in_process(catalog=_catalog()) as client:
        asked = await client.call(name, tasks=True, elicits=True)
        task = await _retry(client, asked, name, {"who": ACCEPT}, tasks=True)
        schemas.tasks("CreateTaskResult", task)
        got = await _task(client, task, schemas)
    assert asked["resultType"] == "input_required"
    assert list(asked["inputRequests"]) == ["who"]
    assert "taskId" not in asked
    assert task["resultType"] == "task"
    assert not {"requestState", "inputRequests"} & set(task)
    if name == "named_job":
        assert got["result"]["content"][0]["text"] == "for Ada"
    else:  # what comes later is the task's to ask
        assert list(got["inputRequests"]) == ["where"]


async def test_a_wrong_answer_to_what_is_asked_first_is_asked_for_again(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        asked = await client.call("named_job", tasks=True, elicits=True)
        wrong = {"action": "accept", "content": {"name": 5}}
        again = await _retry(client, asked, "named_job", {"who": wrong}, tasks=True)
    assert again["resultType"] == "input_required"
    assert "name" in again["inputRequests"]["who"]["params"]["message"]


async def test_one_that_asks_nothing_first_is_answered_as_any_other(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        told = await client.call("named", {"quick": True}, tasks=True, elicits=True)
    assert (told["resultType"], told["content"][0]["text"]) == ("complete", "at once")


async def test_a_client_that_cannot_be_asked_gets_the_task_at_once(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        told = await client.call("named_job", tasks=True)
    assert told["resultType"] == "task"


async def test_answers_given_ahead_are_given_to_the_run(in_process: Start) -> None:
    responses = {"who": ACCEPT, "where": {"action": "accept", "content": {"answer": "Bath"}}, "nobody": 5}
    async with in_process(catalog=_catalog()) as client:
        params = {"name": "named", "inputResponses": responses}
        told = (await client.modern("tools/call", params, elicits=True))["result"]
        half = {"name": "named", "inputResponses": {"where": responses["where"], "wrong": ACCEPT}}
        asked = (await client.modern("tools/call", half, elicits=True))["result"]
        no_object = await client.modern("tools/call", {**params, "inputResponses": 5}, elicits=True)
    assert told["content"][0]["text"] == "for Ada in Bath"
    assert list(asked["inputRequests"]) == ["who"]
    assert no_object["error"]["code"] == -32602


# -- errors of the request ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("modern", [True, False])
async def test_an_error_of_the_request_is_the_calls_json_rpc_error(in_process: Start, modern: bool) -> None:
    async with in_process(catalog=_catalog()) as client:
        ask = client.modern if modern else client.older
        told = await ask("tools/call", {"name": "refuses"})
        bare = await ask("tools/call", {"name": "refuses_plainly"})
    assert told["error"] == {"code": -31000, "message": "the quota is used up", "data": {"left": 0}}
    assert bare["error"] == {"code": -32603, "message": "not today"}


@pytest.mark.requirement("tasks.error-inlined", "tasks.error-is-the-requests", "tasks.get-failed")
async def test_an_error_of_the_request_is_a_failed_task_that_holds_it(in_process: Start, schemas: Any) -> None:
    async with in_process(catalog=_catalog(), inline_wait=0.01) as client:
        task = await client.call("refuses", {"slowly": True}, tasks=True)
        got = await _task(client, task, schemas)
    assert (got["status"], got["resultType"]) == ("failed", "complete")
    assert got["error"] == {"code": -31000, "message": "the quota is used up", "data": {"left": 0}}
    assert "result" not in got


async def test_an_error_of_the_request_is_still_there_after_a_restart(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        run = await client.engine.accept(CALLER, RunRequest("refuses", input={}))
        await client.engine.wait(CALLER, run.id, 10)
    async with in_process(catalog=_catalog()) as restarted:
        got = (await restarted.modern("tasks/get", {"taskId": run.id}, tasks=True))["result"]
        status = await restarted.call("run_status", {"run_id": run.id})
        (failure,) = [v.run.failure for v in (await restarted.engine.list_runs(CALLER)).items]
    assert got["error"]["data"] == {"left": 0}
    assert status["content"][0]["text"] == "the quota is used up"
    assert (failure.kind, failure.type, failure.code) == (FailureKind.REQUEST, "RequestError", -31000)


def test_data_that_is_no_json_is_told_where_it_was_made() -> None:
    with pytest.raises(ValueError, match="not JSON"):
        RequestError("no", data=object())


# -- content -----------------------------------------------------------------------------------------------------------
async def test_what_a_run_returns_as_content_is_told_as_blocks(in_process: Start, schemas: Any) -> None:
    async with in_process(blocks) as client:
        told = await client.call("blocks")
        listed = (await client.modern("tools/list"))["result"]["tools"]
    types = [b["type"] for b in told["content"]]
    assert types == ["text", "image", "resource", "resource"]
    assert told["content"][1] == {"type": "image", "data": "iVBORw==", "mimeType": "image/png"}
    assert told["content"][2]["resource"] == {"uri": "test://a", "text": "inside"}
    assert "structuredContent" not in told
    assert not any("outputSchema" in t for t in listed if t["name"] == "blocks")
    schemas.modern("CallToolResult", told)


@pytest.mark.parametrize("failing", [True, False])
async def test_a_run_may_choose_its_result_part_by_part(in_process: Start, failing: bool, schemas: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        told = await client.call("chosen", {"failing": failing})
        (view,) = (await client.engine.list_runs(CALLER)).items
        got = await _task(client, {"taskId": view.run.id}, schemas)
    assert (told["isError"], told["structuredContent"]) == (failing, {"some": 1})
    assert got["status"] == "completed"
    assert got["result"]["isError"] is failing


# -- replays -----------------------------------------------------------------------------------------------------------
async def test_a_retry_that_comes_twice_changes_nothing_and_is_answered_as_the_first(in_process: Start) -> None:
    async with in_process(asks_only) as client:
        asked = await client.call("asks_only", elicits=True)
        first = await _retry(client, asked, "asks_only", {"who": ACCEPT})
        other = {"action": "accept", "content": {"name": "Bob"}}
        again = await _retry(client, asked, "asks_only", {"who": other})
        runs = (await client.engine.list_runs(CALLER)).items
    assert first["content"] == again["content"] == [{"type": "text", "text": "Ada"}]
    assert len(runs) == 1


# -- several questions -------------------------------------------------------------------------------------------------
@agent
async def two_at_once(ctx: Context) -> str:
    """Ask twice at once."""
    return " and ".join(await asyncio.gather(ctx.ask("One?", key="one"), ctx.ask("Two?", key="two")))


async def test_a_task_of_which_one_question_is_answered_goes_on_to_ask_the_other(
    in_process: Start, schemas: Any
) -> None:
    how: dict[str, Any] = {"tasks": True, "elicits": True}
    async with in_process(two_at_once) as client:
        named = {"taskId": (await client.call("two_at_once", **how))["taskId"]}
        for key, left in (("one", ["two"]), ("two", [])):
            answer = {key: {"action": "accept", "content": {"answer": key}}}
            await client.modern("tasks/update", {**named, "inputResponses": answer}, **how)
            got = (await client.modern("tasks/get", named, **how))["result"]
            assert (list(got.get("inputRequests", {})), got["status"] == "input_required") == (left, bool(left))
        done = await _task(client, named, schemas)
    assert done["result"]["content"][0]["text"] == "one and two"
