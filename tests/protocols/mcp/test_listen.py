"""``subscriptions/listen``: what is honoured, what is told and to whom, how it ends, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx
import pytest
from mcp.client import Client

from dragoman.agents import Catalog
from dragoman.memory.model import Principal

from .listening import (
    CALLER,
    EVERYTHING,
    META,
    STRANGER,
    Start,
    extra,
    greeting,
    keep,
    listeners,
    listening,
    notes,
    request_of,
    weather,
)

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("subscriptions.acknowledged", "subscriptions.id", "subscriptions.nothing-before")
async def test_the_first_message_tells_what_is_honoured_and_everything_names_the_subscription(
    in_process: Start, recorded: Any, schemas: Any
) -> None:
    catalog = Catalog(weather)
    async with in_process(catalog=catalog) as client:
        async with listening(client, recorded, {**EVERYTHING, "other": True}, id="mine") as stream:
            catalog.add(extra)
            catalog.add(greeting)
            told = await stream.told(3)
            catalog.remove(weather)
            told = await stream.told(4)
        assert stream.methods == [
            "subscriptions/acknowledged",
            "tools/list_changed",
            "prompts/list_changed",
            "resources/list_changed",
        ]
        assert told[0]["params"]["notifications"] == EVERYTHING
        assert all(message["params"]["_meta"] == {META + "subscriptionId": "mine"} for message in told)
        for message, kind in zip(told[1:], ("Tool", "Prompt", "Resource"), strict=True):
            schemas.modern(f"{kind}ListChangedNotification", message)
        schemas.modern("SubscriptionsAcknowledgedNotification", told[0])


@pytest.mark.requirement("subscriptions.requested-only")
async def test_only_what_was_asked_for_is_told(in_process: Start, recorded: Any) -> None:
    catalog = Catalog()
    async with in_process(catalog=catalog) as client:
        asked = {"promptsListChanged": True, "toolsListChanged": False}
        async with listening(client, recorded, asked) as stream:
            catalog.add(extra)
            catalog.add(weather)
            catalog.changed("weather://today")
            catalog.add(greeting)
            told = await stream.told(2)
        assert told[0]["params"]["notifications"] == {"promptsListChanged": True}
        assert stream.methods == ["subscriptions/acknowledged", "prompts/list_changed"]


async def test_what_is_unknown_or_foreign_is_not_honoured_and_told_alike(in_process: Start, recorded: Any) -> None:
    async with in_process(keep, catalog=Catalog(weather, notes)) as client:
        mine = await client.engine.run(CALLER, request_of("echo", text="k"))
        theirs = await client.engine.run(STRANGER, request_of("echo", text="k"))
        there = [f"dragoman://runs/{mine.id}", f"dragoman://threads/{mine.thread_id}", "weather://today"]
        there += ["dragoman://store/kept/here/k", "dragoman://agents/keep"]
        missing = [f"dragoman://runs/{theirs.id}", f"dragoman://threads/{theirs.thread_id}", "weather://tomorrow"]
        missing += ["dragoman://runs/none", "dragoman://agents/none", "dragoman://runs/x/artifacts/y", "nonsense"]
        wanted = {"resourceSubscriptions": [*missing, *there, *there], "taskIds": [theirs.id, mine.id, "none"]}
        async with listening(client, recorded, wanted, tasks=True) as stream:
            told = await stream.told(1)
        assert told[0]["params"]["notifications"] == {"resourceSubscriptions": there, "taskIds": [mine.id]}
        reader = Principal("acme", "ada", frozenset())
        both = {"resourceSubscriptions": ["notes://one", "weather://today"]}
        async with listening(client, recorded, both, principal=reader) as stream:
            told = await stream.told(1)
        assert told[0]["params"]["notifications"] == {"resourceSubscriptions": ["weather://today"]}


@pytest.mark.requirement("tasks.notifications-undeclared", "tasks.undeclared-listen")
@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, -32602),
        ({"notifications": None}, -32602),
        ({"notifications": []}, -32602),
        ({"notifications": {"resourceSubscriptions": "x"}}, -32602),
        ({"notifications": {"resourceSubscriptions": [1]}}, -32602),
        ({"notifications": {"resourceSubscriptions": [f"x://{n}" for n in range(1001)]}}, -32602),
        ({"notifications": {"taskIds": ["x"]}}, -32021),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anything_is_acknowledged(
    in_process: Start, recorded: Any, params: Mapping[str, Any], code: int
) -> None:
    async with in_process() as client:
        answer = await client.modern("subscriptions/listen", params, channel=recorded)
        assert answer["error"]["code"] == code
        assert recorded.sent == []
        if code == -32021:
            assert answer["error"]["data"] == {"requiredCapabilities": {"extensions": {META + "tasks": {}}}}
        silent = await client.modern("subscriptions/listen", {"notifications": EVERYTHING})
        assert silent["error"]["code"] == -32600


async def test_a_caller_has_so_many_streams_and_another_caller_its_own(in_process: Start, recorded: Any) -> None:
    async with in_process(listen_streams=2) as client:
        async with (
            listening(client, recorded, EVERYTHING, id=1),
            listening(client, recorded, EVERYTHING, id=2),
        ):
            third = await client.modern("subscriptions/listen", {"notifications": {}}, channel=recorded, id=3)
            assert third["error"]["code"] == -32603
            async with listening(client, recorded, EVERYTHING, id=4, principal=STRANGER):
                pass
        async with listening(client, recorded, EVERYTHING, id=5):
            pass


async def test_it_ends_with_a_result_when_the_engine_stops(in_process: Start, recorded: Any, schemas: Any) -> None:
    async with in_process() as client:
        async with listening(client, recorded, EVERYTHING) as stream:
            await client.engine.stop(grace=0)
            answer = await stream.task
        assert answer["id"] == stream.id
        assert answer["result"]["_meta"][META + "subscriptionId"] == stream.id
        schemas.modern("SubscriptionsListenResultResponse", answer)


async def test_nothing_listens_once_streams_have_ended_however_they_ended(in_process: Start, recorded: Any) -> None:
    catalog = Catalog(weather)
    async with in_process(catalog=catalog) as client:
        run = await client.engine.run(CALLER, request_of("echo", text="hi"))
        uris = ["weather://today", "dragoman://store/a/b", f"dragoman://runs/{run.id}"]
        uris += [f"dragoman://threads/{run.thread_id}"]
        wanted = {**EVERYTHING, "resourceSubscriptions": uris, "taskIds": [run.id]}
        before = listeners(client, catalog)
        async with listening(client, recorded, wanted, id="dropped", tasks=True):
            assert listeners(client, catalog) != before
        assert listeners(client, catalog) == before
        async with listening(client, recorded, wanted, id="cancelled", tasks=True) as stream:
            from dragoman.mcp.call import Peer
            from dragoman.mcp.jsonrpc import Notification

            cancelled = Notification("notifications/cancelled", {"requestId": "cancelled"})
            await client.kernel.notify(Peer(CALLER, withdraws="test"), cancelled)
            assert await stream.task == {}
            assert listeners(client, catalog) == before
        async with listening(client, recorded, wanted, id="ended", tasks=True) as stream:
            client.kernel.hang_up()
            assert "result" in await stream.task
            assert listeners(client, catalog) == before
        refused = await client.modern("subscriptions/listen", {"notifications": {"taskIds": 1}}, channel=recorded)
        assert "error" in refused
        assert listeners(client, catalog) == before


def _raw(wanted: Mapping[str, Any], id: Any = 1) -> tuple[dict[str, Any], dict[str, str]]:
    meta: dict[str, Any] = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
    body = {"jsonrpc": "2.0", "id": id, "method": "subscriptions/listen"}
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "subscriptions/listen"}
    accept = {"accept": "application/json, text/event-stream"}
    return {**body, "params": {"notifications": wanted, "_meta": meta}}, {**headers, **accept}


async def _frames(response: httpx.Response) -> AsyncGenerator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


async def test_over_http_it_is_a_stream_that_ends_when_the_client_closes_it(over_http: Start) -> None:
    catalog = Catalog()
    body, headers = _raw(EVERYTHING, "one")
    async with over_http(catalog=catalog, keepalive=0.05) as server, httpx.AsyncClient(timeout=10) as client:
        before = len(catalog._listeners)  # pyright: ignore[reportPrivateUsage]
        async with client.stream("POST", server.url, json=body, headers=headers) as response:
            assert response.headers["content-type"] == "text/event-stream"
            frames = _frames(response)
            assert (await anext(frames))["method"] == "notifications/subscriptions/acknowledged"
            catalog.add(extra)
            assert (await anext(frames))["method"] == "notifications/tools/list_changed"
            assert len(catalog._listeners) == before + 1  # pyright: ignore[reportPrivateUsage]
        async with asyncio.timeout(10):
            while len(catalog._listeners) > before:  # noqa: ASYNC110  # pyright: ignore[reportPrivateUsage]
                await asyncio.sleep(0.005)  # nothing tells of a closed connection but its end


async def test_over_http_the_stream_ends_with_its_result_when_the_server_stops(over_http: Start) -> None:
    body, headers = _raw(EVERYTHING, "one")
    async with (
        over_http() as server,
        httpx.AsyncClient(timeout=10) as client,
        client.stream("POST", server.url, json=body, headers=headers) as response,
    ):
        frames = _frames(response)
        await anext(frames)
        await server.engine.stop(grace=0)
        last = await anext(frames)
        assert (last["id"], last["result"]["resultType"]) == ("one", "complete")
        assert [frame async for frame in frames] == []


async def test_who_takes_no_stream_is_refused(over_http: Start) -> None:
    body, headers = _raw(EVERYTHING)
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers={**headers, "accept": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32600)


async def test_the_official_client_listens(over_http: Start) -> None:
    catalog = Catalog(weather)
    async with (
        over_http(catalog=catalog) as server,
        Client(server.url, mode="2026-07-28") as client,
        client.listen(
            tools_list_changed=True, prompts_list_changed=True, resource_subscriptions=["weather://today"]
        ) as subscription,
    ):
        catalog.add(extra)
        catalog.changed("weather://today")
        seen: list[str] = []
        async with asyncio.timeout(10):
            async for event in subscription:
                seen.append(type(event).__name__)
                if len(seen) == 2:
                    break
    assert len(seen) == 2
