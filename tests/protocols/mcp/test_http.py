"""The endpoint over real HTTP, message by message: headers, sessions, streams, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest

from dragoman.agents import Context, agent
from dragoman.memory.model import Principal, RunStatus

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
BOTH = "application/json, text/event-stream"


def _message(method: str, params: Mapping[str, Any] | None = None, *, id: int | None = 1, **capabilities: Any) -> Any:
    stamped = {META + "protocolVersion": MODERN, META + "clientCapabilities": capabilities}
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": {**(params or {}), "_meta": stamped}}
    return body if id is None else {**body, "id": id}


def _headers(method: str, name: str | None = None, **more: str) -> dict[str, str]:
    told = {"mcp-protocol-version": MODERN, "mcp-method": method, "accept": BOTH, **more}
    return told if name is None else {**told, "mcp-name": name}


def _call(name: str, **arguments: Any) -> tuple[dict[str, Any], dict[str, str]]:
    return _message("tools/call", {"name": name, "arguments": arguments}), _headers("tools/call", name)


def _events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


@asynccontextmanager
async def _session(url: str, **capabilities: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the older era whose requests are of a session."""
    async with httpx.AsyncClient(base_url=url, headers={"accept": BOTH}, timeout=20) as client:
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": {"name": "t", "version": "0"},
        }
        opened = await client.post("", json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        assert opened.status_code == 200
        client.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        client.headers["mcp-protocol-version"] = "2025-11-25"
        noted = await client.post("", json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert (noted.status_code, noted.content) == (202, b"")
        yield client


# -- the modern era ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("base.parts", "http.content-type", "http.endpoint")
async def test_a_quick_call_is_answered_with_one_json_object(over_http: Start) -> None:
    body, headers = _call("echo", text="hi")
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in response.headers
    assert response.json()["result"]["structuredContent"] == {"result": "hi"}


@pytest.mark.requirement("http.content-type", "transports.directions")
async def test_a_call_with_a_progress_token_is_answered_on_a_stream_that_no_proxy_buffers(over_http: Start) -> None:
    body, headers = _call("count", to=2)
    body["params"]["_meta"]["progressToken"] = 7
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=headers)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-accel-buffering"] == "no"
    first, second, last = _events(response.text)
    assert [m["params"]["progress"] for m in (first, second)] == [1, 2]
    assert last["result"]["structuredContent"] == {"result": 2}


async def test_a_long_call_is_kept_alive_by_comments_and_answered_as_json_to_who_takes_nothing_else(
    over_http: Start,
) -> None:
    body, headers = _call("slow", seconds=0.3)
    async with over_http(inline_wait=0.01, keepalive=0.05) as server, httpx.AsyncClient() as client:
        streamed = await client.post(server.url, json=body, headers=headers)
        whole = await client.post(server.url, json=body, headers={**headers, "accept": "application/json"})
    assert streamed.text.count(": \n\n") >= 3
    assert _events(streamed.text)[-1]["result"]["structuredContent"] == {"result": "at last"}
    assert whole.headers["content-type"] == "application/json"
    assert whole.json()["result"]["structuredContent"] == {"result": "at last"}


@pytest.mark.requirement("cancellation.disconnect", "http.close-cancels", "http.silent-after-cancel")
async def test_closing_the_stream_ends_the_request_and_leaves_the_run_which_a_second_call_meets(
    over_http: Start,
) -> None:
    at_work, go_on, calls = asyncio.Event(), asyncio.Event(), 0

    @agent(description="Wait to be let go")
    async def gated(ctx: Context) -> str:
        nonlocal calls
        calls += 1
        at_work.set()
        await go_on.wait()
        return "through"

    body, headers = _call("gated")
    body["params"]["_meta"]["dragoman/idempotencyKey"] = "mine"
    async with over_http(gated, inline_wait=0.01, keepalive=0.05) as server, httpx.AsyncClient() as client:
        async with client.stream("POST", server.url, json=body, headers=headers) as response:
            assert response.headers["content-type"] == "text/event-stream"
            await at_work.wait()
        go_on.set()
        again = await client.post(server.url, json=body, headers=headers)
        (view,) = (await server.engine.list_runs(Principal("acme", "ada"))).items
    result = (
        again.json()["result"]
        if again.headers["content-type"] == "application/json"
        else _events(again.text)[-1]["result"]
    )
    assert result["structuredContent"] == {"result": "through"}
    assert view.run.status is RunStatus.SUCCEEDED
    assert calls == 1


@pytest.mark.requirement("base.error-codes-reserved", "http.headers-400", "http.headers-match", "http.version-header")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mcp-protocol-version": None}, "MCP-Protocol-Version"),
        ({"mcp-protocol-version": "2025-11-25"}, "MCP-Protocol-Version"),
        ({"mcp-method": None}, "Mcp-Method"),
        ({"mcp-method": "tools/list"}, "Mcp-Method"),
        ({"mcp-method": "Tools/Call"}, "Mcp-Method"),
        ({"mcp-name": None}, "Mcp-Name"),
        ({"mcp-name": "add"}, "Mcp-Name"),
        ({"mcp-name": "=?base64?!!?="}, "Base64"),
        ({"mcp-name": "=?base64?" + base64.b64encode(b"add").decode() + "?="}, "Mcp-Name"),
    ],
)
async def test_headers_that_do_not_mirror_the_body_are_refused(
    over_http: Start, change: dict[str, str | None], told: str, schemas: Any
) -> None:
    body, headers = _call("echo", text="hi")
    changed = {k: v for k, v in {**headers, **change}.items() if v is not None}
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=changed)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32020
    assert told in response.json()["error"]["message"]
    assert response.json()["id"] == 1
    schemas.modern("HeaderMismatchError", response.json())


