"""Who shows no key gets in nowhere but where anyone may, and is told nothing of anyone's there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from .refusals import unharmed
from .wire import Ask, a2a, said

if TYPE_CHECKING:
    from .conftest import Desk

PUBLIC = ["/ok", "/healthz", "/readyz", "/info", "/docs", "/openapi.json", "/openapi-langgraph.json"]
CARDS = ["/.well-known/agent-card.json", "/.well-known/jwks.json", "/a2a/refund/.well-known/agent-card.json"]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
CLOSED = [
    "/metrics",
    "/metrics/",
    "//metrics",
    "/debug",
    "/mcp",
    "/mcp/",
    "/a2a",
    "/a2a/refund",
    "/a2a/refund/",
    "/a2a/refund/tasks",
    "/a2a/refund/extendedAgentCard",
    "/a2a/refund/v1/tasks/x",
    "/a2a/refund/.well-known",
    "/a2a/refund/.well-known/",
    "/a2a/refund/.well-known/tasks",
    "/a2a/refund/.well-known/message:send",
    "/a2a/refund/.well-known/extendedAgentCard",
    "/a2a/~files",
    "/threads/.well-known/agent-card.json",
]


@pytest.mark.parametrize("path", [*PUBLIC, *CARDS])
def test_what_anyone_may_ask_for_tells_nothing_of_anyones(either: Desk, path: str) -> None:
    answer = either.send(Ask("agent_protocol", "GET", path), None)
    assert answer.status_code == 200
    words = {"acme", "globex", "initech", "postgres:", str(either.folder), *either.names.values()}
    assert [word for word in words if word in answer.text] == []


@pytest.mark.parametrize("method", METHODS)
def test_every_documented_path_needs_a_key(either: Desk, method: str) -> None:
    before = either.kept()
    documents = [either.http.get(path).json() for path in PUBLIC if path.startswith("/openapi")]
    documented = {path for document in documents for path in document["paths"]} - {*PUBLIC}
    assert len(documented) > 40
    for path in (*CLOSED, *sorted(documented)):
        answer = either.http.request(method, path, content=b"{}", headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="dragoman"'), path
    assert either.kept() == before


@pytest.mark.parametrize("path", [*CARDS, "/a2a/~files/x/y", "/a2a/~files/message:send", "/a2a/~files/"])
@pytest.mark.parametrize("method", METHODS)
def test_an_open_path_does_nothing_for_nobody(desk: Desk, method: str, path: str) -> None:
    before = desk.kept()
    call = a2a("SendMessage", said({"order_id": "A-1", "amount": 1}))
    answer = desk.send(Ask("a2a", method, path, call.body, call.headers), None)
    assert (
        answer.status_code == 200 if path in CARDS and method in ("GET", "HEAD") else answer.status_code in (404, 405)
    )
    unharmed(desk, answer, before)


@pytest.mark.parametrize("path", ["stream", "stream/events"])
def test_a_socket_is_not_opened_for_nobody(either: Desk, path: str) -> None:
    server = str(either.http.base_url).replace("http", "ws", 1).rstrip("/")
    url = f"{server}/threads/{either.names['waiting_thread']}/{path}"
    with pytest.raises(InvalidStatus) as refused, connect(url):
        pass
    assert refused.value.response.status_code in (401, 403)
