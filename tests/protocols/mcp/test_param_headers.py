"""``x-mcp-header``: how it is declared, and the headers that mirror arguments, held against the body."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

import httpx
import pytest
from mcp.client import Client
from pydantic import Field

from dragoman.agents import Catalog, Context, agent, tool
from dragoman.agents.param_headers import param_headers

Start = Callable[..., AbstractAsyncContextManager[Any]]

META = "io.modelcontextprotocol/"


def _mirrored(name: str) -> Any:
    return Field(json_schema_extra={"x-mcp-header": name})


@tool(expose=True)
async def routed(
    region: Annotated[str, _mirrored("Region")],
    shard: Annotated[int, _mirrored("Shard")] = 0,
    urgent: Annotated[bool, _mirrored("Urgent")] = False,
) -> str:
    """Say where it went."""
    return f"{region} {shard} {urgent}"


NESTED = {
    "type": "object",
    "properties": {"to": {"type": "object", "properties": {"zone": {"type": "string", "x-mcp-header": "zone"}}}},
}


@tool(expose=True, input_schema=NESTED)
async def nested(input: dict[str, Any]) -> str:
    """Say where it went."""
    return str(input)


@agent(description="Say where it went")
async def durable_routed(ctx: Context, region: Annotated[str, _mirrored("Region")]) -> str:
    return region


async def _post(
    server: Any, name: str, arguments: Mapping[str, Any], headers: Any = (), version: str = "2026-07-28"
) -> httpx.Response:
    params: dict[str, Any] = {"name": name, "arguments": dict(arguments)}
    if version == "2026-07-28":
        params["_meta"] = {META + "protocolVersion": version, META + "clientCapabilities": {}}
    given = [
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", version),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", name),
        *headers,
    ]
    body = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}
    async with httpx.AsyncClient() as client:
        return await client.post(server.url, json=body, headers=given)


# -- declared ----------------------------------------------------------------------------------------------------------
def _with(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": part}}


@pytest.mark.requirement(
    "tools.x-mcp-header-no-controls",
    "tools.x-mcp-header-not-empty",
    "tools.x-mcp-header-primitive",
    "tools.x-mcp-header-reachable",
    "tools.x-mcp-header-token",
    "tools.x-mcp-header-unique",
)
@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (_with({"type": "number", "x-mcp-header": "A"}), "a: x-mcp-header is for a string, an integer or a boolean"),
        (_with({"type": "object", "x-mcp-header": "A"}), "a: x-mcp-header is for a string"),
        (_with({"type": ["string", "null"], "x-mcp-header": "A"}), "a: x-mcp-header is for a string"),
        (_with({"type": "string", "x-mcp-header": ""}), "a: x-mcp-header must be the name of a header"),
        (_with({"type": "string", "x-mcp-header": "A B"}), "a: x-mcp-header must be the name of a header"),
        (_with({"type": "string", "x-mcp-header": "A\r\nB: c"}), "a: x-mcp-header must be the name of a header"),
        (_with({"type": "string", "x-mcp-header": 5}), "a: x-mcp-header must be the name of a header"),
        (_with({"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}), "a.items: x-mcp-header is for"),
        (_with({"anyOf": [{"type": "string", "x-mcp-header": "A"}]}), "a.anyOf.0: x-mcp-header is for properties"),
        ({"type": "object", "x-mcp-header": "A"}, "the schema itself: x-mcp-header is for properties"),
        (
            {"type": "object", "$defs": {"x": {"type": "string", "x-mcp-header": "A"}}},
            r"\$defs.x: x-mcp-header is for properties",
        ),
        (
            {
                "type": "object",
                "properties": {
                    "a": {"type": "string", "x-mcp-header": "Region"},
                    "b": {"type": "string", "x-mcp-header": "region"},
                },
            },
            "b: x-mcp-header 'region' is taken by another property",
        ),
    ],
)
def test_a_wrong_declaration_is_refused_where_the_tool_is_made(schema: dict[str, Any], told: str) -> None:
    async def fn(input: dict[str, Any]) -> str:
        return ""

    with pytest.raises(ValueError, match=told):
        tool(expose=True, input_schema=schema)(fn)


def test_what_values_hold_is_no_declaration() -> None:
    schema = _with({"type": "object", "default": {"x-mcp-header": 5}, "enum": [{"x-mcp-header": "A"}]})
    assert param_headers(schema) == ()
    found = param_headers(_with({"type": "string", "x-mcp-header": "Region"}))
    assert [(h.name, h.path, h.type) for h in found] == [("Region", ("a",), "string")]


@pytest.mark.anyio
async def test_the_declaration_is_listed(in_process: Start) -> None:
    async with in_process(catalog=Catalog(routed, nested)) as client:
        tools = {t["name"]: t for t in (await client.modern("tools/list"))["result"]["tools"]}
    assert tools["routed"]["inputSchema"]["properties"]["region"]["x-mcp-header"] == "Region"
    assert tools["nested"]["inputSchema"] == NESTED


# -- held against the body ---------------------------------------------------------------------------------------------
HELLO = base64.b64encode(b"Hello").decode()
ACCEPTED: list[tuple[dict[str, Any], list[tuple[str, Any]]]] = [
    ({"region": "eu"}, [("Mcp-Param-Region", "eu")]),
    ({"region": "eu"}, [("mcp-param-REGION", "eu")]),
    ({"region": "Hello"}, [("Mcp-Param-Region", f"=?base64?{HELLO}?=")]),
    ({"region": "Zürich"}, [("Mcp-Param-Region", f"=?base64?{base64.b64encode('Zürich'.encode()).decode()}?=")]),
    ({"region": HELLO}, [("Mcp-Param-Region", HELLO)]),
    ({"region": "=?base64?SGVsbG8="}, [("Mcp-Param-Region", "=?base64?SGVsbG8=")]),
    ({"region": "eu", "shard": 42}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Shard", "42")]),
    ({"region": "eu", "shard": 42}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Shard", "42.0")]),
    ({"region": "eu", "shard": 42.0}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Shard", "42")]),
    ({"region": "eu", "urgent": True}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Urgent", "true")]),
    ({"region": "eu", "urgent": False}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Urgent", "false")]),
    ({"region": "eu"}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Unknown", "x")]),
    ({"region": "eu", "shard": None}, [("Mcp-Param-Region", "eu")]),  # which its schema does not take
    ({"region": "eu", "shard": 2**53 - 1}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Shard", str(2**53 - 1))]),
]
REFUSED: list[tuple[dict[str, Any], list[tuple[str, Any]]]] = [
    ({"region": "test-value"}, []),
    ({"region": "eu"}, [("Mcp-Param-Region", "us")]),
    ({"region": "eu"}, [("Mcp-Param-Region", "EU")]),
    ({"region": "Hello"}, [("Mcp-Param-Region", "=?base64?SGVsbG8?=")]),
    ({"region": "Hello"}, [("Mcp-Param-Region", "=?base64?SGVs!!!bG8=?=")]),
    ({}, [("Mcp-Param-Region", "eu")]),
    ({"region": None}, [("Mcp-Param-Region", "eu")]),
    ({"region": "eu", "shard": 42}, [("Mcp-Param-Region", "eu")]),
    ({"region": "eu", "shard": 42}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Shard", "43")]),
    ({"region": "eu", "shard": 42}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Shard", "4.2e1")]),
    ({"region": "eu", "urgent": True}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Urgent", "True")]),
    ({"region": "eu", "urgent": True}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Urgent", "1")]),
    ({"region": {"a": 1}}, [("Mcp-Param-Region", "eu")]),
    ({"region": "Zürich"}, [("Mcp-Param-Region", "Zürich".encode())]),
    ({"region": "Zürich"}, [("Mcp-Param-Region", "Zürich".encode("latin-1"))]),
    ({"region": "eu", "shard": 2**53}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Shard", str(2**53))]),
    ({"region": "eu", "shard": -(2**53)}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Shard", str(-(2**53)))]),
]


TWICE = [("Mcp-Param-Region", "eu"), ("Mcp-Param-Region", "us")]


@pytest.mark.requirement("http.decode-base64-params", "http.param-absent", "http.param-match", "http.param-null")
@pytest.mark.anyio
async def test_headers_that_mirror_the_arguments_are_accepted(over_http: Start) -> None:
    async with over_http(catalog=Catalog(routed, nested)) as server:
        for arguments, headers in ACCEPTED:
            response = await _post(server, "routed", arguments, headers)
            assert (response.status_code, "result" in response.json()) == (200, True), (arguments, headers)
        zone = await _post(server, "nested", {"to": {"zone": "b"}}, [("Mcp-Param-Zone", "b")])
        none = await _post(server, "nested", {})
    assert zone.status_code == none.status_code == 200


@pytest.mark.requirement(
    "http.param-invalid", "http.param-mismatch", "http.param-omitted", "tools.x-mcp-header-safe-integers"
)
@pytest.mark.anyio
async def test_headers_that_do_not_are_refused(over_http: Start) -> None:
    async with over_http(durable_routed, catalog=Catalog(routed, nested)) as server:
        for arguments, headers in REFUSED:
            response = await _post(server, "routed", arguments, headers)
            assert (response.status_code, response.json()["error"]["code"]) == (400, -32020), (arguments, headers)
            assert response.json()["id"] == 9
        twice = await _post(server, "routed", {"region": "eu"}, TWICE)
        run = await _post(server, "durable_routed", {"region": "eu"}, [("Mcp-Param-Region", "us")])
        zone = await _post(server, "nested", {"to": {"zone": "b"}})
    assert {r.json()["error"]["code"] for r in (twice, run, zone)} == {-32020}


@pytest.mark.anyio
async def test_an_older_request_has_no_such_headers(over_http: Start) -> None:
    async with over_http(catalog=Catalog(routed)) as server:
        response = await _post(server, "routed", {"region": "eu"}, version="2025-11-25")
    assert response.json()["result"]["structuredContent"] == {"result": "eu 0 False"}


@pytest.mark.anyio
async def test_the_official_client_sends_them(over_http: Start) -> None:
    async with (
        over_http(catalog=Catalog(routed, nested)) as server,
        Client(server.url, mode="2026-07-28") as client,
    ):
        await client.list_tools()
        told = await client.call_tool("routed", {"region": "Zürich", "shard": 7, "urgent": True})
    assert told.structured_content == {"result": "Zürich 7 True"}
