"""Sessions, streams and sealed state of MCP: they are one caller's, and no other's of its tenant or of another."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest

from .calling import caller
from .refusals import RUN, THREAD
from .wire import Ask, agent_protocol, modern

if TYPE_CHECKING:
    from .conftest import Desk

pytestmark = pytest.mark.anyio
INPUT = {"order_id": "C-1", "amount": 7}
HELLO = {"protocolVersion": "2025-11-25", "clientInfo": {"name": "t", "version": "1"}}
BOTH = "application/json, text/event-stream"


def opened(desk: Desk, key: str, **capabilities: Any) -> str:
    """A session of a caller's own."""
    hello = {**HELLO, "capabilities": capabilities}
    ask = Ask("mcp", "POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    return desk.send(ask.saying(Accept=BOTH), key).headers["mcp-session-id"]


def in_session(session: str, body: Any = None, method: str = "POST", **more: str) -> Ask:
    """A request of a session."""
    return Ask("mcp", method, "/mcp", body).saying(Accept=BOTH, Mcp_Session_Id=session, **more)


@pytest.mark.parametrize("key", ["dan", "cleo"])
def test_a_session_is_its_own_callers(either: Desk, key: str) -> None:
    reply = {"jsonrpc": "2.0", "id": "ask:$waiting:$question:00000000", "result": {"action": "accept"}}
    asks = [
        in_session("$session", {"jsonrpc": "2.0", "id": 2, "method": "ping"}),
        in_session("$session", {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}),
        in_session("$session", reply),
        in_session("$session", None, "GET"),
        in_session("$session", None, "DELETE"),
    ]
    for ask in asks:
        answer, blank = either.send(ask, key), either.nowhere().send(ask, key)
        assert (answer.status_code, answer.text) == (404, blank.text)
    assert either.send(asks[0], "ada").status_code == 200


@pytest.mark.parametrize("key", ["dan", "cleo"])
async def test_an_event_of_anothers_stream_is_no_place_to_go_on_from(either: Desk, key: str) -> None:
    hers, own = opened(either, "ada", elicitation={}), opened(either, key, elicitation={})
    call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "refund", "arguments": INPUT}}
    headers = {"Accept": BOTH, "Mcp-Session-Id": hers}
    async with (
        caller(either, "ada") as ada,
        asyncio.timeout(20),
        ada.stream("POST", "/mcp", json=call, headers=headers) as answer,
    ):
        event = await anext(line.partition(":")[2].strip() async for line in answer.aiter_lines() if "id:" in line)
    for session in (own, hers):
        refused = either.send(in_session(session, None, "GET", Last_Event_ID=event), key)
        assert (refused.status_code, event in refused.text) == (400 if session == own else 404, False)


def test_a_reply_to_anothers_question_answers_nothing(either: Desk) -> None:
    own = opened(either, "cleo")
    for result in ({"action": "accept", "content": {"answer": "approve"}}, {"action": "decline"}):
        reply = {"jsonrpc": "2.0", "id": "ask:$waiting:$question:00000000", "result": result}
        assert either.send(in_session(own, reply), "cleo").status_code == 202
    assert either.send(agent_protocol(RUN), "ada").json()["status"] == "interrupted"


def test_what_was_sealed_for_a_caller_opens_nothing_for_another_of_its_tenant(either: Desk) -> None:
    answer = either.send(modern("tools/call", {"name": "refund", "requestState": "$state"}), "dan")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize("uri", [f"dragoman:/{RUN}", f"dragoman:/{THREAD}", f"dragoman:/{RUN}/artifacts/$artifact"])
def test_a_session_is_not_subscribed_to_what_is_anothers(either: Desk, uri: str) -> None:
    ask = {"jsonrpc": "2.0", "id": 4, "method": "resources/subscribe", "params": {"uri": uri}}
    own, nowhere = opened(either, "cleo"), either.nowhere()
    answer, blank = (desk.send(in_session(own, ask), "cleo") for desk in (either, nowhere))
    assert answer.json()["error"]["code"] == -32002
    assert either.anonymous(answer.text) == nowhere.anonymous(blank.text)
    assert "result" in either.send(in_session(opened(either, "ada"), ask), "ada").json()


@pytest.mark.parametrize("method", ["tools/list", "prompts/list", "resources/templates/list"])
def test_a_cursor_of_another_list_is_none(either: Desk, method: str) -> None:
    made_up = base64.urlsafe_b64encode(either.filled('["$waiting","$waiting_thread"]').encode()).rstrip(b"=").decode()
    for key in ("ada", "cleo"):
        answer = either.send(modern(method, {"cursor": made_up}), key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
