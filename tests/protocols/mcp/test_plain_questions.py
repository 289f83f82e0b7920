"""Questions of tools that are done within their request: retries in the modern era, requests in the older one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from mcp.client import Client
from mcp_types import ElicitResult
from pydantic import BaseModel, Field

from dragoman.agents import (
    CallContext,
    CannotAsk,
    Catalog,
    Context,
    Declined,
    InterruptExpired,
    InterruptKind,
    tool,
)
from dragoman.mcp.call import Peer, Session
from dragoman.mcp.jsonrpc import Reply
from dragoman.memory.model import Principal

Start = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = pytest.mark.anyio

META = "io.modelcontextprotocol/"
CALLER = Principal("acme", "ada")
AUDIT = "dragoman.audit"


class Person(BaseModel):
    name: str
    age: int = Field(ge=0)


# -- the tools ---------------------------------------------------------------------------------------------------------
@tool(expose=True)
async def name_and_color(ctx: CallContext, greeting: str = "") -> str:
    """Ask twice, one after the other."""
    name = await ctx.ask("Your name?", key="name")
    color = await ctx.ask("Your color?", choices=["red", "blue"], key="color")
    return f"{greeting}{name} likes {color}"


@tool(expose=True)
async def both(ctx: CallContext) -> str:
    """Ask twice at once."""
    who, where = await asyncio.gather(ctx.interrupt("Who?", schema=Person, key="who"), ctx.ask("Where?", key="where"))
    return f"{who.name} ({who.age}) in {where}"


@tool(expose=True)
async def again(ctx: CallContext) -> str:
    """Ask under one name twice."""
    return await ctx.ask("One?") + await ctx.ask("Two?")


@tool(expose=True)
async def gentle(ctx: CallContext) -> str:
    """Take no for an answer."""
    try:
        answer = await ctx.ask("May I?")
    except Declined as declined:
        return f"you chose to {declined.action}"
    except CannotAsk as cannot:
        return f"nobody to ask: {cannot.capability}"
    except InterruptExpired:
        return "too late"
    return answer


@tool(expose=True)
async def approved(ctx: CallContext) -> str:
    """Ask for approval."""
    answer = await ctx.interrupt("Do it?", kind=InterruptKind.APPROVAL)
    return str(answer["approved"])


@tool(expose=True)
async def signs_in(ctx: CallContext) -> str:
    """Ask for what a form must not ask for."""
    return str(await ctx.interrupt("Sign in", kind=InterruptKind.AUTH))


@tool(expose=True)
async def impatient(ctx: CallContext) -> str:
    """Ask, and not for long."""
    try:
        return await ctx.ask("Quick?", timeout=0.05)
    except InterruptExpired:
        return "too late"


CATALOG = (name_and_color, both, again, gentle, approved, signs_in, impatient)


def _catalog() -> Catalog:
    return Catalog(*CATALOG)


def _accept(answer: Any) -> dict[str, Any]:
    return {"action": "accept", "content": answer if isinstance(answer, dict) else {"answer": answer}}


async def _retry(client: Any, asked: Mapping[str, Any], name: str, responses: Any, **how: Any) -> dict[str, Any]:
    params = {"name": name, "inputResponses": responses}
    if "requestState" in asked:
        params["requestState"] = asked["requestState"]
    response: dict[str, Any] = await client.modern("tools/call", params, **{"elicits": True, **how})
    return response


# -- questions, modern -------------------------------------------------------------------------------------------------
async def test_a_question_is_answered_by_a_retry_and_so_is_the_next(in_process: Start, schemas: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        first = await client.call("name_and_color", elicits=True)
        second = (await _retry(client, first, "name_and_color", {"name": _accept("Ada")}))["result"]
        done = (await _retry(client, second, "name_and_color", {"color": _accept("blue")}))["result"]
    assert first["resultType"] == second["resultType"] == "input_required"
    assert (list(first["inputRequests"]), list(second["inputRequests"])) == (["name"], ["color"])
    assert first["requestState"] != second["requestState"]
    assert done["content"][0]["text"] == "Ada likes blue"
    schemas.modern("InputRequiredResult", first)


async def test_questions_that_are_asked_at_once_are_put_together(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        first = await client.call("both", elicits=True)
        second = (await _retry(client, first, "both", {"where": _accept("Bath")}))["result"]
        done = (await _retry(client, second, "both", {"who": _accept({"name": "Ada", "age": 36})}))["result"]
    assert set(first["inputRequests"]) == {"who", "where"}
    assert set(second["inputRequests"]) == {"who"}
    assert done["content"][0]["text"] == "Ada (36) in Bath"


async def test_the_second_question_of_a_name_has_a_key_of_its_own(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        first = await client.call("again", elicits=True)
        second = (await _retry(client, first, "again", {"input": _accept("a")}))["result"]
        done = (await _retry(client, second, "again", {"input#2": _accept("b")}))["result"]
    assert list(second["inputRequests"]) == ["input#2"]
    assert done["content"][0]["text"] == "ab"


async def test_answers_given_ahead_are_taken_and_keys_that_nobody_asked_for_are_ignored(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        ahead = {"name": _accept("Ada"), "color": _accept("red"), "nobody": _accept("x"), "asked": 5}
        done = (await _retry(client, {}, "name_and_color", ahead))["result"]
        other = (await _retry(client, {}, "name_and_color", {"wrong": _accept("x")}))["result"]
    assert done["content"][0]["text"] == "Ada likes red"
    assert list(other["inputRequests"]) == ["name"]


@pytest.mark.parametrize("response", [12345, None, "yes", {}, {"action": "maybe"}, {"action": "accept"}])
async def test_a_response_that_is_none_is_refused(in_process: Start, response: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        told = await _retry(client, {}, "name_and_color", {"name": response})
    assert told["error"]["code"] == -32602


@pytest.mark.parametrize(("responses", "code"), [(None, None), (5, -32602), ([], -32602)])
async def test_responses_that_are_no_object_are_refused_and_null_is_none(
    in_process: Start, responses: Any, code: int | None
) -> None:
    async with in_process(catalog=_catalog()) as client:
        told = await _retry(client, {}, "name_and_color", responses)
    if code is None:
        assert told["result"]["resultType"] == "input_required"
    else:
        assert told["error"]["code"] == code


async def test_an_answer_that_does_not_fit_is_asked_for_again_with_the_reason(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        first = await client.call("both", elicits=True)
        wrong = {"who": _accept({"name": "Ada", "age": -1}), "where": _accept("Bath")}
        second = (await _retry(client, first, "both", wrong))["result"]
    assert list(second["inputRequests"]) == ["who"]
    message = second["inputRequests"]["who"]["params"]["message"]
    assert message.startswith("Who?\n\n")
    assert "age" in message


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_what_was_done_in_place_of_an_answer_is_seen_by_the_function(in_process: Start, action: str) -> None:
    async with in_process(catalog=_catalog()) as client:
        asked = await client.call("gentle", elicits=True)
        told = (await _retry(client, asked, "gentle", {"input": {"action": action}}))["result"]
        first = await client.call("name_and_color", elicits=True)
        uncaught = (await _retry(client, first, "name_and_color", {"name": {"action": action}}))["result"]
    assert told["content"][0]["text"] == f"you chose to {action}"
    assert uncaught["isError"] is True


async def test_an_approval_that_is_declined_is_not_given(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        asked = await client.call("approved", elicits=True)
        told = (await _retry(client, asked, "approved", {"approval": {"action": "decline"}}))["result"]
    assert told["content"][0]["text"] == "False"


async def test_a_question_whose_time_is_over_has_expired_for_the_function(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        asked = await client.call("impatient", elicits=True)
        await asyncio.sleep(0.06)  # the question's own time, which nothing tells the end of
        told = (await _retry(client, asked, "impatient", {"input": _accept("yes")}))["result"]
    assert told["content"][0]["text"] == "too late"


@pytest.mark.parametrize("how", ["tampered", "another caller", "other arguments", "another tool", "lapsed", "no text"])
async def test_a_state_that_is_not_for_this_very_call_is_refused(in_process: Start, how: str) -> None:
    async with in_process(catalog=_catalog(), state_ttl=-1.0 if how == "lapsed" else 60.0) as client:
        asked = await client.call("name_and_color", elicits=True)
        state = asked["requestState"]
        retry: dict[str, Any] = {"name": "name_and_color", "requestState": state}
        retry["inputResponses"] = {"name": _accept("Ada")}
        principal = CALLER
        if how == "tampered":
            retry["requestState"] = state + "-TAMPERED"
        elif how == "another caller":
            principal = Principal("acme", "bob")
        elif how == "other arguments":
            retry["arguments"] = {"greeting": "Dear "}
        elif how == "another tool":
            retry["name"] = "gentle"
        elif how == "no text":
            retry["requestState"] = 5
        told = await client.modern("tools/call", retry, elicits=True, principal=principal)
    assert told["error"]["code"] == -32602


async def test_a_state_is_taken_once_and_by_one_server_of_several(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        first = await client.call("name_and_color", elicits=True)
        answers = [_retry(client, first, "name_and_color", {"name": _accept(n)}) for n in ("Ada", "Bob", "Cy")]
        told = await asyncio.gather(*answers)
        later = await _retry(client, first, "name_and_color", {"name": _accept("Dan")})
    assert sorted("error" in t for t in told) == [False, True, True]
    assert later["error"]["code"] == -32602
    async with in_process(catalog=_catalog()) as restarted:
        assert (await _retry(restarted, first, "name_and_color", {"name": _accept("E")}))["error"]["code"] == -32602


async def test_a_state_of_a_run_and_one_of_a_plain_call_are_two_things(in_process: Start) -> None:
    async def asks(ctx: Context) -> str:
        """Ask."""
        return await ctx.ask("What?")

    async def asks_plainly(ctx: CallContext) -> str:
        """Ask."""
        return await ctx.ask("What?")

    durable, plain = tool(expose=True, name="asks")(asks), tool(expose=True, name="asks")(asks_plainly)
    catalog = Catalog(durable)
    async with in_process(catalog=catalog) as client:
        of_run = await client.call("asks", elicits=True)
        catalog.add(plain)
        one = await _retry(client, of_run, "asks", {"input": _accept("it")})
        of_call = await client.call("asks", elicits=True)
        catalog.add(durable)
        other = await _retry(client, of_call, "asks", {"input": _accept("it")})
    assert one["error"]["code"] == other["error"]["code"] == -32602


async def test_a_client_that_cannot_be_asked_is_told_what_it_lacks(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        modern = await client.modern("tools/call", {"name": "name_and_color"})
        older = await client.older("tools/call", {"name": "name_and_color"})
        caught = await client.call("gentle")
    assert modern["error"]["code"] == -32021
    assert modern["error"]["data"] == {"requiredCapabilities": {"elicitation": {}}}
    assert older["result"]["isError"] is True
    assert caught["content"][0]["text"] == "nobody to ask: elicitation"


async def test_what_a_form_must_not_ask_for_is_not_asked(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        told = await client.modern("tools/call", {"name": "signs_in"}, elicits=True)
    assert "result" not in told


# -- questions, older --------------------------------------------------------------------------------------------------
async def _older(client: Any, name: str, recorded: Any) -> asyncio.Task[dict[str, Any]]:
    return asyncio.create_task(client.older("tools/call", {"name": name}, elicits=True, channel=recorded))


async def test_an_older_client_is_asked_on_the_calls_own_channel(in_process: Start, recorded: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        call = await _older(client, "name_and_color", recorded)
        for count, answer in ((1, "Ada"), (2, "blue")):
            asked = await recorded.wait_for("elicitation/create", count)
            await client.kernel.reply(client.peer(elicits=True), Reply(asked["id"], _accept(answer), None))
        told = await call
    assert told["result"]["content"][0]["text"] == "Ada likes blue"


async def test_an_older_client_is_asked_again_when_its_answer_does_not_fit(in_process: Start, recorded: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        call = await _older(client, "name_and_color", recorded)
        for count, answer in ((1, "Ada"), (2, "green"), (3, "red")):
            asked = await recorded.wait_for("elicitation/create", count)
            await client.kernel.reply(client.peer(elicits=True), Reply(asked["id"], _accept(answer), None))
        told = await call
    assert told["result"]["content"][0]["text"] == "Ada likes red"


@pytest.mark.parametrize(
    ("result", "error", "told"),
    [
        ({"action": "decline"}, None, "you chose to decline"),
        ({"action": "cancel"}, None, "you chose to cancel"),
        (None, {"code": -1, "message": "no"}, "you chose to cancel"),
    ],
)
async def test_what_an_older_client_did_in_place_of_an_answer_is_seen(
    in_process: Start, recorded: Any, result: Any, error: Any, told: str
) -> None:
    async with in_process(catalog=_catalog()) as client:
        call = await _older(client, "gentle", recorded)
        asked = await recorded.wait_for("elicitation/create")
        await client.kernel.reply(client.peer(elicits=True), Reply(asked["id"], result, error))
        answered = await call
    assert answered["result"]["content"][0]["text"] == told


async def test_a_reply_of_another_caller_or_session_answers_nothing(in_process: Start, recorded: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        call = await _older(client, "gentle", recorded)
        asked = await recorded.wait_for("elicitation/create")
        declared: dict[str, Any] = {"elicitation": {}}
        for stranger in (
            Peer(Principal("acme", "bob"), Session("2025-11-25", declared, "s")),
            Peer(CALLER, Session("2025-11-25", declared, "other")),
            Peer(CALLER),
        ):
            await client.kernel.reply(stranger, Reply(asked["id"], _accept("stolen"), None))
        await client.kernel.reply(client.peer(elicits=True), Reply(asked["id"], _accept("mine"), None))
        answered = await call
    assert answered["result"]["content"][0]["text"] == "mine"


async def test_a_question_that_nobody_answers_in_time_has_expired(in_process: Start, recorded: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        call = await _older(client, "impatient", recorded)
        answered = await call
    assert answered["result"]["content"][0]["text"] == "too late"


async def test_a_client_that_hangs_up_is_waited_for_no_more(in_process: Start, recorded: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        call = await _older(client, "gentle", recorded)
        await recorded.wait_for("elicitation/create")
        client.kernel.hang_up()
        answered = await call
    assert answered["result"]["content"][0]["text"] == "too late"


# -- a real client -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_official_client_answers_what_is_asked_at_once(over_http: Start, mode: Any) -> None:
    async def answer(context: Any, params: Any) -> ElicitResult:
        fields: dict[str, Any] = {"Who?": {"name": "Ada", "age": 36}, "Where?": {"answer": "Bath"}}
        return ElicitResult(action="accept", content=fields[params.message])

    async with (
        over_http(catalog=_catalog()) as server,
        Client(server.url, mode=mode, elicitation_callback=answer) as client,
    ):
        asked = await client.call_tool("both", {})
    assert asked.structured_content == {"result": "Ada (36) in Bath"}
