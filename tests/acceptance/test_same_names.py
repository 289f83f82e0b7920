"""Two tenants that use the same names at the same time: each has its own, and is told of its own alone.

The ids of threads, assistants and contexts are the client's to choose, so that one tenant may name what is another's.
The third tenant does that here; nobody else's tests are about what it has.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from .calling import caller
from .refusals import RUN, TASKS, THREAD
from .wire import a2a, langgraph, modern, said

if TYPE_CHECKING:
    from .conftest import Desk

pytestmark = pytest.mark.anyio
INPUT = {"order_id": "C-1", "amount": 7}
EVENTS = ["values", "updates", "messages", "lifecycle", "input", "checkpoints", "tasks", "custom"]


@pytest.fixture
def shared(either: Desk) -> Desk:
    """A server of whose first tenant a thread with a run has the name ``$shared``."""
    if "shared" not in either.names:
        opened = {"agent_id": "refund", "input": {"order_id": "A-7", "amount": 70}}
        either.open("shared_run", opened)
        either.names["shared"] = either.names["shared_run_thread"]
    return either


def of_ada(desk: Desk) -> list[Any]:
    """What the first tenant's thread and its runs are."""
    asked = [langgraph("/threads/$shared"), langgraph("/threads/$shared/runs"), langgraph("/threads/$shared/state")]
    return [desk.send(ask, "ada").json() for ask in asked]


def test_a_thread_of_another_tenants_name_is_ones_own(shared: Desk) -> None:
    hers = of_ada(shared)
    made = shared.send(langgraph("/threads", {"thread_id": "$shared"}), "cleo")
    assert (made.status_code, made.json()["values"] or {}) == (200, {})
    body = {"assistant_id": "refund", "input": INPUT}
    opened = shared.send(langgraph("/threads/$shared/runs/wait", body), "cleo")
    assert opened.status_code == 200, opened.text
    (own,) = shared.send(langgraph("/threads/$shared/runs"), "cleo").json()
    assert own["run_id"] != shared.names["shared_run"]
    assert own["status"] == "interrupted"
    assert of_ada(shared) == hers
    answered = {"assistant_id": "refund", "command": {"resume": "approve"}}
    assert shared.send(langgraph("/threads/$shared/runs/wait", answered), "cleo").status_code == 200
    assert shared.send(langgraph("/threads/$shared", None, "DELETE"), "cleo").status_code == 204
    assert of_ada(shared) == hers


def test_an_assistant_of_another_tenants_name_is_ones_own(shared: Desk) -> None:
    id = str(uuid4())
    mine = {"graph_id": "refund", "assistant_id": id, "name": "hers", "context": {"secret": "of ada"}}
    assert shared.send(langgraph("/assistants", mine), "ada").status_code == 200
    made = shared.send(langgraph("/assistants", {"graph_id": "weigh", "assistant_id": id, "name": "own"}), "cleo")
    assert made.status_code == 200, made.text
    assert "of ada" not in made.text
    assert shared.send(langgraph(f"/assistants/{id}", None, "DELETE"), "cleo").is_success
    assert shared.send(langgraph(f"/assistants/{id}"), "ada").json()["name"] == "hers"


def test_a_context_of_another_tenants_name_is_ones_own(shared: Desk) -> None:
    hers = of_ada(shared)
    message = said({"order_id": "C-2", "amount": 1}, contextId="$shared", referenceTaskIds=["$shared_run"])
    told = shared.send(a2a("SendMessage", message), "cleo").json()["result"]["task"]
    assert told["contextId"] == shared.names["shared"]
    assert len(told["history"]) == 1
    assert "A-7" not in json.dumps(told)
    assert of_ada(shared) == hers
    listed = shared.send(a2a("ListTasks", {"contextId": "$shared"}), "cleo").json()["result"]
    assert [task["id"] for task in listed["tasks"]] == [told["id"]]
    assert shared.send(a2a("CancelTask", {"id": told["id"]}), "cleo").json()["result"]["status"]
    assert of_ada(shared) == hers