@pytest.mark.requirement("http.headers-match")
async def test_a_routing_header_that_is_there_twice_is_refused(over_http: Start) -> None:
    body, headers = _call("echo", text="hi")
    async with over_http() as server, httpx.AsyncClient() as client:
        twice = [*headers.items(), ("mcp-name", "add")]
        response = await client.post(server.url, json=body, headers=twice)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)


@pytest.mark.requirement("http.decode-base64", "http.headers-decoded")
async def test_a_name_is_compared_after_its_base64_is_undone(over_http: Start) -> None:
    body, headers = _call("echo", text="hi")
    headers["mcp-name"] = "=?base64?" + base64.b64encode(b"echo").decode() + "?="
    strange = _message("tools/call", {"name": "größe"})
    encoded = "=?base64?" + base64.b64encode("größe".encode()).decode() + "?="
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=headers)
        unknown = await client.post(server.url, json=strange, headers=_headers("tools/call", encoded))
    assert response.status_code == 200
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, -32602)


@pytest.mark.requirement("http.headers-match")
async def test_the_name_of_a_task_request_is_its_task_and_some_clients_forget_it(over_http: Start) -> None:
    extension: dict[str, Any] = {"extensions": {META + "tasks": {}}}
    body = _message("tasks/get", {"taskId": "a"}, **extension)
    async with over_http() as server, httpx.AsyncClient() as client:
        wrong = await client.post(server.url, json=body, headers=_headers("tasks/get", "b"))
        right = await client.post(server.url, json=body, headers=_headers("tasks/get", "a"))
        forgotten = await client.post(server.url, json=body, headers=_headers("tasks/get"))
        none = await client.post(
            server.url, json=_message("tasks/get", {"taskId": "a"}), headers=_headers("tasks/get", "a")
        )
    assert wrong.json()["error"]["code"] == -32020
    assert right.json()["error"]["code"] == -32602
    assert forgotten.json()["error"]["code"] == -32602
    assert none.json()["error"]["code"] == -32021


@pytest.mark.requirement("base.meta-required-400", "http.method-404", "http.version-unsupported")
@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (_message("ping"), _headers("ping"), 404, -32601),
        (_message("initialize"), _headers("initialize"), 404, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, _headers("tools/list"), 400, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "server/discover"}, {}, 200, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"mcp-protocol-version": "1900-01-01"}, 400, -32022),
        ([_message("ping")], _headers("ping"), 400, -32600),
    ],
)
async def test_a_request_of_no_era_is_refused_with_the_status_and_code_for_it(
    over_http: Start, body: Any, headers: dict[str, str], status: int, code: int
) -> None:
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


@pytest.mark.requirement("base.error-codes-reserved", "http.version-unsupported", "versioning.unsupported")
async def test_a_version_that_is_not_spoken_is_told_with_those_that_are(over_http: Start, schemas: Any) -> None:
    body = _message("server/discover")
    body["params"]["_meta"][META + "protocolVersion"] = "2031-01-01"
    headers = _headers("server/discover") | {"mcp-protocol-version": "2031-01-01"}
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=headers)
    assert response.status_code == 400
    assert MODERN in response.json()["error"]["data"]["supported"]
    schemas.modern("UnsupportedProtocolVersionError", response.json())


