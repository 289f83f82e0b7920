"""MCP Apps without a browser: who is told of the approval card, who may answer, and how the card is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from dragoman.agents import Catalog, tool
from dragoman.mcp.apps import MIME_TYPE, UI, URI

Start = Callable[..., AbstractAsyncContextManager[Any]]

SHOWS = {"extensions": {UI: {"mimeTypes": [MIME_TYPE]}}}
SHOWN = {"io.modelcontextprotocol/clientCapabilities": SHOWS}


@tool(expose=True)
async def plain(text: str) -> str:
    """Say it back."""
    return text


def _ui(tools: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {t["name"]: t["_meta"]["ui"] for t in tools if "ui" in t.get("_meta", {})}


@pytest.mark.anyio
async def test_tools_that_may_wait_carry_the_card_for_clients_that_show_it(in_process: Start, schemas: Any) -> None:
    async with in_process(catalog=Catalog(plain)) as client:
        shown = (await client.modern("tools/list", meta=SHOWN))["result"]
        others = (await client.modern("tools/list"))["result"]
        capabilities = (await client.modern("server/discover"))["result"]["capabilities"]
    schemas.modern("ListToolsResult", shown)
    found = _ui(shown["tools"])
    assert found["refund"] == {"resourceUri": URI}
    assert found["run_status"] == {"resourceUri": URI}
    assert found["run_answer"] == {"resourceUri": URI, "visibility": ["app"]}
    assert {"plain", "run_cancel"} & found.keys() == set()
    assert _ui(others["tools"]) == {}
    assert [t["name"] for t in shown["tools"]] == [t["name"] for t in others["tools"]]
    assert UI in capabilities["extensions"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "capabilities",
    [
        {},
        {"extensions": {UI: {}}},
        {"extensions": {UI: {"mimeTypes": ["text/html"]}}},
        {"extensions": {UI: {"mimeTypes": MIME_TYPE}}},
        {"extensions": [UI]},
    ],
)
async def test_a_client_that_does_not_say_that_it_shows_html_is_not_told(
    in_process: Start, capabilities: dict[str, Any]
) -> None:
    meta = {"io.modelcontextprotocol/clientCapabilities": capabilities}
    async with in_process() as client:
        assert _ui((await client.modern("tools/list", meta=meta))["result"]["tools"]) == {}


@pytest.mark.anyio
async def test_without_companion_tools_there_is_no_card(in_process: Start) -> None:
    async with in_process(companions=False) as client:
        assert _ui((await client.modern("tools/list", meta=SHOWN))["result"]["tools"]) == {}
        capabilities = (await client.modern("server/discover"))["result"]["capabilities"]
        read = await client.modern("resources/read", {"uri": URI})
    assert UI not in capabilities["extensions"]
    assert read["error"]["code"] == -32602


@pytest.mark.anyio
@pytest.mark.parametrize(("version", "told"), [("2025-11-25", True), ("2025-06-18", True), ("2025-03-26", False)])
async def test_in_the_older_era_the_session_says_who_shows_it(over_http: Start, version: str, told: bool) -> None:
    async with over_http() as server, httpx.AsyncClient() as http:

        async def ask(method: str, params: dict[str, Any], **headers: str) -> httpx.Response:
            message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            accept = {"Accept": "application/json, text/event-stream"}
            return await http.post(server.url, json=message, headers={**accept, **headers})

        hello = {"protocolVersion": version, "capabilities": SHOWS, "clientInfo": {"name": "t", "version": "1"}}
        opened = await ask("initialize", hello)
        session = opened.headers["mcp-session-id"]
        listed = await ask("tools/list", {}, **{"mcp-session-id": session, "mcp-protocol-version": version})
    assert UI in opened.json()["result"]["capabilities"]["extensions"]
    assert bool(_ui(listed.json()["result"]["tools"])) is told


@pytest.mark.anyio
async def test_the_card_is_html_that_needs_no_other_domain(in_process: Start, schemas: Any) -> None:
    async with in_process() as client:
        result = (await client.modern("resources/read", {"uri": URI}))["result"]
        listed = (await client.modern("resources/list"))["result"]["resources"]
    schemas.modern("ReadResourceResult", result)
    (content,) = result["contents"]
    assert (content["uri"], content["mimeType"]) == (URI, MIME_TYPE)
    assert set(content["_meta"]["ui"]["csp"]) == {
        "connectDomains",
        "resourceDomains",
        "frameDomains",
        "baseUriDomains",
    }
    assert not any(content["_meta"]["ui"]["csp"].values())
    html = content["text"]
    assert html.startswith("<!DOCTYPE html>")
    assert re.findall(r"https?://|innerHTML|insertAdjacentHTML|document\.write|\beval\(|\bfetch\(", html) == []
    assert any(r["uri"] == URI and r["mimeType"] == MIME_TYPE for r in listed)


@pytest.mark.anyio
async def test_a_waiting_run_tells_the_card_all_that_it_shows_and_the_model_to_leave_it(
    in_process: Start, schemas: Any
) -> None:
    async with in_process() as client:
        params = {"name": "delete", "arguments": {"thing": "it"}}
        shown = (await client.modern("tools/call", params, meta=SHOWN))["result"]
        others = (await client.modern("tools/call", params))["result"]
        told = shown["structuredContent"]
        answer = {"run_id": told["run_id"], "question": told["questions"][0]["key"], "answer": {"approved": True}}
        done = (await client.modern("tools/call", {"name": "run_answer", "arguments": answer}, meta=SHOWN))["result"]
    schemas.modern("CallToolResult", shown)
    assert shown["_meta"]["dragoman/run"] == told["run_id"]
    assert told["questions"][0]["kind"] == "approval"
    assert told["questions"][0]["message"] == "Delete it?"
    assert "run_answer" not in shown["content"][0]["text"]
    assert "card" in shown["content"][0]["text"]
    assert "run_answer" in others["content"][0]["text"]
    assert done["structuredContent"]["output"] == "deleted it"
