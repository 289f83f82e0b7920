"""What a caller with ill intent sends: names and cursors without end, URIs that take long, what is hidden from them."""

from __future__ import annotations

import asyncio
import base64
import json
import tracemalloc
from typing import Any, Protocol

import httpx
import pytest

from dragoman.agents import Catalog, Context, agent, resource
from dragoman.mcp.call import SILENT, Peer, Session
from dragoman.mcp.jsonrpc import Reply, Request
from dragoman.memory.model import Principal

pytestmark = pytest.mark.anyio


class Client(Protocol):
    engine: Any
    kernel: Any

    async def modern(self, method: str, params: Any = None, **how: Any) -> dict[str, Any]: ...
    async def older(self, method: str, params: Any = None, **how: Any) -> dict[str, Any]: ...


class Start(Protocol):
    def __call__(self, *agents: Any, **settings: Any) -> Any: ...


@resource("pairs://{a}-{b}-{c}/end")
async def pairs(a: str, b: str, c: str) -> str:
    return f"{a} {b} {c}"


@resource("files://{+path}")
async def files(path: str) -> str:
    return path


@agent(description="Not for all", scopes=["audit"])
async def audit(ctx: Context, what: str) -> str:
    return what


@agent(description="For nobody over MCP")
async def internal_audit(ctx: Context, what: str) -> str:
    return what


def _code(answer: dict[str, Any]) -> int:
    code: int = answer["error"]["code"]
    return code


async def test_a_uri_made_to_take_long_is_answered_at_once(in_process: Start) -> None:
    client: Client
    async with in_process(catalog=Catalog(pairs)) as client, asyncio.timeout(5):
        assert _code(await client.modern("resources/read", {"uri": "pairs://" + "-" * 8000 + "!end"})) == -32602
        read = await client.modern("resources/read", {"uri": "pairs://a-b-c/end"})
        assert read["result"]["contents"][0]["text"] == "a b c"


@pytest.mark.parametrize("path", ["..%2F..%2Fetc%2Fpasswd", "/etc/passwd", "a/../../b", "a%00"])
async def test_a_uri_whose_value_leads_out_of_a_folder_is_not_found_and_not_watched(
    in_process: Start, path: str
) -> None:
    client: Client
    async with in_process(catalog=Catalog(files)) as client:
        assert _code(await client.modern("resources/read", {"uri": f"files://{path}"})) == -32602
        assert _code(await client.older("resources/subscribe", {"uri": f"files://{path}"})) == -32002
        read = await client.modern("resources/read", {"uri": "files://a/b"})
        assert read["result"]["contents"][0]["text"] == "a/b"


@pytest.mark.parametrize("uri", ["dragoman://store/a/", "dragoman://runs/", "files://"])
async def test_a_uri_without_end_is_neither_read_nor_kept_in_a_session(in_process: Start, uri: str) -> None:
    client: Client
    async with in_process(catalog=Catalog(files)) as client:
        named = {"uri": uri + "b" * 100_000}
        assert _code(await client.modern("resources/read", named)) == -32602
        assert _code(await client.older("resources/read", named)) == -32002
        assert _code(await client.older("resources/subscribe", named)) == -32002


async def test_what_is_typed_without_end_is_not_completed(in_process: Start) -> None:
    client: Client
    async with in_process() as client:
        ref = {"type": "ref/resource", "uri": "dragoman://store/{+path}"}
        typed = {"ref": ref, "argument": {"name": "path", "value": "a/" * 100_000}}
        assert _code(await client.modern("completion/complete", typed)) == -32602


@pytest.mark.parametrize("method", ["tools/list", "resources/list", "resources/templates/list", "prompts/list"])
async def test_cursors_that_a_client_makes_up_do_not_fill_the_memory(in_process: Start, method: str) -> None:
    client: Client
    async with in_process() as client:
        member = {"tools/list": "tools", "resources/list": "resources"}.get(method, "resourceTemplates")
        known = (await client.modern(method))["result"].get(member) or [{"name": "none"}]
        first = known[0].get("uri") or known[0].get("uriTemplate") or known[0]["name"]
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for number in range(20):
                made_up = base64.urlsafe_b64encode(json.dumps([first, f"{number}" + "x" * 500_000]).encode()).decode()
                answer = await client.modern(method, {"cursor": made_up.rstrip("=")})
                assert _code(answer) == -32602
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert after - before < 2_000_000  # one of the cursors has 667 kB