@pytest.mark.parametrize("tenant", ["acme", "globex", "nobody"])
def test_a_tenant_that_is_another_is_told_of_as_none(either: Desk, tenant: str) -> None:
    answer = either.send(a2a("ListTasks", {"tenant": tenant}), "cleo")
    assert answer.json()["error"]["message"].replace(tenant, "X") == (
        "There is no tenant 'X' here; send the one of the agent's card."
    )


# -- told while it happens --------------------------------------------------------------------------------------------
async def events_of(answer: httpx.Response) -> AsyncGenerator[Any]:
    """The data of server-sent events."""
    async for line in answer.aiter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


async def start(http: httpx.AsyncClient, thread: str) -> str:
    """Start a run by a command; its id."""
    params = {"assistant_id": "refund", "input": INPUT}
    answer = await http.post(f"/threads/{thread}/commands", json={"id": 1, "method": "run.start", "params": params})
    id: str = answer.json()["result"]["run_id"]
    return id


async def settled(http: httpx.AsyncClient, thread: str, run: str) -> None:
    """Wait until it has."""
    assert (await http.get(f"/threads/{thread}/runs/{run}/join")).status_code == 200


@pytest.mark.parametrize("path", ["stream", "stream/events"])
async def test_a_stream_tells_nothing_of_another_tenants_thread_of_its_name(either: Desk, path: str) -> None:
    thread = str(uuid4())
    async with caller(either, "ada") as ada, caller(either, "cleo") as cleo, asyncio.timeout(20):
        body = {"channels": EVENTS, "since": 0}
        async with cleo.stream("POST", f"/threads/{thread}/{path}", json=body) as answer:
            assert answer.status_code == 200
            hers = await start(ada, thread)
            await settled(ada, thread, hers)
            own = await start(cleo, thread)
            async with aclosing(events_of(answer)) as events:
                told = [await anext(events)]
                while "interrupt_id" not in json.dumps(told[-1]):
                    told.append(await anext(events))
        assert own in json.dumps(told)
        assert hers not in json.dumps(told)


async def test_a_socket_tells_nothing_of_another_tenants_thread_of_its_name(either: Desk) -> None:
    thread = str(uuid4())
    url = f"{str(either.http.base_url).replace('http', 'ws', 1).rstrip('/')}/threads/{thread}/stream"
    headers = {"Authorization": f"Bearer {either.keys['cleo']}"}
    async with caller(either, "ada") as ada, caller(either, "cleo") as cleo, asyncio.timeout(20):
        async with connect(url, additional_headers=headers) as socket:
            subscribe = {"id": 1, "method": "subscription.subscribe", "params": {"channels": EVENTS, "since": 0}}
            await socket.send(json.dumps(subscribe))
            hers = await start(ada, thread)
            await settled(ada, thread, hers)
            own = await start(cleo, thread)
            told = [str(await socket.recv())]
            while "interrupt_id" not in told[-1]:
                told.append(str(await socket.recv()))
        assert own in "".join(told)
        assert hers not in "".join(told)


async def test_a_subscription_honours_and_tells_nothing_of_another_tenant(either: Desk) -> None:
    item, own = (f"dragoman://store/watched/{uuid4()}" for _ in range(2))
    wanted = [f"dragoman:/{RUN}", f"dragoman:/{THREAD}", f"dragoman:/{RUN}/artifacts/$artifact", item, own]
    ask = modern(
        "subscriptions/listen",
        {"notifications": {"resourceSubscriptions": wanted, "taskIds": ["$waiting"]}},
        **TASKS,
    )
    headers = {name: either.filled(value) for name, value in ask.headers.items()}
    body = json.loads(either.filled(json.dumps(ask.body)))
    async with (
        caller(either, "ada") as ada,
        caller(either, "cleo") as cleo,
        asyncio.timeout(20),
        cleo.stream("POST", "/mcp", json=body, headers=headers) as answer,
        aclosing(events_of(answer)) as events,
    ):
        acknowledged = await anext(events)
        assert acknowledged["params"]["notifications"] == {"resourceSubscriptions": [item, own]}
        for http, uri in ((ada, item), (cleo, own)):
            put: dict[str, Any] = {"namespace": ["watched"], "key": uri.rpartition("/")[2], "value": {}}
            assert (await http.put("/store/items", json=put)).is_success
        assert (await anext(events))["params"]["uri"] == own
