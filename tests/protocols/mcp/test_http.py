"""HTTP of the modern era: answers and streams, headers that mirror the body, and what is refused at the door."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from dragoman.agents import Context, agent
from dragoman.memory.model import Principal, RunStatus

from .posting import BOTH, META, MODERN, Start, call_of, events_in, headers_of, message

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("base.parts", "http.content-type", "http.endpoint")
async def test_a_quick_call_is_answered_with_one_json_object(over_http: Start) -> None:
    body, headers = call_of("echo", text="hi")
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in response.headers
    assert response.json()["result"]["structuredContent"] == {"result": "hi"}


@pytest.mark.requirement("http.content-type", "transports.directions")
async def test_a_call_with_a_progress_token_is_answered_on_a_stream_that_no_proxy_buffers(over_http: Start) -> None:
    body, headers = call_of("count", to=2)
    body["params"]["_meta"]["progressToken"] = 7
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=headers)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-accel-buffering"] == "no"
    first, second, last = events_in(response.text)
    assert [m["params"]["progress"] for m in (first, second)] == [1, 2]
    assert last["result"]["structuredContent"] == {"result": 2}


async def test_a_long_call_is_kept_alive_by_comments_and_answered_as_json_to_who_takes_nothing_else(
    over_http: Start,
) -> None:
    body, headers = call_of("slow", seconds=0.3)
    async with over_http(inline_wait=0.01, keepalive=0.05) as server, httpx.AsyncClient() as client:
        streamed = await client.post(server.url, json=body, headers=headers)
        whole = await client.post(server.url, json=body, headers={**headers, "accept": "application/json"})
    assert streamed.text.count(": \n\n") >= 3
    assert events_in(streamed.text)[-1]["result"]["structuredContent"] == {"result": "at last"}
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

    body, headers = call_of("gated")
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
        else events_in(again.text)[-1]["result"]
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
    body, headers = call_of("echo", text="hi")
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
    body, headers = call_of("echo", text="hi")
    async with over_http() as server, httpx.AsyncClient() as client:
        twice = [*headers.items(), ("mcp-name", "add")]
        response = await client.post(server.url, json=body, headers=twice)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)


@pytest.mark.requirement("http.decode-base64", "http.headers-decoded")
async def test_a_name_is_compared_after_its_base64_is_undone(over_http: Start) -> None:
    body, headers = call_of("echo", text="hi")
    headers["mcp-name"] = "=?base64?" + base64.b64encode(b"echo").decode() + "?="
    strange = message("tools/call", {"name": "größe"})
    encoded = "=?base64?" + base64.b64encode("größe".encode()).decode() + "?="
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=headers)
        unknown = await client.post(server.url, json=strange, headers=headers_of("tools/call", encoded))
    assert response.status_code == 200
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, -32602)


@pytest.mark.requirement("http.headers-match")
async def test_the_name_of_a_task_request_is_its_task_and_some_clients_forget_it(over_http: Start) -> None:
    extension: dict[str, Any] = {"extensions": {META + "tasks": {}}}
    body = message("tasks/get", {"taskId": "a"}, **extension)
    async with over_http() as server, httpx.AsyncClient() as client:
        wrong = await client.post(server.url, json=body, headers=headers_of("tasks/get", "b"))
        right = await client.post(server.url, json=body, headers=headers_of("tasks/get", "a"))
        forgotten = await client.post(server.url, json=body, headers=headers_of("tasks/get"))
        none = await client.post(
            server.url, json=message("tasks/get", {"taskId": "a"}), headers=headers_of("tasks/get", "a")
        )
    assert wrong.json()["error"]["code"] == -32020
    assert right.json()["error"]["code"] == -32602
    assert forgotten.json()["error"]["code"] == -32602
    assert none.json()["error"]["code"] == -32021


@pytest.mark.requirement("base.meta-required-400", "http.method-404", "http.version-unsupported")
@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (message("ping"), headers_of("ping"), 404, -32601),
        (message("initialize"), headers_of("initialize"), 404, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers_of("tools/list"), 400, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "server/discover"}, {}, 200, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"mcp-protocol-version": "1900-01-01"}, 400, -32022),
        ([message("ping")], headers_of("ping"), 400, -32600),
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
    body = message("server/discover")
    body["params"]["_meta"][META + "protocolVersion"] = "2031-01-01"
    headers = headers_of("server/discover") | {"mcp-protocol-version": "2031-01-01"}
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
    cancelled = message("notifications/cancelled", {"requestId": 1}, id=None)
    async with over_http() as server, httpx.AsyncClient() as client:
        noted = await client.post(server.url, json=cancelled, headers=headers_of("notifications/cancelled"))
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "result": {}}
        refused = await client.post(server.url, json=reply, headers={"mcp-protocol-version": MODERN})
    assert (noted.status_code, noted.content) == (202, b"")
    assert refused.status_code == 400


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
    body, told = call_of("echo", text="hi")
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
