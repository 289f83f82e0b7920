"""What is wrong is refused in the surface's own shape, names the field, and leaves no run behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from dragoman.agent_protocol.endpoint import Endpoint
from dragoman.agent_protocol.errors import error_answer
from dragoman.agent_protocol.surface import Surface
from dragoman.engine import EngineSettings
from dragoman.memory.errors import (
    AgentNotFound,
    Conflict,
    DragomanError,
    InputInvalid,
    LedgerBusy,
    NotPermitted,
    QueueFull,
    RunEnded,
    RunNotFound,
    ThreadBusy,
    ThreadNotFound,
)

pytestmark = pytest.mark.anyio

Count = Callable[[], Awaitable[int]]
Start = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

UNKNOWN = "01a1fd12-09fa-7000-939f-2a70f5b02e43"
VERBS = ("/runs", "/runs/wait", "/runs/stream")

# A body for Agent Protocol, its status, and what the message names.
BAD_RUNS: list[tuple[dict[str, Any], int, str]] = [
    ({"agent_id": "nobody", "input": "x"}, 404, "'nobody'"),
    ({"agent_id": "echo", "input": {"words": "x"}}, 422, "text: Field required"),
    ({"agent_id": "echo", "input": {"text": 7}}, 422, "text"),
    ({"agent_id": "echo", "input": 7}, 422, "echo"),
    ({"agent_id": "echo", "input": [1]}, 422, "echo"),
    ({"agent_id": "echo"}, 422, "text: Field required"),
    ({"agent_id": 7, "input": "x"}, 422, "agent_id"),
    ({"agent_id": "echo", "input": "x", "metadata": None}, 422, "metadata"),
    ({"agent_id": "echo", "input": "x", "metadata": []}, 422, "metadata"),
    ({"agent_id": "echo", "input": "x", "messages": "x"}, 422, "messages"),
    ({"agent_id": "echo", "messages": [{"role": "user"}]}, 422, "messages.0.content"),
    ({"agent_id": "echo", "input": "x", "thread_id": "x"}, 422, "thread_id must be a UUID"),
    ({"agent_id": "echo", "input": "x", "thread_id": UNKNOWN}, 404, "thread"),
    ({"agent_id": "echo", "input": "x", "on_disconnect": "stay"}, 422, "on_disconnect"),
    ({"agent_id": "echo", "input": "x", "stream_mode": "debug"}, 422, "stream_mode"),
    ({"agent_id": "echo", "input": "x", "stream_mode": []}, 422, "stream_mode"),
    ({"agent_id": "echo", "input": "x", "config": {"tags": "x"}}, 422, "config.tags"),
    ({"agent_id": "echo", "input": "x", "webhook": "http://10.0.0.1/x"}, 422, "webhook"),
    ({"agent_id": "echo", "input": "x", "on_completion": "erase"}, 422, "on_completion"),
    ({"agent_id": "echo", "input": "x", "metadata": {"dragoman.agent_protocol": 1}}, 422, "reserved"),
    ({"command": {"resume": "x"}}, 422, "thread_id"),
    ({"command": {}, "thread_id": UNKNOWN}, 422, "command.resume"),
    ({"command": {"resume": 1, "goto": "x"}, "thread_id": UNKNOWN}, 422, "command.goto is not served"),
    ({"command": {"update": {"a": 1}}, "thread_id": UNKNOWN}, 422, "command.resume"),
    ({"command": {"resume": 1}, "input": "x", "thread_id": UNKNOWN}, 422, "input"),
    ({"command": {"resume": 1}, "thread_id": UNKNOWN}, 404, "thread"),
]

BAD_SDK_RUNS: list[tuple[dict[str, Any], int, str]] = [
    ({"assistant_id": "nobody", "input": {}}, 404, "'nobody'"),
    ({"assistant_id": "echo", "input": {"words": "x"}}, 422, "text: Field required"),
    ({"assistant_id": None, "input": {"text": "x"}}, 422, "assistant_id"),
    ({"assistant_id": "echo", "input": {"text": "x"}, "multitask_strategy": "queue"}, 422, "multitask_strategy"),
    ({"assistant_id": "echo", "input": {"text": "x"}, "after_seconds": "1"}, 422, "after_seconds"),
    ({"assistant_id": "echo", "input": {"text": "x"}, "after_seconds": -1}, 422, "after_seconds"),
    ({"assistant_id": "echo", "input": {"text": "x"}, "interrupt_before": 1}, 422, "interrupt_before"),
    ({"assistant_id": "echo", "input": {"text": "x"}, "interrupt_after": [1]}, 422, "interrupt_after"),
    ({"assistant_id": "echo", "input": {"text": "x"}, "checkpoint_id": UNKNOWN}, 422, "checkpoint: needs the thread"),
    ({"assistant_id": "echo", "command": {"goto": "tools"}}, 422, "command.goto is not served"),
    ({"assistant_id": "echo", "command": {"update": {}}}, 422, "command.resume"),
    ({"assistant_id": "echo", "command": {"resume": "x"}}, 422, "thread_id"),
]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(("body", "status", "named"), BAD_RUNS)
async def test_a_run_that_cannot_be_opened_is_refused_over_agent_protocol(
    client: httpx.AsyncClient, count_runs: Count, verb: str, body: Any, status: int, named: str
) -> None:
    answer = await client.post(verb, json=body)
    assert (answer.status_code, answer.json().keys()) == (status, {"code", "message", "metadata"})
    assert named in answer.json()["message"]
    assert await count_runs() == 0


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(("body", "status", "named"), BAD_SDK_RUNS)
async def test_a_run_that_cannot_be_opened_is_refused_to_the_sdk(
    sdk_http: httpx.AsyncClient, count_runs: Count, verb: str, body: Any, status: int, named: str
) -> None:
    answer = await sdk_http.post(verb, json=body)
    assert (answer.status_code, answer.json().keys()) == (status, {"detail"})
    assert named in answer.json()["detail"]
    assert await count_runs() == 0


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"{", "malformed JSON"),
        (b"[" * 100_000, "depth"),
        (b"[" * 100_000 + b"]" * 100_000, "depth"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "200 levels"),
        (b'{"input": NaN}', "malformed JSON"),
        (b'{"input": "\\ud800"}', "malformed JSON"),
        (b"\xff\xfe", "malformed JSON"),
    ],
)
@pytest.mark.parametrize("verb", [*VERBS, "/threads", "/store/items/search"])
async def test_what_is_no_json_is_a_400(
    client: httpx.AsyncClient, count_runs: Count, verb: str, content: bytes, named: str
) -> None:
    answer = await client.post(verb, content=content)
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed_body")
    assert named in answer.json()["message"]
    assert await count_runs() == 0


@pytest.mark.parametrize("content", [b"[]", b"7", b'"x"', b"null"])
async def test_a_body_that_is_no_object_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post("/runs", content=content)
    assert (answer.status_code, answer.json()["message"]) == (422, "The body must be a JSON object.")


PATHS = [
    ("GET", f"/runs/{UNKNOWN}", None),
    ("DELETE", f"/runs/{UNKNOWN}", None),
    ("GET", f"/runs/{UNKNOWN}/wait", None),
    ("GET", f"/runs/{UNKNOWN}/stream", None),
    ("POST", f"/runs/{UNKNOWN}/cancel", None),
    ("POST", f"/runs/{UNKNOWN}/resume", {"answer": 1}),
    ("GET", f"/threads/{UNKNOWN}", None),
    ("PATCH", f"/threads/{UNKNOWN}", {"metadata": {"a": 1}}),
    ("PATCH", f"/threads/{UNKNOWN}", {"values": {"a": 1}}),
    ("DELETE", f"/threads/{UNKNOWN}", None),
    ("POST", f"/threads/{UNKNOWN}/copy", None),
    ("GET", f"/threads/{UNKNOWN}/history", None),
    ("GET", "/agents/nobody", None),
    ("GET", "/agents/nobody/schemas", None),
]


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
async def test_what_is_not_there_is_a_404(client: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    answer = await client.request(method, path, json=body)
    assert answer.status_code == 404
    assert answer.json()["code"] in ("run_not_found", "thread_not_found", "agent_not_found")


@pytest.mark.parametrize(("method", "path", "body"), PATHS[:12])
async def test_an_id_that_is_no_uuid_is_a_422(client: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    answer = await client.request(method, path.replace(UNKNOWN, "x"), json=body)
    assert answer.status_code == 422
    assert "must be a UUID" in answer.json()["message"]


async def test_another_tenants_things_are_not_there(client: httpx.AsyncClient) -> None:
    run = (await client.post("/runs/wait", json={"agent_id": "refund", "input": {"order_id": "A", "amount": 1}})).json()
    stranger = {"X-Tenant": "umbrella"}
    run_id, thread_id = run["run"]["run_id"], run["run"]["thread_id"]
    for method, path, body in PATHS[:12]:
        mine = path.replace(f"/runs/{UNKNOWN}", f"/runs/{run_id}").replace(UNKNOWN, thread_id)
        answer = await client.request(method, mine, json=body, headers=stranger)
        assert answer.status_code == 404, (method, mine, answer.text)
    body = {"thread_id": thread_id, "command": {"resume": {"approved": True}}}
    assert (await client.post("/runs/wait", json=body, headers=stranger)).status_code == 404
    assert (await client.post("/runs/search", json={}, headers=stranger)).json() == []
    assert (await client.post("/threads/search", json={}, headers=stranger)).json() == []
    assert (await client.get(f"/runs/{run_id}")).json()["status"] == "interrupted"


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"answers": {"approval": {"approved": "perhaps"}}}, 422, "approved"),
        ({"answers": {"approval": {}}}, 422, "approved"),
        ({"answers": {"nothing": 1}}, 422, "'nothing'"),
        ({"answers": {}}, 422, "'approval'"),
        ({"answer": {"approved": "perhaps"}}, 422, "approved"),
        ({"answer": "perhaps"}, 422, "approval"),
        ({}, 422, "answers"),
        ({"answers": {"approval": {"approved": True}}, "answer": 1}, 422, "answers"),
        ({"answers": []}, 422, "answers"),
    ],
)
async def test_an_answer_that_does_not_fit_changes_nothing(
    client: httpx.AsyncClient, body: Any, status: int, named: str
) -> None:
    run = (await client.post("/runs/wait", json={"agent_id": "refund", "input": {"order_id": "A", "amount": 1}})).json()
    path = f"/runs/{run['run']['run_id']}"
    answer = await client.post(f"{path}/resume", json=body)
    assert answer.status_code == status
    assert named in answer.json()["message"]
    assert (await client.get(path)).json() == run["run"]


async def test_a_second_answer_is_a_conflict(client: httpx.AsyncClient) -> None:
    run = (await client.post("/runs/wait", json={"agent_id": "twice", "input": "cats"})).json()["run"]
    path, thread = f"/runs/{run['run_id']}", run["thread_id"]
    first = next(q["id"] for q in run["interrupts"] if q["key"] == "first")
    body = {"thread_id": thread, "command": {"resume": {first: "A"}}}
    assert (await client.post("/runs/wait", json=body)).status_code == 200
    again = await client.post("/runs/wait", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (await client.post(f"{path}/resume", json={"answers": {"first": "A"}})).status_code == 409
    assert (await client.post(f"{path}/resume", json={"answers": {"second": "B"}})).status_code == 200
    assert (await client.get(f"{path}/wait")).json()["run"]["status"] == "success"
    assert (await client.post(f"{path}/resume", json={"answers": {"second": "B"}})).json()["code"] == "run_ended"
    nothing = await client.post("/runs/wait", json={"thread_id": thread, "command": {"resume": "C"}})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "conflict")


async def test_what_has_ended_cannot_be_cancelled(client: httpx.AsyncClient) -> None:
    run = (await client.post("/runs/wait", json={"agent_id": "echo", "input": "x"})).json()["run"]
    answer = await client.post(f"/runs/{run['run_id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (422, "run_ended")
    rollback = await client.post(f"/runs/{run['run_id']}/cancel", params={"action": "rollback"})
    assert (rollback.status_code, rollback.json()["code"]) == (422, "run_ended")


async def test_a_full_queue_is_a_429_with_the_wait_to_expect(start: Start) -> None:
    async with start(EngineSettings(concurrency=1, queue_limit=1)) as client:
        for n in range(2):
            body = {"agent_id": "slow", "input": {"gate": f"full-{n}"}}
            assert (await client.post("/runs", json=body)).status_code == 200
        for surface, said in (("agent_id", "message"), ("assistant_id", "detail")):
            answer = await client.post("/runs/wait", json={surface: "echo", "input": {"text": "x"}})
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 1
            assert "queue is full" in answer.json()[said]
        assert len((await client.post("/runs/search", json={})).json()) == 2


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (f"/threads/{UNKNOWN}/history", {"limit": "many"}),
        (f"/threads/{UNKNOWN}/history", {"limit": "0"}),
        (f"/runs/{UNKNOWN}/stream", {"stream_mode": "everything"}),
        ("/store/items", {}),
    ],
)
async def test_a_query_that_does_not_fit_is_a_422(client: httpx.AsyncClient, path: str, params: Any) -> None:
    answer = await client.get(path, params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_a_history_before_another_threads_checkpoint_is_refused(client: httpx.AsyncClient) -> None:
    thread = (await client.post("/threads", json={})).json()["thread_id"]
    answer = await client.get(f"/threads/{thread}/history", params={"before": UNKNOWN})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("POST", "/threads", {"thread_id": "x"}, "thread_id"),
        ("POST", "/threads", {"if_exists": "replace"}, "if_exists"),
        ("POST", "/threads/search", {"status": "sleeping"}, "status"),
        ("POST", "/threads/search", {"limit": 1001}, "limit"),
        ("POST", "/threads/search", {"limit": True}, "limit"),
        ("POST", "/threads/search", {"offset": -1}, "offset"),
        ("POST", "/runs/search", {"status": "running"}, "status"),
        ("POST", "/agents/search", {"limit": "10"}, "limit"),
        ("PUT", "/store/items", {"namespace": "a", "key": "k", "value": {}}, "namespace"),
        ("PUT", "/store/items", {"namespace": [], "value": {}}, "key"),
        ("PUT", "/store/items", {"namespace": [], "key": "k", "value": 7}, "value"),
        ("PUT", "/store/items", {"namespace": ["a"] * 33, "key": "k", "value": {}}, "namespace"),
        ("PUT", "/store/items", {"namespace": [], "key": "k" * 1025, "value": {}}, "key"),
        ("POST", "/store/namespaces", {"max_depth": 0}, "max_depth"),
    ],
)
async def test_a_field_that_does_not_fit_is_named(
    client: httpx.AsyncClient, method: str, path: str, body: Any, named: str
) -> None:
    answer = await client.request(method, path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["metadata"]["problems"][0]["field"].startswith(named)


# -- the table --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InputInvalid("x"), 422, "invalid_input"),
        (AgentNotFound(), 404, "agent_not_found"),
        (RunNotFound(), 404, "run_not_found"),
        (ThreadNotFound(), 404, "thread_not_found"),
        (ThreadBusy(), 409, "thread_busy"),
        (RunEnded(), 409, "run_ended"),
        (Conflict(), 409, "conflict"),
        (NotPermitted(), 403, "not_permitted"),
        (QueueFull(retry_after=2.2), 429, "queue_full"),
        (LedgerBusy(), 503, "ledger_busy"),
        (DragomanError("secret"), 500, "internal_error"),
        (KeyError("secret"), 500, "internal_error"),
    ],
)
def test_each_error_has_its_status_and_code(error: Exception, status: int, code: str) -> None:
    found, body, headers = error_answer(error, Surface.AGENT_PROTOCOL)
    assert (found, body["code"]) == (status, code)
    assert "secret" not in body["message"]
    assert error_answer(error, Surface.LANGGRAPH)[:2] == (status, {"detail": body["message"]})
    assert dict(headers).get(b"retry-after") == {429: b"3", 503: b"1"}.get(status)


async def test_an_error_of_our_own_is_a_500_that_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(_: Any) -> Any:
        raise KeyError("secret")

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/x", "headers": [], "dragoman.principal": None}
    await Endpoint(fails, None, Surface.AGENT_PROTOCOL)(scope, receive, send)
    assert sent[0]["status"] == 500
    assert b"secret" not in sent[1]["body"]
    assert "secret" in caplog.text
