"""What 2026-07-28 demands of discovery, tools, resources and of what may be kept of their results."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from dragoman.agents import Context, agent

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
RAW = bytes(range(256))


@pytest.mark.requirement("resources.declared", "resources.listed", "tools.declared", "tools.listed")
async def test_what_is_served_is_declared_and_what_is_declared_is_served(in_process: Start) -> None:
    methods = {"tools": "tools/list", "resources": "resources/list", "prompts": "prompts/list"}
    async with in_process() as client:
        declared = (await client.modern("server/discover"))["result"]["capabilities"]
        answers = {name: await client.modern(method) for name, method in methods.items()}
    served = {name for name, answer in answers.items() if answer.get("error", {}).get("code") != -32601}
    assert served == declared.keys() & methods.keys()
    assert served >= {"tools", "resources"}


@pytest.mark.requirement("caching.hints", "caching.public-is-shared", "caching.ttl")
async def test_results_that_may_be_kept_say_for_how_long_and_for_whom(in_process: Start) -> None:
    async with in_process(list_ttl_ms=5_000) as client:
        called = await client.call("report")
        uri = next(c["resource"]["uri"] for c in called["content"] if c["type"] == "resource")
        results = [
            (await client.modern(method, params))["result"]
            for method, params in [
                ("server/discover", {}),
                ("tools/list", {}),
                ("prompts/list", {}),
                ("resources/list", {}),
                ("resources/templates/list", {}),
                ("resources/read", {"uri": uri}),
            ]
        ]
    assert all(type(r["ttlMs"]) is int and r["ttlMs"] >= 0 for r in results)
    assert {r["cacheScope"] for r in results} <= {"public", "private"}
    assert results[1]["ttlMs"] == 5_000


@pytest.mark.requirement("caching.scope-of-pages")
async def test_all_pages_of_a_list_have_one_cache_scope(in_process: Start) -> None:
    scopes: list[str] = []
    async with in_process(page_size=2) as client:
        cursor: dict[str, Any] | None = {}
        while cursor is not None:
            page = (await client.modern("tools/list", cursor))["result"]
            scopes.append(page["cacheScope"])
            cursor = {"cursor": page["nextCursor"]} if "nextCursor" in page else None
    assert len(scopes) > 3
    assert len(set(scopes)) == 1


@pytest.mark.requirement("tools.output-conforms")
async def test_structured_content_fits_the_schema_that_the_list_tells(in_process: Start) -> None:
    calls: dict[str, dict[str, Any]] = {
        "echo": {"text": "hi"},
        "add": {"a": 1, "b": 2},
        "find_order": {"order_id": "A"},
        "refund": {"order_id": "A", "amount": 500},
        "fail": {"politely": True},
    }
    async with in_process() as client:
        listed = (await client.modern("tools/list"))["result"]["tools"]
        schemas = {tool["name"]: tool["outputSchema"] for tool in listed if "outputSchema" in tool}
        results = {name: await client.call(name, arguments) for name, arguments in calls.items()}
    for name, result in results.items():
        if not result["isError"]:
            jsonschema.validate(result["structuredContent"], schemas[name], jsonschema.Draft202012Validator)
    assert [name for name, result in results.items() if result["isError"]] == ["fail"]


@agent(description="Write what is hard to name")
async def oddly_named(ctx: Context) -> None:
    await ctx.artifact("a b/../ü?#.bin", RAW)


@pytest.mark.requirement("resources.binary", "resources.uri-rfc3986")
async def test_the_uri_of_a_resource_is_a_uri_and_its_bytes_come_as_base64(in_process: Start) -> None:
    async with in_process(oddly_named, embed_limit=1) as client:
        _, link = (await client.call("oddly_named"))["content"]
        uri: str = link["uri"]
        (read,) = (await client.modern("resources/read", {"uri": uri}))["result"]["contents"]
    parts = urlsplit(uri)
    assert uri.isascii()
    assert " " not in uri
    assert (parts.scheme, parts.query, parts.fragment) == ("dragoman", "", "")
    assert base64.b64decode(read["blob"], validate=True) == RAW


@pytest.mark.requirement(
    "resources.file-paths",
    "resources.no-empty-contents",
    "resources.not-found",
    "resources.validate-uris",
)
@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "dragoman://runs/../../etc/passwd",
        "dragoman://runs/%2e%2e/artifacts/a",
        "",
        "\x00",
        "runs",
    ],
)
async def test_a_uri_that_names_nothing_is_invalid_and_never_an_empty_result(in_process: Start, uri: str) -> None:
    async with in_process() as client:
        answer = await client.modern("resources/read", {"uri": uri})
    assert answer["error"]["code"] == -32602