async def test_a_session_keeps_of_what_a_client_declares_only_what_is_acted_upon(in_process: Start) -> None:
    client: Client
    async with in_process() as client:
        declared: dict[str, Any] = {
            "elicitation": {"form": {}, "x": "y" * 100_000},
            "sampling": {"x": "y" * 100_000},
            "roots": 7,
        }
        hello = {"protocolVersion": "2025-11-25", "capabilities": declared, "clientInfo": {"name": "t", "version": "0"}}
        answer = await client.kernel.request(Peer(Principal("acme", "ada")), Request(1, "initialize", hello), SILENT)
        assert answer.session.capabilities == {"elicitation": {}, "sampling": {}}
        assert answer.session.elicits


@pytest.mark.parametrize("action", ["error", "cancel"])
async def test_another_callers_reply_does_not_put_off_what_a_person_is_asked(
    in_process: Start, recorded: Any, action: str
) -> None:
    client: Any
    async with in_process() as client:
        params = {"name": "delete", "arguments": {"thing": "it"}}
        call = asyncio.create_task(client.older("tools/call", params, elicits=True, channel=recorded))
        asked = await recorded.wait_for("elicitation/create")
        told = (None, {"code": -1, "message": "no"}) if action == "error" else ({"action": action}, None)
        await client.kernel.reply(Peer(Principal("other", "eve")), Reply(asked["id"], *told))
        given = {"action": "accept", "content": {"approved": True}}
        await client.kernel.reply(client.peer(elicits=True), Reply(asked["id"], given, None))
        answer = await call
    assert answer["result"]["content"][0]["text"] == "deleted it"


async def test_only_agents_that_a_caller_can_read_of_are_completed(in_process: Start) -> None:
    typed = {
        "ref": {"type": "ref/resource", "uri": "dragoman://agents/{agent}"},
        "argument": {"name": "agent", "value": ""},
    }

    def values(answer: dict[str, Any]) -> list[str]:
        found: list[str] = answer["result"]["completion"]["values"]
        return found

    client: Client
    async with in_process(audit, internal_audit, tools=("*", "!internal_*")) as client:
        narrow = await client.modern("completion/complete", typed, principal=Principal("acme", "bob", frozenset()))
        wide = await client.modern(
            "completion/complete", typed, principal=Principal("acme", "bob", frozenset(["audit"]))
        )
        assert "echo" in values(narrow)
        assert "audit" not in values(narrow)
        assert "audit" in values(wide)
        assert "internal_audit" not in values(wide)


@pytest.mark.parametrize(
    "origin", ["http://[", "http://localhost:x@evil.example", "http://localhost@evil.example", "null", "file://"]
)
async def test_an_origin_that_only_looks_like_this_machines_is_refused(over_http: Start, origin: str) -> None:
    async with over_http() as server, httpx.AsyncClient() as client:
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        answer = await client.post(server.url, json=body, headers={"origin": origin})
        assert answer.status_code == 403


@pytest.mark.parametrize("name", ["audit", "internal_audit", "nobody"])
async def test_what_is_hidden_can_be_watched_no_more_than_what_never_was(
    in_process: Start, recorded: Any, name: str
) -> None:
    uri = f"dragoman://agents/{name}"
    caller = Principal("acme", "ada", frozenset())
    client: Client
    async with in_process(audit, internal_audit, tools=("*", "!internal_*")) as client:
        peer = Peer(caller, Session("2025-11-25", {}, "s"), withdraws="s")
        told = await client.kernel.request(peer, Request(1, "resources/subscribe", {"uri": uri}), SILENT)
        wanted = {"notifications": {"resourceSubscriptions": [uri, "dragoman://agents/echo"]}}
        listening = asyncio.create_task(
            client.modern("subscriptions/listen", wanted, principal=caller, channel=recorded)
        )
        async with asyncio.timeout(10):
            honoured = await recorded.wait_for("notifications/subscriptions/acknowledged")
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert json.loads(told.body)["error"] == {"code": -32002, "message": "Resource not found.", "data": {"uri": uri}}
    assert honoured["params"]["notifications"] == {"resourceSubscriptions": ["dragoman://agents/echo"]}
