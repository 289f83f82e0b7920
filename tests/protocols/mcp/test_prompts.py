"""Prompts: how they are listed, what their arguments may be, and what their messages become in each version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import pytest

from dragoman.agents import (
    Audio,
    CallContext,
    Catalog,
    Embedded,
    Icon,
    Image,
    Link,
    Message,
    Prompt,
    RequestError,
    prompt,
)
from dragoman.mcp import eras
from dragoman.mcp.jsonrpc import Reply
from dragoman.memory.model import Principal

Start = Callable[..., AbstractAsyncContextManager[Any]]
OTHER_SCOPES = Principal("acme", "bob", frozenset({"runs"}))


@prompt(title="Hello", description="Greets.", icons=[Icon(src="https://icons.example/hi.png")], meta={"x.y/z": 1})
async def hello() -> str:
    return "Say hello."


@prompt
async def review(order_id: str, stars: int = 5, tone: Literal["kind", "plain"] = "kind") -> list[str | Message]:
    """Review an order."""
    return [f"{order_id}: {stars + 1} ({tone})", Message.of("I will.", "assistant")]


@prompt(scopes=["desk"])
async def secret() -> str:
    return "For the desk."


@prompt(description="Every kind of content.")
async def everything() -> list[Any]:
    return [
        Image(data=b"png"),
        Message.of(Audio(data=b"wav")),
        Embedded(uri="notes://1", mime_type="text/plain", text="a note"),
        Link(uri="notes://2", name="second"),
    ]


def _many(count: int) -> list[Prompt]:
    async def render() -> str:
        return "x"

    return [prompt(name=f"p{number:03}", description="One of many.")(render) for number in range(count)]


@pytest.mark.requirement("prompts.listed")
@pytest.mark.anyio
@pytest.mark.parametrize("version", [*eras.OLDER, "modern"])
async def test_prompts_are_listed_in_one_order_page_by_page(in_process: Start, version: str, schemas: Any) -> None:
    names: list[str] = []
    async with in_process(catalog=Catalog(*_many(25), hello), page_size=10) as client:
        cursor: dict[str, Any] = {}
        while True:
            if version == "modern":
                result = (await client.modern("prompts/list", cursor))["result"]
                schemas.modern("ListPromptsResult", result)
                assert (result["ttlMs"], result["cacheScope"]) == (60_000, "private")
            else:
                result = (await client.older("prompts/list", cursor, version=version))["result"]
                assert "ttlMs" not in result
            names += [p["name"] for p in result["prompts"]]
            if "nextCursor" not in result:
                break
            cursor = {"cursor": result["nextCursor"]}
    assert names == [*(f"p{number:03}" for number in range(25)), "hello"]


@pytest.mark.requirement("prompts.declared")
@pytest.mark.anyio
async def test_a_prompt_is_told_of_as_its_version_can_take_it(in_process: Start, schemas: Any) -> None:
    async with in_process(catalog=Catalog(hello, review)) as client:
        first = (await client.older("prompts/list", version="2024-11-05"))["result"]["prompts"]
        last = (await client.older("prompts/list"))["result"]
        discovered = (await client.modern("server/discover"))["result"]["capabilities"]
    assert first[0] == {"name": "hello", "description": "Greets."}
    assert last["prompts"][0] == {
        "name": "hello",
        "title": "Hello",
        "description": "Greets.",
        "icons": [{"src": "https://icons.example/hi.png"}],
        "_meta": {"x.y/z": 1},
    }
    assert last["prompts"][1]["arguments"] == [
        {"name": "order_id", "required": True},
        {"name": "stars", "required": False},
        {"name": "tone", "required": False},
    ]
    schemas.older("ListPromptsResult", last)
    assert "prompts" in discovered


@pytest.mark.requirement("prompts.list-stable")
@pytest.mark.anyio
async def test_the_list_is_the_same_for_every_peer_and_after_other_requests(in_process: Start) -> None:
    async with in_process(catalog=Catalog(hello, review)) as client:
        first = (await client.modern("prompts/list"))["result"]
        await client.modern("prompts/get", {"name": "hello"})
        again = (await client.modern("prompts/list", principal=Principal("else", "eve")))["result"]
    assert first == again


@pytest.mark.anyio
async def test_a_list_that_changes_is_told_anew_and_a_cursor_keeps_its_place(in_process: Start) -> None:
    catalog = Catalog(*_many(4))
    async with in_process(catalog=catalog, page_size=2) as client:
        first = (await client.modern("prompts/list"))["result"]
        catalog.remove(*_many(1))
        second = (await client.modern("prompts/list", {"cursor": first["nextCursor"]}))["result"]
        catalog.remove(_many(2)[1])
        third = (await client.modern("prompts/list", {"cursor": first["nextCursor"]}))["result"]
        catalog.remove(_many(3)[2])
        gone = await client.modern("prompts/list", {"cursor": first["nextCursor"]})
        catalog.add(_many(3)[2], hello)
        anew = (await client.modern("prompts/list"))["result"]
        foreign = await client.modern("prompts/list", {"cursor": "after-2"})
        number = await client.modern("prompts/list", {"cursor": 3})
    assert [p["name"] for p in second["prompts"]] == [p["name"] for p in third["prompts"]] == ["p002", "p003"]
    assert gone["error"]["code"] == foreign["error"]["code"] == number["error"]["code"] == -32602
    assert [p["name"] for p in anew["prompts"]] == ["p003", "p002"]
    assert "nextCursor" in anew


@pytest.mark.anyio
async def test_a_prompt_is_for_those_who_hold_its_scopes(in_process: Start) -> None:
    async with in_process(catalog=Catalog(hello, secret)) as client:
        all = (await client.modern("prompts/list"))["result"]["prompts"]
        some = (await client.modern("prompts/list", principal=OTHER_SCOPES))["result"]["prompts"]
        refused = await client.modern("prompts/get", {"name": "secret"}, principal=OTHER_SCOPES)
        given = await client.modern("prompts/get", {"name": "secret"})
    assert [p["name"] for p in all] == ["hello", "secret"]
    assert [p["name"] for p in some] == ["hello"]
    assert "desk" in refused["error"]["message"]
    assert given["result"]["messages"] == [{"role": "user", "content": {"type": "text", "text": "For the desk."}}]


@pytest.mark.anyio
async def test_arguments_are_texts_that_become_what_the_function_takes(in_process: Start, schemas: Any) -> None:
    async with in_process(catalog=Catalog(review)) as client:
        params = {"name": "review", "arguments": {"order_id": "o-1", "stars": "3"}}
        result = (await client.modern("prompts/get", params))["result"]
        older = (await client.older("prompts/get", params))["result"]
    assert result["description"] == "Review an order."
    assert result["messages"] == [
        {"role": "user", "content": {"type": "text", "text": "o-1: 4 (kind)"}},
        {"role": "assistant", "content": {"type": "text", "text": "I will."}},
    ]
    assert older == {"description": result["description"], "messages": result["messages"]}
    schemas.modern("GetPromptResult", result)
    schemas.older("GetPromptResult", older)


@pytest.mark.requirement("prompts.security")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "order_id"),
        ({"order_id": "o-1", "speed": "fast"}, "speed"),
        ({"order_id": "o-1", "stars": "many"}, "stars"),
        ({"order_id": "o-1", "tone": "rude"}, "tone"),
        ({"order_id": 7}, "order_id"),
        (["o-1"], "arguments"),
    ],
)
async def test_an_argument_that_does_not_fit_is_named(in_process: Start, arguments: Any, named: str) -> None:
    async with in_process(catalog=Catalog(review)) as client:
        response = await client.modern("prompts/get", {"name": "review", "arguments": arguments})
    assert response["error"]["code"] == -32602
    assert named in response["error"]["message"]


@pytest.mark.anyio
async def test_an_unknown_prompt_is_an_invalid_parameter(in_process: Start) -> None:
    async with in_process(catalog=Catalog(hello)) as client:
        unknown = await client.modern("prompts/get", {"name": "nope"})
        nameless = await client.modern("prompts/get", {})
    assert unknown["error"]["code"] == nameless["error"]["code"] == -32602
    assert "nope" in unknown["error"]["message"]


@pytest.mark.requirement("prompts.image", "prompts.audio", "prompts.embedded")
@pytest.mark.anyio
async def test_content_that_a_version_lacks_is_told_in_text(in_process: Start, schemas: Any) -> None:
    async with in_process(catalog=Catalog(everything)) as client:
        modern = (await client.modern("prompts/get", {"name": "everything"}))["result"]
        first = (await client.older("prompts/get", {"name": "everything"}, version="2024-11-05"))["result"]
    schemas.modern("GetPromptResult", modern)
    assert [m["content"]["type"] for m in modern["messages"]] == ["image", "audio", "resource", "resource_link"]
    assert modern["messages"][0]["content"] == {"type": "image", "data": "cG5n", "mimeType": "image/png"}
    assert modern["messages"][1]["content"] == {"type": "audio", "data": "d2F2", "mimeType": "audio/wav"}
    assert modern["messages"][2]["content"]["resource"] == {
        "uri": "notes://1",
        "mimeType": "text/plain",
        "text": "a note",
    }
    assert [m["content"]["type"] for m in first["messages"]] == ["image", "text", "resource", "text"]
    assert "notes://2" in first["messages"][3]["content"]["text"]


@pytest.mark.anyio
async def test_a_prompt_that_fails_tells_nothing_of_why(in_process: Start, caplog: pytest.LogCaptureFixture) -> None:
    @prompt
    async def broken() -> str:
        raise RuntimeError("the password is 1234")

    async with in_process(catalog=Catalog(broken)) as client:
        response = await client.modern("prompts/get", {"name": "broken"})
    assert response["error"]["code"] == -32603
    assert "1234" not in response["error"]["message"]
    assert "1234" in caplog.text


# -- prompts that ask --------------------------------------------------------------------------------------------------
@prompt(description="Asks before it is made.")
async def asking(ctx: CallContext, topic: str) -> str:
    schema = {"type": "object", "properties": {"context": {"type": "string"}}, "required": ["context"]}
    answer = await ctx.interrupt("What context should the prompt use?", schema=schema, key="user_context")
    return f"{topic}: {answer['context']}"


ASK = {"name": "asking", "arguments": {"topic": "tea"}}
ANSWERED = {"user_context": {"action": "accept", "content": {"context": "green"}}}


@pytest.mark.anyio
async def test_in_the_modern_era_a_prompt_that_asks_is_input_required_and_made_in_the_retry(
    in_process: Start, schemas: Any
) -> None:
    async with in_process(catalog=Catalog(asking)) as client:
        first = (await client.modern("prompts/get", ASK, elicits=True))["result"]
        retry = {**ASK, "inputResponses": ANSWERED, "requestState": first["requestState"]}
        other = await client.modern("prompts/get", {**retry, "arguments": {"topic": "coffee"}}, elicits=True)
        second = (await client.modern("prompts/get", retry, elicits=True))["result"]
        again = await client.modern("prompts/get", retry, elicits=True)
    assert first["resultType"] == "input_required"
    assert first["inputRequests"]["user_context"]["method"] == "elicitation/create"
    schemas.modern("InputRequiredResult", first)
    assert second["resultType"] == "complete"
    assert second["messages"][0]["content"]["text"] == "tea: green"
    assert other["error"]["code"] == again["error"]["code"] == -32602


@pytest.mark.anyio
async def test_in_the_older_era_a_prompt_that_asks_elicits_on_the_way(in_process: Start, recorded: Any) -> None:
    async with in_process(catalog=Catalog(asking)) as client:
        making = asyncio.create_task(client.older("prompts/get", ASK, elicits=True, channel=recorded))
        asked = await recorded.wait_for("elicitation/create")
        reply = Reply(asked["id"], {"action": "accept", "content": {"context": "black"}}, None)
        await client.kernel.reply(client.peer(elicits=True), reply)
        result = (await making)["result"]
    assert asked["params"]["message"] == "What context should the prompt use?"
    assert result["messages"][0]["content"]["text"] == "tea: black"


@pytest.mark.anyio
async def test_a_client_that_cannot_be_asked_is_told_what_it_lacks(in_process: Start) -> None:
    async with in_process(catalog=Catalog(asking)) as client:
        refused = (await client.modern("prompts/get", ASK))["error"]
        declined = await client.modern("prompts/get", ASK, elicits=True)
        state = declined["result"]["requestState"]
        no = {"user_context": {"action": "decline"}}
        said_no = await client.modern("prompts/get", {**ASK, "inputResponses": no, "requestState": state}, elicits=True)
    assert refused["code"] == -32021
    assert refused["data"] == {"requiredCapabilities": {"elicitation": {}}}
    assert said_no["error"]["code"] == -32602


@pytest.mark.anyio
async def test_a_prompt_may_refuse_with_a_code_of_its_own(in_process: Start) -> None:
    @prompt
    async def closed() -> str:
        """Closed today."""
        raise RequestError("Closed on Sundays.", code=1234, data={"until": "Monday"})

    async with in_process(catalog=Catalog(closed)) as client:
        error = (await client.modern("prompts/get", {"name": "closed"}))["error"]
    assert error == {"code": 1234, "message": "Closed on Sundays.", "data": {"until": "Monday"}}