@pytest.mark.requirement(
    "base.notification-unanswered",
    "http.notification-202",
    "http.notification-refused",
    "transports.directions",
)
async def test_a_modern_notification_is_accepted_and_a_reply_is_not(over_http: Start) -> None:
    cancelled = _message("notifications/cancelled", {"requestId": 1}, id=None)
    async with over_http() as server, httpx.AsyncClient() as client:
        noted = await client.post(server.url, json=cancelled, headers=_headers("notifications/cancelled"))
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "result": {}}
        refused = await client.post(server.url, json=reply, headers={"mcp-protocol-version": MODERN})
    assert (noted.status_code, noted.content) == (202, b"")
    assert refused.status_code == 400


# -- the older era -----------------------------------------------------------------------------------------------------
async def test_a_session_serves_its_requests_until_it_is_deleted_and_is_unknown_then(over_http: Start) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with over_http() as server, _session(server.url) as client:
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
    async with over_http() as server, _session(server.url) as client:
        response = await client.post("", json=message, headers={"accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"] == ("text/event-stream" if streamed else "application/json")
    (answer,) = _events(response.text) if streamed else [response.json()]
    assert (answer["id"], "result" in answer) == (7, True)


async def test_a_session_outlives_the_server_that_opened_it(over_http: Start) -> None:
    async with over_http() as server, _session(server.url) as client:
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
    async with over_http() as server, _session(server.url, elicitation={}) as client:
        seen: list[dict[str, Any]] = []
        async with client.stream("POST", "", json=message) as response:
            async for line in response.aiter_lines():
                seen += _events(line)
                if seen and seen[-1].get("method") == "elicitation/create" and len(seen) == 1:
                    result = {"action": "accept", "content": {"answer": "approve"}}
                    reply = await client.post("", json={"jsonrpc": "2.0", "id": seen[0]["id"], "result": result})
                    assert reply.status_code == 202
    assert seen[-1]["result"]["structuredContent"] == {"result": "refunded 500"}


async def test_cancelling_ends_the_call_without_a_message_and_its_run(over_http: Start) -> None:
    call = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "slow", "arguments": {"seconds": 60}}}
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
    async with over_http(inline_wait=0.01) as server, _session(server.url) as client:
        async with client.stream("POST", "", json=call) as response:
            assert (await client.post("", json=cancelled)).status_code == 202
            rest = "".join([chunk async for chunk in response.aiter_text()])
        (view,) = (await server.engine.list_runs(Principal("acme", "ada"))).items
    assert _events(rest) == []
    assert view.run.status is RunStatus.CANCELLED


async def test_get_opens_an_idle_stream_for_a_session_alone(over_http: Start) -> None:
    async with over_http(keepalive=0.02) as server, _session(server.url) as client:
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
    async with impatient as server, _session(server.url, elicitation={}) as client:
        asked = _events((await client.post("", json=message)).text)[0]
        reply = {"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "perhaps"}}
        response = await client.post("", json=reply)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32602)


# -- what is refused at the door ---------------------------------------------------------------------------------------
@pytest.mark.requirement("http.origin", "http.origin-403")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.evil.example:80"}, 403),
        ({"origin": "http://localhost:5173"}, 200),
        ({"origin": "https://app.example"}, 200),
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"content-type": "text/plain"}, 415),
    ],
)
async def test_only_known_hosts_origins_and_json_are_let_in(
    over_http: Start, headers: dict[str, str], status: int
) -> None:
    body, told = _call("echo", text="hi")
    raw = json.dumps(body)
    async with over_http(allowed_origins=("https://app.example",)) as server, httpx.AsyncClient() as client:
        for _ in range(2):
            sent = {"content-type": "application/json", **told, **headers}
            response = await client.post(server.url, content=raw, headers=sent)
            assert response.status_code == status


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"", 400, -32700),
        (b"{", 400, -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, -32700),
        (b"[]", 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', 400, -32600),
        (b'{"x":"' + b"x" * 2_000_000 + b'"}', 413, -32600),
    ],
)
async def test_a_body_that_is_no_message_is_refused_and_starts_nothing(
    over_http: Start, raw: bytes, status: int, code: int
) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        for start in range(0, len(raw), 65_536):
            yield raw[start : start + 65_536]

    headers = {"content-type": "application/json", "accept": BOTH}
    async with over_http(max_message=1_000_000) as server, httpx.AsyncClient() as client:
        whole = await client.post(server.url, content=raw, headers=headers)
        piecemeal = await client.post(server.url, content=chunks(), headers=headers)
        page = await server.engine.list_runs(Principal("acme", "ada"))
    for response in (whole, piecemeal):
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert page.items == ()
