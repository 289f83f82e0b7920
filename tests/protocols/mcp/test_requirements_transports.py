"""What 2026-07-28 demands of stdio and of Streamable HTTP, as bytes and headers."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from dragoman.mcp import McpSettings
from dragoman.mcp.stdio import serve_pipe
from dragoman.memory.model import Principal

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
TELL = {"text": "hi"}
TEXT = "Grüße\r\n☃ \u2028 end"


def _call(id: int, name: str, arguments: dict[str, Any], **capabilities: Any) -> dict[str, Any]:
    meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": capabilities}
    params = {"name": name, "arguments": arguments, "_meta": meta}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


def _headers(name: str, **more: str) -> dict[str, str]:
    return {"Mcp-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": name, **more}


async def _piped(in_process: Start, *messages: dict[str, Any]) -> bytes:
    """All that a served pipe writes for these messages."""
    async with in_process() as client:
        (source, to_server), (from_server, sink) = os.pipe(), os.pipe()
        settings = McpSettings(state_key=b"k" * 32, version="1", inline_wait=0.2)
        serving = asyncio.create_task(serve_pipe(client.engine, Principal("acme", "ada"), settings, source, sink))
        os.write(to_server, b"".join(json.dumps(m).encode() + b"\n" for m in messages))
        os.close(to_server)
        await serving
        os.close(sink)
        os.close(source)
        with os.fdopen(from_server, "rb") as file:
            return await asyncio.get_running_loop().run_in_executor(None, file.read)


@pytest.mark.requirement("stdio.one-line", "transports.utf-8")
async def test_a_message_on_stdio_is_one_line_of_utf_8_whatever_its_text(in_process: Start) -> None:
    written = await _piped(in_process, _call(1, "echo", {"text": TEXT}))
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    assert b"\r" not in written
    assert json.loads(written.decode("utf-8"))["result"]["structuredContent"] == {"result": TEXT}


@pytest.mark.requirement("patterns.no-server-requests", "stdio.no-requests")
async def test_a_modern_client_on_stdio_is_written_no_request(in_process: Start) -> None:
    question = _call(1, "refund", {"order_id": "A", "amount": 500}, elicitation={})
    (answer,) = (await _piped(in_process, question)).splitlines()
    assert json.loads(answer)["result"]["resultType"] == "input_required"


@pytest.mark.requirement(
    "cancellation.nothing-else", "cancellation.only-open-requests", "cancellation.server-names-listen"
)
async def test_a_server_takes_no_request_back_and_ends_a_subscription_by_its_result(in_process: Start) -> None:
    meta: dict[str, Any] = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}
    params = {"notifications": {"toolsListChanged": True}, "_meta": meta}
    listen = {"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": params}
    cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}
    written = await _piped(in_process, listen, _call(2, "slow", {"seconds": 60}), cancelled, _call(3, "echo", TELL))
    told = [json.loads(line) for line in written.splitlines()]
    assert {m["method"] for m in told if "method" in m} == {"notifications/subscriptions/acknowledged"}
    (ended,) = [m for m in told if m.get("id") == "l"]
    assert ended["result"]["_meta"][META + "subscriptionId"] == "l"


@pytest.mark.requirement("transports.utf-8")
async def test_text_over_http_is_utf_8(over_http: Start) -> None:
    body = json.dumps(_call(1, "echo", {"text": TEXT}), ensure_ascii=False).encode()
    headers = _headers("echo") | {"Content-Type": "application/json"}
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, content=body, headers=headers)
    assert json.loads(response.content.decode("utf-8"))["result"]["structuredContent"] == {"result": TEXT}


@pytest.mark.requirement("http.header-names")
@pytest.mark.parametrize("change", [str.upper, str.lower, str.title])
async def test_names_of_headers_are_compared_without_regard_to_case(
    over_http: Start, change: Callable[[str], str]
) -> None:
    headers = {change(name): value for name, value in _headers("echo").items()}
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=_call(1, "echo", {"text": "hi"}), headers=headers)
        other = dict(headers) | {change("Mcp-Name"): "ECHO"}
        refused = await client.post(server.url, json=_call(1, "echo", {"text": "hi"}), headers=other)
    assert response.status_code == 200
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32020)


@pytest.mark.requirement("base.notification-no-id", "http.stream-no-requests", "http.stream-own-notifications")
async def test_a_stream_carries_what_belongs_to_its_request_alone(over_http: Start) -> None:
    async def counted(client: httpx.AsyncClient, url: str, id: int, to: int) -> list[dict[str, Any]]:
        body = _call(id, "count", {"to": to}, elicitation={})
        body["params"]["_meta"]["progressToken"] = id
        text = (await client.post(url, json=body, headers=_headers("count", Accept="text/event-stream"))).text
        return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]

    async with over_http() as server, httpx.AsyncClient() as client:
        streams = await asyncio.gather(*(counted(client, server.url, id, id) for id in (2, 3, 4)))
    for id, (*notes, last) in zip((2, 3, 4), streams, strict=True):
        assert [(n["method"], n["params"]["progressToken"]) for n in notes] == [("notifications/progress", id)] * id
        assert all("id" not in n for n in notes)
        assert last["id"] == id


@pytest.mark.requirement("http.notification-refused")
async def test_what_cannot_be_accepted_is_an_http_error(over_http: Start) -> None:
    noted = {"jsonrpc": "2.0", "method": 7}
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=noted, headers={"Mcp-Protocol-Version": MODERN})
    assert response.status_code == 400
    assert "id" not in response.json() or response.json()["id"] is None
