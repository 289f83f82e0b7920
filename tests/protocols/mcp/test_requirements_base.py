"""What 2026-07-28 demands of every message: ids, result types, codes, statelessness, schemas, names in ``_meta``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeGuard

import httpx
import jsonschema
import pytest

from dragoman.mcp import errors
from dragoman.mcp.call import Peer
from dragoman.mcp.jsonrpc import Notification
from dragoman.mcp.objects import is_object
from dragoman.memory.model import Principal

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
CALLER = Principal("acme", "ada")
META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
LABEL = r"[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
META_KEY = re.compile(rf"(?:{LABEL}(?:\.{LABEL})*/)?(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?")
UNABLE: dict[str, Any] = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


async def _one_of_each(client: Any) -> dict[str, Any]:
    """A result of every modern method that is served, by method."""
    called = await client.modern("tools/call", {"name": "report"})
    run = called["result"]["_meta"]["dragoman/run"]
    link = next(c["resource"]["uri"] for c in called["result"]["content"] if c["type"] == "resource")
    asked: dict[str, Any] = {"taskId": run, "inputResponses": {}}
    return {
        "tools/call": called["result"],
        "server/discover": (await client.modern("server/discover"))["result"],
        "tools/list": (await client.modern("tools/list"))["result"],
        "resources/list": (await client.modern("resources/list"))["result"],
        "resources/templates/list": (await client.modern("resources/templates/list"))["result"],
        "resources/read": (await client.modern("resources/read", {"uri": link}))["result"],
        **{m: (await client.modern(m, asked, tasks=True))["result"] for m in ("tasks/get", "tasks/update")},
        "tasks/cancel": (await client.modern("tasks/cancel", asked, tasks=True))["result"],
    }


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _meta_keys(value: Any) -> Iterator[str]:
    """Every key of every ``_meta`` within a value."""
    if is_object(value):
        yield from value.get("_meta", ())
        for inner in value.values():
            yield from _meta_keys(inner)
    elif _is_list(value):
        for inner in value:
            yield from _meta_keys(inner)


@pytest.mark.requirement("base.result-type", "base.result-types-known")
async def test_every_modern_result_says_its_type(in_process: Start) -> None:
    async with in_process() as client:
        results = await _one_of_each(client)
    assert {method: result["resultType"] for method, result in results.items()} == dict.fromkeys(results, "complete")


@pytest.mark.requirement("base.meta-key-label", "base.meta-key-name", "base.meta-key-prefix")
async def test_keys_of_meta_are_named_by_its_rules(in_process: Start) -> None:
    async with in_process() as client:
        keys = set(_meta_keys(await _one_of_each(client)))
    assert META + "serverInfo" in keys
    assert "dragoman/run" in keys
    assert [key for key in keys if not META_KEY.fullmatch(key)] == []


@pytest.mark.requirement("base.error-id", "base.result-field", "base.result-id")
@pytest.mark.parametrize("id", [7, -1, "a", "", "größe"])
async def test_an_answer_has_the_id_of_its_request(over_http: Start, id: int | str) -> None:
    headers = {"mcp-protocol-version": MODERN, "accept": "application/json"}
    async with over_http() as server, httpx.AsyncClient() as client:
        for method, kind in [("server/discover", "result"), ("no/such", "error")]:
            body = {"jsonrpc": "2.0", "id": id, "method": method, "params": {"_meta": UNABLE}}
            answer = (await client.post(server.url, json=body, headers={**headers, "mcp-method": method})).json()
            assert (answer["id"], kind in answer) == (id, True)


@pytest.mark.requirement(
    "base.error-code-integer",
    "base.error-codes-gone",
    "base.error-codes-legacy",
    "base.error-codes-reserved",
)
def test_codes_of_the_reserved_range_are_those_of_the_specification_and_the_old_ones_are_gone() -> None:
    codes = {value for value in vars(errors).values() if type(value) is int}
    assert {code for code in codes if -32099 <= code <= -32000} == {-32020, -32021, -32022}
    assert codes - {-32020, -32021, -32022} == {-32700, -32600, -32601, -32602, -32603}


@pytest.mark.requirement(
    "base.capabilities-declared",
    "base.capabilities-not-inferred",
    "base.result-types-known",
    "base.stateless",
    "tasks.declared-only",
)
async def test_nothing_is_inferred_from_an_earlier_request_on_the_connection(over_http: Start) -> None:
    params: dict[str, Any] = {"name": "refund", "arguments": {"order_id": "A", "amount": 500}}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "refund"}
    call: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    able: dict[str, Any] = {"elicitation": {}}
    asked_as: list[dict[str, Any]] = [able, {}, {**able, "extensions": {META + "tasks": {}}}, {}]
    told: list[dict[str, Any]] = []
    async with over_http() as server, httpx.AsyncClient(headers=headers) as client:
        for capabilities in asked_as:
            meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": capabilities}
            response = await client.post(server.url, json={**call, "params": {**params, "_meta": meta}})
            told.append(response.json()["result"])
        undeclared = await client.post(server.url, json={**call, "params": params})
    assert [result["resultType"] for result in told] == ["input_required", "complete", "task", "complete"]
    assert undeclared.status_code == 400


@pytest.mark.requirement("resources.list-stable", "tools.list-stable")
async def test_lists_are_the_same_on_every_connection_and_after_other_requests(over_http: Start) -> None:
    seen: dict[str, list[Any]] = {"tools/list": [], "resources/list": []}

    async def ask(client: httpx.AsyncClient, url: str, method: str, **params: Any) -> Any:
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
        if "name" in params:
            headers["mcp-name"] = params["name"]
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": UNABLE}}
        return (await client.post(url, json=body, headers=headers)).json()

    async with over_http() as server:
        for _ in range(2):
            async with httpx.AsyncClient() as client:
                for name in ("echo", "nobody"):
                    for method, lists in seen.items():
                        lists.append((await ask(client, server.url, method))["result"])
                    await ask(client, server.url, "tools/call", name=name)  # without the argument it needs
    for lists in seen.values():
        assert lists == [lists[0]] * 4


@pytest.mark.requirement("base.schema-default", "base.schema-dialect", "base.schema-valid", "tools.input-schema")
async def test_schemas_of_tools_are_valid_json_schema_2020_12_objects(in_process: Start) -> None:
    async with in_process() as client:
        tools = (await client.modern("tools/list"))["result"]["tools"]
    for tool in tools:
        assert tool["inputSchema"]["type"] == "object"
        for schema in (tool["inputSchema"], tool.get("outputSchema", {})):
            assert schema.get("$schema", DIALECT) == DIALECT
            jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.requirement(
    "base.capability-missing-400",
    "base.error-codes-reserved",
    "http.status-400-missing-capability",
)
async def test_a_missing_capability_is_told_with_400(over_http: Start, schemas: Any) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "a", "_meta": UNABLE}}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "tasks/get", "mcp-name": "a"}
    async with over_http() as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=headers)
    assert response.status_code == 400
    schemas.modern("MissingRequiredClientCapabilityError", response.json())


@pytest.mark.requirement("elicitation.no-claimed-identity")
async def test_a_caller_is_not_who_the_client_says_but_who_is_authenticated(in_process: Start) -> None:
    claims = {META + "clientInfo": {"name": "ada", "version": "1"}, "user": "ada", "sub": "ada"}
    async with in_process() as client:
        asked = await client.call("refund", {"order_id": "A", "amount": 500}, elicits=True)
        answers = {"input": {"action": "accept", "content": {"answer": "approve"}}}
        retry = {"name": "refund", "arguments": {"order_id": "A", "amount": 500}, "inputResponses": answers}
        retry["requestState"] = asked["requestState"]
        bob = Principal("acme", "bob")
        refused = await client.modern("tools/call", retry, elicits=True, meta=claims, principal=bob)
    assert refused["error"]["code"] == -32602


@pytest.mark.requirement("base.notification-unanswered")
async def test_a_notification_is_never_answered(in_process: Start) -> None:
    async with in_process() as client:
        for method in ("notifications/cancelled", "notifications/none", "tools/list"):
            assert await client.kernel.notify(Peer(CALLER, withdraws="t"), Notification(method, {})) is None
