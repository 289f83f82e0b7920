"""The kernel without a tool: versions, methods, sessions, and messages that make no sense."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mcp import McpSettings, eras, headers
from dragoman.mcp.call import Peer
from dragoman.mcp.errors import ProtocolError, protocol_error, tool_error
from dragoman.mcp.jsonrpc import Batch, Notification, Reply, Request, error_bytes, parse, result_bytes
from dragoman.mcp.sealed import BadSeal, Lapsed, Sealer
from dragoman.memory import errors
from dragoman.memory.codec import dumps, loads
from dragoman.memory.model import Principal

Start = Callable[..., AbstractAsyncContextManager[Any]]
CALLER = Principal("acme", "ada")


# -- methods -----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("base.parts", "discover.served", "versioning.discover", "versioning.extension-names")
@pytest.mark.anyio
async def test_discover_tells_all_versions_and_what_is_served(in_process: Start, schemas: Any) -> None:
    async with in_process(instructions="Be kind.") as client:
        result = (await client.modern("server/discover"))["result"]
    assert result["supportedVersions"] == list(eras.SUPPORTED)
    assert set(result["capabilities"]["extensions"]) == {"io.modelcontextprotocol/tasks", "io.modelcontextprotocol/ui"}
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["version"] == "1.0.0"
    assert result["instructions"] == "Be kind."
    schemas.modern("DiscoverResult", result)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("asked", "answered"),
    [*((v, v) for v in eras.OLDER), ("2026-07-28", "2025-11-25"), ("1999-01-01", "2025-11-25")],
)
async def test_initialize_agrees_on_an_older_version_and_on_no_other(
    in_process: Start, asked: str, answered: str, schemas: Any
) -> None:
    info = {"name": "test", "version": "0"}
    async with in_process() as client:
        params: dict[str, Any] = {"protocolVersion": asked, "capabilities": {"elicitation": {}}, "clientInfo": info}
        response = await client.send(Peer(CALLER), "initialize", params, None)
        request = Request(1, "initialize", params)
        answer = await client.kernel.request(Peer(CALLER), request, client)
    assert response["result"]["protocolVersion"] == answered
    assert answer.session.version == answered
    assert answer.session.elicits == (answered in ("2025-06-18", "2025-11-25"))
    schemas.older("InitializeResult", response["result"])


@pytest.mark.anyio
async def test_ping_and_set_level_are_answered_in_the_older_era(in_process: Start) -> None:
    async with in_process() as client:
        assert (await client.older("ping"))["result"] == {}
        assert (await client.older("logging/setLevel", {"level": "debug"}))["result"] == {}
        wrong = await client.older("logging/setLevel", {"level": "loud"})
        gone = await client.modern("ping")
    assert wrong["error"]["code"] == -32602
    assert gone["error"]["code"] == -32601


@pytest.mark.requirement("tools.listed")
@pytest.mark.anyio
@pytest.mark.parametrize("version", [*eras.OLDER, "modern"])
async def test_tools_are_listed_in_one_order_page_by_page(in_process: Start, version: str, schemas: Any) -> None:
    async with in_process(page_size=4) as client:
        pages: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        while True:
            if version == "modern":
                response = await client.modern("tools/list", cursor)
            else:
                response = await client.older("tools/list", cursor, version=version)
            pages.append(response["result"])
            if "nextCursor" not in response["result"]:
                break
            cursor = {"cursor": response["result"]["nextCursor"]}
        stale = await client.modern("tools/list", {"cursor": "after-3"})
        agents = list(client.engine.agents)
    names = [t["name"] for page in pages for t in page["tools"]]
    assert names == [*agents, "run_status", "run_answer", "run_cancel"]
    assert all(t["description"] for page in pages for t in page["tools"])
    knows = version in ("2025-06-18", "2025-11-25", "modern")
    assert all(("outputSchema" in t) == ("title" in t) == knows for t in pages[0]["tools"])
    assert stale["error"]["code"] == -32602
    for page in pages:
        (schemas.modern if version == "modern" else schemas.older)("ListToolsResult", page)


@pytest.mark.requirement("base.error-field", "resources.validate-uris")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "params", "code", "told"),
    [
        ("tools/none", {}, -32601, "tools/none"),
        ("tasks/list", {}, -32601, "tasks/list"),
        ("tools/call", {"name": "nobody"}, -32602, "echo"),
        ("tools/call", {}, -32602, '"name"'),
        ("tools/call", {"name": 7}, -32602, '"name"'),
        ("tools/call", {"name": "echo", "arguments": [1]}, -32602, '"arguments"'),
        ("tools/list", {"cursor": 7}, -32602, "cursor"),
        ("resources/read", {}, -32602, '"uri"'),
        ("resources/read", {"uri": "file:///etc/passwd"}, -32602, "not found"),
    ],
)
async def test_a_request_that_makes_no_sense_gets_the_code_for_it_and_a_message_that_helps(
    in_process: Start, method: str, params: dict[str, Any], code: int, told: str
) -> None:
    async with in_process() as client:
        response = await client.modern(method, params)
    assert response["error"]["code"] == code
    assert told in response["error"]["message"]


@pytest.mark.requirement("base.meta-no-assumptions", "base.meta-required", "versioning.unsupported")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("meta", "code"),
    [
        ({"io.modelcontextprotocol/protocolVersion": "2026-07-28"}, -32602),
        ({"io.modelcontextprotocol/protocolVersion": 7}, -32602),
        ({"io.modelcontextprotocol/protocolVersion": "1900-01-01"}, -32022),
        ({"io.modelcontextprotocol/protocolVersion": "2025-11-25"}, -32022),
        ({}, -32602),
        ([], -32602),
    ],
)
async def test_a_modern_request_says_its_version_and_capabilities(in_process: Start, meta: Any, code: int) -> None:
    async with in_process() as client:
        response = await client.send(Peer(CALLER), "server/discover", {"_meta": meta}, None)
    assert response["error"]["code"] == code
    if code == -32022:
        assert response["error"]["data"]["supported"] == list(eras.SUPPORTED)
        assert response["error"]["data"]["requested"] == meta["io.modelcontextprotocol/protocolVersion"]


@pytest.mark.requirement("tools.sanitize-outputs")
@pytest.mark.anyio
async def test_a_fault_is_told_as_one_and_its_trace_is_for_the_log_alone(
    in_process: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with in_process() as client:

        async def broken(*_: Any) -> Any:
            raise ZeroDivisionError("secret")

        monkeypatch.setattr(client.engine, "run", broken)
        with caplog.at_level(logging.ERROR, "dragoman.mcp"):
            response = await client.modern("tools/call", {"name": "echo", "arguments": {"text": "x"}})
    assert response["error"]["code"] == -32603
    assert "secret" not in str(response)
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("error", "code", "tool"),
    [
        (errors.AgentNotFound("no such agent"), -32602, None),
        (errors.RunNotFound(), -32602, "No such run."),
        (errors.InputInvalid("a: required"), -32602, "a: required"),
        (errors.RunEnded("it has ended"), -32602, "it has ended"),
        (errors.ThreadBusy("busy"), -32602, "busy"),
        (errors.NotPermitted("not you"), -32602, "not you"),
        (errors.QueueFull("full", retry_after=7.4), -32603, "full Try again in 7 s."),
        (errors.LedgerBusy("the disk is full"), -32603, None),
        (KeyError("x"), None, None),
    ],
)
def test_a_domain_error_has_a_code_and_where_a_model_can_act_on_it_a_tool_error(
    error: Exception, code: int | None, tool: str | None
) -> None:
    told = protocol_error(error)
    assert (told and told.code) == code
    assert tool_error(error) == tool


# -- messages ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement(
    "base.error-field",
    "base.error-id",
    "base.json-rpc",
    "base.request-id",
    "base.request-id-not-null",
    "transports.utf-8",
)
@pytest.mark.parametrize(
    ("raw", "code", "id"),
    [
        (b"", -32700, None),
        (b"{", -32700, None),
        (b"\xff", -32700, None),
        (b'{"a":NaN}', -32700, None),
        (b"[" * 100_000 + b"]" * 100_000, -32700, None),
        (b"[" * 300 + b"]" * 300, -32700, None),
        (b"[]", -32600, None),
        (b"[" + b",".join([b'{"jsonrpc":"2.0","id":1,"method":"ping"}'] * 101) + b"]", -32600, None),
        (b"1", -32600, None),
        (b"null", -32600, None),
        (b'{"id":1,"method":"ping"}', -32600, 1),
        (b'{"jsonrpc":"1.0","id":"a","method":"ping"}', -32600, "a"),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1}', -32600, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600, 1),
        (b'{"jsonrpc":"2.0","id":1,"result":7}', -32600, 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', -32602, 1),
    ],
)
def test_a_message_that_is_none_is_refused_with_its_id_where_it_is_legible(
    raw: bytes, code: int, id: Any, schemas: Any
) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(raw)
    body = loads(error_bytes(caught.value))
    assert body["error"]["code"] == code
    assert body.get("id") == id
    schemas.modern("JSONRPCErrorResponse", body)


@pytest.mark.requirement("base.json-rpc")
def test_requests_notifications_and_replies_are_told_apart() -> None:
    assert parse(b'{"jsonrpc":"2.0","id":1,"method":"a"}') == Request(1, "a", {})
    assert parse(b'{"jsonrpc":"2.0","method":"a","params":{"b":1}}') == Notification("a", {"b": 1})
    assert parse(b'{"jsonrpc":"2.0","id":"x","result":{"a":1}}') == Reply("x", {"a": 1}, None)
    assert parse(b'{"jsonrpc":"2.0","id":"x","error":{"code":1}}') == Reply("x", None, {"code": 1})


@pytest.mark.requirement("base.json-rpc")
@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error", "_meta"]), inner
                    )))  # fmt: skip
def test_any_json_is_a_message_or_is_refused(value: Any) -> None:
    told: Any = None
    try:
        told = parse(dumps(value))
    except ProtocolError as error:
        told = loads(error_bytes(error))["error"]["code"]
    assert told in (-32600, -32602) or isinstance(told, Request | Notification | Reply | Batch)


def test_a_result_that_was_made_earlier_is_put_into_its_response_as_it_is() -> None:
    assert loads(result_bytes('a"b', b'{"x":1}')) == loads(result_bytes('a"b', {"x": 1}))


# -- headers -----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("http.headers-decoded")
@pytest.mark.parametrize("name", [b"echo", b"  echo \t", b"=?base64?ZWNobw==?=", b" =?base64?ZWNobw==?= "])
def test_white_space_around_a_mirrored_value_is_no_part_of_it(name: bytes) -> None:
    raw = [(b"mcp-protocol-version", b" 2026-07-28"), (b"mcp-method", b"tools/call "), (b"mcp-name", name)]
    headers.check(headers.collect(raw), Request(1, "tools/call", {"name": "echo"}), "2026-07-28")


# -- seals -------------------------------------------------------------------------------------------------------------
def test_a_token_opens_for_its_purpose_its_caller_and_its_time_alone() -> None:
    sealer = Sealer(b"k" * 32)
    token = sealer.seal("state", CALLER, {"run": "r"}, 60)
    assert Sealer(b"k" * 32).open("state", CALLER, token)["run"] == "r"
    for purpose, caller, key in [
        ("session", CALLER, b"k"),
        ("state", Principal("acme", "bob"), b"k"),
        ("state", Principal("other", "ada"), b"k"),
        ("state", CALLER, b"j"),
    ]:
        with pytest.raises(BadSeal):
            Sealer(key * 32).open(purpose, caller, token)
    with pytest.raises(Lapsed):
        sealer.open("state", CALLER, sealer.seal("state", CALLER, {}, -1))


@given(st.text(max_size=60))
def test_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(BadSeal):
        Sealer(b"k" * 32).open("state", CALLER, text)


def test_a_token_longer_than_any_is_refused_unread() -> None:
    with pytest.raises(BadSeal, match="longer"):
        Sealer(b"k" * 32).open("state", CALLER, "A" * 5000)


@pytest.mark.requirement("elicitation.state-protected")
def test_what_a_key_sealed_is_opened_by_the_one_that_took_its_place_and_not_the_other_way() -> None:
    old, new = b"o" * 32, b"n" * 32
    token = Sealer(old).seal("state", CALLER, {"run": "r"}, 60)
    assert Sealer(new, [old]).open("state", CALLER, token)["run"] == "r"
    with pytest.raises(BadSeal, match="not made here"):
        Sealer(new).open("state", CALLER, token)
    with pytest.raises(BadSeal, match="not made here"):
        Sealer(old).open("state", CALLER, Sealer(new, [old]).seal("state", CALLER, {"run": "r"}, 60))


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        McpSettings(state_key=b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        McpSettings(state_key=b"k" * 32, previous_keys=(b"short",))
    with pytest.raises(ValueError, match="slash"):
        McpSettings(state_key=b"k" * 32, path="mcp")
