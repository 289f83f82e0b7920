"""Log messages: of plain functions and of runs, at the level that a request or a session asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import mcp_types as types
import pytest
from mcp.client import Client

from dragoman.agents import CallContext, Catalog, Context, agent, tool
from dragoman.mcp.call import Peer, Session
from dragoman.mcp.logs import LEVELS
from dragoman.memory.model import Principal

pytestmark = pytest.mark.anyio

Start = Callable[..., AbstractAsyncContextManager[Any]]
LEVEL = "io.modelcontextprotocol/logLevel"
CALLER = Principal("acme", "ada")
SECRET = "postgres://ada:sesame@db.internal/ledger"


@tool
async def plainly(ctx: CallContext) -> str:
    """Log at each level, within the request."""
    for level in LEVELS:
        await ctx.log({"at": level}, level=level, logger="plain")
    return "logged"


@agent
async def durably(ctx: Context) -> str:
    """Log at each level, in a run."""
    for level in LEVELS:
        await ctx.log({"at": level}, level=level, logger="run")
    await ctx.step(within, key="within")
    return "logged"


async def within() -> None:
    """A step."""


def _levels(channel: Any) -> list[str]:
    return [m["params"]["level"] for m in channel.sent if m["method"] == "notifications/message"]


@pytest.mark.parametrize("name", ["plainly", "durably"])
@pytest.mark.parametrize("least", LEVELS)
async def test_a_modern_request_hears_from_the_level_that_it_says(
    in_process: Start, recorded: Any, schemas: Any, name: str, least: str
) -> None:
    async with in_process(durably, catalog=Catalog(plainly)) as client:
        result = await client.call(name, channel=recorded, meta={LEVEL: least})
    assert result["structuredContent"] == {"result": "logged"}
    assert _levels(recorded) == list(LEVELS[LEVELS.index(least) :])
    for message in recorded.sent:
        schemas.modern("LoggingMessageNotification", message)
        assert message["params"]["data"] == {"at": message["params"]["level"]}
        assert message["params"]["logger"] in ("plain", "run")


@pytest.mark.requirement("logging.asked-for")
@pytest.mark.parametrize("name", ["plainly", "durably"])
@pytest.mark.parametrize("meta", [{}, {LEVEL: "loud"}, {LEVEL: None}, {LEVEL: 3}])
async def test_a_modern_request_that_says_no_level_hears_nothing(
    in_process: Start, recorded: Any, name: str, meta: Mapping[str, Any]
) -> None:
    async with in_process(durably, catalog=Catalog(plainly)) as client:
        await client.call(name, channel=recorded, meta=meta)
    assert _levels(recorded) == []


@pytest.mark.requirement("logging.asked-for")
async def test_the_level_of_one_request_is_not_that_of_another(in_process: Start, recorded: Any) -> None:
    async with in_process(catalog=Catalog(plainly)) as client:
        await client.call("plainly", channel=recorded, meta={LEVEL: "debug"})
        heard = len(_levels(recorded))
        await client.call("plainly", channel=recorded)
    assert len(_levels(recorded)) == heard == len(LEVELS)


@pytest.mark.requirement("logging.own-stream")
@pytest.mark.parametrize("name", ["plainly", "durably"])
async def test_log_messages_go_with_their_own_request_alone(in_process: Start, recorded: Any, name: str) -> None:
    others = [type(recorded)() for _ in range(2)]
    async with in_process(durably, catalog=Catalog(plainly)) as client:
        await asyncio.gather(
            client.call(name, channel=recorded, meta={LEVEL: "error"}),
            client.call(name, channel=others[0], meta={LEVEL: "alert"}),
            client.call(name, channel=others[1], meta={}),
        )
    assert [_levels(channel) for channel in (recorded, *others)] == [list(LEVELS[4:]), list(LEVELS[6:]), []]


@pytest.mark.requirement("logging.declared")
async def test_log_messages_are_declared_in_each_era(in_process: Start) -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    async with in_process() as client:
        modern = (await client.modern("server/discover"))["result"]
        older = (await client.older("initialize", hello))["result"]
    assert modern["capabilities"]["logging"] == older["capabilities"]["logging"] == {}


@tool
async def breaks(ctx: CallContext) -> str:
    """Log once, then fail with what nobody may see."""
    await ctx.log("begun")
    raise RuntimeError(SECRET)


@agent
async def breaks_durably(ctx: Context) -> str:
    """Log once, then fail with what nobody may see."""
    await ctx.log("begun")
    raise RuntimeError(SECRET)


@pytest.mark.requirement("logging.no-internals", "logging.no-persons", "logging.no-secrets")
@pytest.mark.parametrize("name", ["breaks", "breaks_durably"])
async def test_a_log_message_is_what_a_function_logged_and_the_server_adds_none(
    in_process: Start, recorded: Any, name: str
) -> None:
    async with in_process(breaks_durably, catalog=Catalog(breaks)) as client:
        result = await client.call(name, channel=recorded, meta={LEVEL: "debug"})
    assert result["isError"] is True
    assert [message["params"] for message in recorded.sent] == [{"level": "info", "data": "begun"}]


@pytest.mark.parametrize(
    ("name", "set_to", "heard"),
    [
        ("plainly", None, LEVELS[1:]),
        ("durably", None, ()),
        ("plainly", "error", LEVELS[4:]),
        ("durably", "error", LEVELS[4:]),
        ("plainly", "debug", LEVELS),
        ("durably", "debug", LEVELS),
    ],
)
async def test_an_older_session_hears_from_its_level_and_from_info_until_one_is_set(
    in_process: Start, recorded: Any, schemas: Any, name: str, set_to: str | None, heard: tuple[str, ...]
) -> None:
    async with in_process(durably, catalog=Catalog(plainly)) as client:
        peer = Peer(CALLER, Session("2025-11-25", {}, "s", set_to), withdraws="s")
        await client.send(peer, "tools/call", {"name": name, "arguments": {}}, recorded)
    assert _levels(recorded) == list(heard)
    for message in recorded.sent:
        schemas.older("LoggingMessageNotification", message)


async def test_a_run_that_becomes_a_task_is_told_no_logs(in_process: Start, recorded: Any) -> None:
    async with in_process(durably) as client:
        await client.call("durably", channel=recorded, meta={LEVEL: "debug"}, tasks=True)
    assert recorded.sent == []


@pytest.mark.parametrize("level", ["loud", "", 3, None])
async def test_a_level_that_is_none_is_refused(in_process: Start, level: Any) -> None:
    async with in_process() as client:
        answer = await client.older("logging/setLevel", {"level": level})
    assert answer["error"]["code"] == -32602


@pytest.mark.filterwarnings("ignore:The logging capability is deprecated")
async def test_the_official_client_sets_a_level_and_hears_on_the_calls_own_stream(over_http: Start) -> None:
    heard: list[types.LoggingMessageNotificationParams] = []

    async def hear(params: types.LoggingMessageNotificationParams) -> None:
        heard.append(params)

    async with (
        over_http(durably, catalog=Catalog(plainly)) as server,
        Client(server.url, mode="legacy", logging_callback=hear) as client,
    ):
        await client.set_logging_level("warning")  # pyright: ignore[reportDeprecated]
        for name in ("plainly", "durably"):
            await client.call_tool(name, {})
    expected = [(logger, level) for logger in ("plain", "run") for level in LEVELS[3:]]
    assert [(params.logger, params.level) for params in heard] == expected


async def test_a_level_that_was_set_holds_for_every_later_request_of_the_session(over_http: Start) -> None:
    accept = {"accept": "application/json, text/event-stream"}
    async with (
        over_http(catalog=Catalog(plainly)) as server,
        httpx.AsyncClient(base_url=server.url, headers=accept) as http,
    ):
        info = {"name": "t", "version": "0"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
        opened = await http.post("", json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        http.headers.update({"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"})
        level = {"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": "alert"}}
        assert json.loads((await http.post("", json=level)).content)["result"] == {}
        call: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "plainly", "arguments": {}},
        }
        answers = await asyncio.gather(*(http.post("", json={**call, "id": id}) for id in (2, 3)))
    for answer in answers:
        assert answer.text.count("notifications/message") == 2
