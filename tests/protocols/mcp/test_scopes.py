"""Tools that not every caller may call: not listed, and refused in a way that a client can ask for more by."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from dragoman.agents import Catalog, Context, agent, tool
from dragoman.memory.model import Principal

Start = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = pytest.mark.anyio

META = "io.modelcontextprotocol/"


@agent(description="Pay", scopes=["pay", "read"])
async def pays(ctx: Context, amount: int) -> str:
    return f"paid {amount}"


@tool(expose=True, scopes=["read"])
async def reads() -> str:
    """Read."""
    return "read"


@tool(expose=True)
async def free() -> str:
    """For everyone."""
    return "free"


def _holds(*scopes: str) -> Principal:
    return Principal("acme", "ada", frozenset(scopes))


@pytest.mark.parametrize(
    ("scopes", "seen"),
    [
        ((), ["free"]),
        (("pay",), ["free"]),
        (("read",), ["reads", "free"]),
        (("pay", "read", "more"), ["pays", "reads", "free"]),
        (("*",), ["pays", "reads", "free"]),
    ],
)
async def test_a_caller_is_shown_what_they_may_call(
    in_process: Start, scopes: tuple[str, ...], seen: list[str]
) -> None:
    async with in_process(pays, catalog=Catalog(reads, free)) as client:
        for _ in range(2):  # made, and kept
            listed = (await client.modern("tools/list", principal=_holds(*scopes)))["result"]["tools"]
            assert [t["name"] for t in listed if t["name"] in ("pays", "reads", "free")] == seen
        unknown = await client.modern("tools/call", {"name": "nobody"}, principal=_holds(*scopes))
    assert all((name in unknown["error"]["message"]) == (name in seen) for name in ("pays", "reads", "free"))


@pytest.mark.parametrize("name", ["pays", "reads"])
async def test_what_they_may_not_call_is_refused_with_all_scopes_that_it_needs(in_process: Start, name: str) -> None:
    async with in_process(pays, catalog=Catalog(reads, free)) as client:
        params = {"name": name, "arguments": {"amount": 1} if name == "pays" else {}}
        refused = (await client.modern("tools/call", params, principal=_holds("pay")))["error"]
        served = await client.modern("tools/call", params, principal=_holds("pay", "read"))
        runs = (await client.engine.list_runs(_holds())).items
    needed = ["pay", "read"] if name == "pays" else ["read"]
    assert refused["data"] == {"requiredScopes": needed}
    assert served["result"]["isError"] is False
    assert len(runs) == (1 if name == "pays" else 0)


@pytest.mark.requirement("authorization.status-codes")
@pytest.mark.parametrize("modern", [True, False])
async def test_over_http_the_answer_is_403_with_a_challenge(over_http: Start, modern: bool) -> None:
    params: dict[str, Any] = {"name": "pays", "arguments": {"amount": 1}}
    headers = {"Accept": "application/json, text/event-stream", "x-test-scopes": "read"}
    if modern:
        params["_meta"] = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
        headers |= {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "pays"}
    body = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
    async with over_http(pays, catalog=Catalog(reads, free)) as server, httpx.AsyncClient() as client:
        response = await client.post(server.url, json=body, headers=headers)
        allowed = await client.post(server.url, json=body, headers={**headers, "x-test-scopes": "read pay"})
    challenge = response.headers["www-authenticate"]
    assert response.status_code == 403
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="pay read"' in challenge
    assert response.json()["id"] == 3
    assert allowed.status_code == 200
