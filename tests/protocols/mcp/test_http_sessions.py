"""HTTP of the older era: sessions, their streams, questions on them, and requests without one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from dragoman.memory.model import Principal, RunStatus

from .posting import Start, events_in, in_session

pytestmark = pytest.mark.anyio


async def test_a_session_serves_its_requests_until_it_is_deleted_and_is_unknown_then(over_http: Start) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with over_http() as server, in_session(server.url) as client:
        assert (await client.post("", json=ping)).json()["result"] == {}
        deleted = await client.delete("")
        after = await client.post("", json=ping)
        again = await client.delete("")
    assert deleted.status_code == 204
    assert (after.status_code, again.status_code) == (404, 404)
    assert (after.json()["id"], "id" in again.json()) == (1, False)


@pytest.mark.parametrize(
    ("accept", "streamed"),
    [
        ("text/event-stream, application/json", True),
        ("application/json, text/event-stream", False),
        ("application/json", False),
        ("*/*", False),
    ],
)
@pytest.mark.parametrize("method", ["tools/list", "tools/call", "ping"])
async def test_a_session_is_answered_on_a_stream_where_its_client_names_that_first(
    over_http: Start, accept: str, streamed: bool, method: str
) -> None:
    params = {"name": "echo", "arguments": {"text": "hi"}} if method == "tools/call" else {}
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    async with over_http() as server, in_session(server.url) as client:
        response = await client.post("", json=message, headers={"accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"] == ("text/event-stream" if streamed else "application/json")
    (answer,) = events_in(response.text) if streamed else [response.json()]
    assert (answer["id"], "result" in answer) == (7, True)


async def test_a_session_outlives_the_server_that_opened_it(over_http: Start) -> None:
    async with over_http() as server, in_session(server.url) as client:
        kept = dict(client.headers)
    async with over_http() as server, httpx.AsyncClient(headers=kept) as client:
        response = await client.post(server.url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        stranger = await client.post(
            server.url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers={"x-test-subject": "bob"}
        )
    assert response.status_code == 200
    assert stranger.status_code == 404


async def test_requests_without_a_session_are_served_and_errors_are_told_with_200(over_http: Start) -> None:
    listed = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=listed)
        unknown = await client.post(server.url, json={**listed, "method": "tasks/list"})
    assert response.json()["result"]["tools"]
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (200, -32601)


async def test_a_question_is_asked_on_the_stream_and_answered_by_another_post(over_http: Start) -> None:
    call = {"name": "refund", "arguments": {"order_id": "A", "amount": 500}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    async with over_http() as server, in_session(server.url, elicitation={}) as client:
        seen: list[dict[str, Any]] = []
        async with client.stream("POST", "", json=message) as response:
            async for line in response.aiter_lines():
                seen += events_in(line)
                if seen and seen[-1].get("method") == "elicitation/create" and len(seen) == 1:
                    result = {"action": "accept", "content": {"answer": "approve"}}
                    reply = await client.post("", json={"jsonrpc": "2.0", "id": seen[0]["id"], "result": result})
                    assert reply.status_code == 202
    assert seen[-1]["result"]["structuredContent"] == {"result": "refunded 500"}


async def test_cancelling_ends_the_call_without_a_message_and_its_run(over_http: Start) -> None:
    call = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "slow", "arguments": {"seconds": 60}}}
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
    async with over_http(inline_wait=0.01) as server, in_session(server.url) as client:
        async with client.stream("POST", "", json=call) as response:
            assert (await client.post("", json=cancelled)).status_code == 202
            rest = "".join([chunk async for chunk in response.aiter_text()])
        (view,) = (await server.engine.list_runs(Principal("acme", "ada"))).items
    assert events_in(rest) == []
    assert view.run.status is RunStatus.CANCELLED


async def test_get_opens_an_idle_stream_for_a_session_alone(over_http: Start) -> None:
    async with over_http(keepalive=0.02) as server, in_session(server.url) as client:
        async with client.stream("GET", "") as response:
            assert response.headers["content-type"] == "text/event-stream"
            comments = 0
            async for line in response.aiter_lines():
                comments += line.startswith(":")
                if comments == 3:
                    break
        unknown = await client.get("", headers={"mcp-session-id": "none"})
        async with httpx.AsyncClient() as stranger:
            without = await stranger.get(server.url, headers={"accept": "text/event-stream"})
            browser = await client.get("", headers={"accept": "text/html"})
            put = await stranger.put(server.url)
            deleted = await stranger.delete(server.url)
    assert unknown.status_code == 404
    assert [r.status_code for r in (without, browser, put, deleted)] == [405, 405, 405, 405]


async def test_a_reply_that_is_none_is_refused(over_http: Start) -> None:
    call = {"name": "refund", "arguments": {"order_id": "A", "amount": 500}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    impatient = over_http(elicit_wait=0.05, call_wait=0.05, inline_wait=0.01)
    async with impatient as server, in_session(server.url, elicitation={}) as client:
        asked = events_in((await client.post("", json=message)).text)[0]
        reply = {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "perhaps"}}
        response = await client.post("", json=reply)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)
