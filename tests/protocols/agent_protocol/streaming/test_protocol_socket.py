"""The thread streaming protocol over a WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dragoman.auth import make_key

from .conftest import Serve, Served
from .live_client import ALL, Wire, checked, ended, listening, new_thread, run, until

pytestmark = pytest.mark.anyio


class Socket:
    """A client of the WebSocket: commands, responses and events."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.events: list[Wire] = []

    async def send(self, id: int, method: str, params: Any) -> Wire:
        await self.socket.send(json.dumps({"id": id, "method": method, "params": params}))
        while True:
            message = json.loads(await self.socket.recv())
            if message["type"] != "event":
                assert message["id"] == id
                found: Wire = message
                return found
            self.events.append(checked(message))

    async def until(self, last: Callable[[Wire], bool]) -> list[Wire]:
        while not any(map(last, self.events)):
            message = json.loads(await self.socket.recv())
            assert message["type"] == "event"
            self.events.append(checked(message))
        return self.events


@asynccontextmanager
async def socket_of(served: Served, thread: str, path: str = "stream", **more: Any) -> AsyncGenerator[Socket]:
    async with connect(f"{served.url.replace('http', 'ws')}/threads/{thread}/{path}", **more) as socket:
        yield Socket(socket)


@pytest.mark.parametrize("path", ["stream", "stream/events"])
async def test_a_socket_takes_commands_and_tells_what_it_subscribed_to(
    server: Served, http: httpx.AsyncClient, path: str
) -> None:
    thread = new_thread()
    async with socket_of(server, thread, path) as socket:
        first = await socket.send(1, "subscription.subscribe", {"channels": ALL})
        answer = await socket.send(2, "run.start", {"assistantId": "caller", "input": {"text": "hi"}})
        assert answer["result"]["run_id"]
        found = await socket.until(ended)
        async with listening(http, thread, ALL) as events:
            assert await until(events, ended) == found
        # A second subscription is told what the first has not been, once and in order.
        assert (
            await socket.send(3, "subscription.unsubscribe", {"subscription_id": first["result"]["subscription_id"]})
        )["type"] == "success"
        again = await socket.send(4, "subscription.unsubscribe", {"subscription_id": "x"})
        assert again["error"] == "no_such_subscription"


async def test_a_later_subscription_is_told_what_the_socket_was_not(server: Served) -> None:
    thread = new_thread()
    async with socket_of(server, thread) as socket:
        await socket.send(1, "subscription.subscribe", {"channels": ["lifecycle"]})
        await socket.send(2, "run.start", {"assistant_id": "caller", "input": {"text": "hi"}})
        await socket.until(ended)
        await socket.send(
            3, "subscription.subscribe", {"channels": ["lifecycle", "values"], "namespaces": [[]], "depth": 0}
        )
        output = "hi so A b c"
        await socket.until(lambda e: e["method"] == "values" and e["params"]["data"].get("output") == output)
    ids = [e["event_id"] for e in socket.events]
    assert len(set(ids)) == len(ids)


async def test_a_socket_that_comes_back_learns_what_it_missed(server: Served, http: httpx.AsyncClient) -> None:
    thread, found = await run(http, "caller")
    run_id = (await http.get(f"/threads/{thread}/runs")).json()[0]["run_id"]
    async with socket_of(server, thread) as socket:
        params = {"runId": run_id, "lastEventId": found[9]["event_id"], "subscriptions": ["old"]}
        answer = await socket.send(1, "subscription.reconnect", params)
        assert answer["result"]["restored"] is False
        assert answer["result"]["missed_events"] == len(found) - 10
        assert answer["result"]["current_namespaces"][0] == {"namespace": [], "status": "completed"}
        since = found[9]["seq"]
        await socket.send(2, "subscription.subscribe", {"channels": ALL, "since": since})
        assert await socket.until(ended) == found[10:]
        wrong = await socket.send(3, "subscription.reconnect", {"run_id": run_id, "last_event_id": "x"})
        assert wrong["error"] == "invalid_argument"


async def test_what_is_no_command_is_answered_and_the_socket_goes_on(server: Served) -> None:
    async with socket_of(server, new_thread()) as socket:
        for sent, code in (("{", "invalid_argument"), ("[]", "invalid_argument"), ('{"id": -1}', "invalid_argument")):
            await socket.socket.send(sent)
            assert json.loads(await socket.socket.recv())["error"] == code
        assert (await socket.send(1, "state.get", {"namespace": []}))["error"] == "no_such_run"


async def test_a_page_of_anyone_may_not_open_a_socket(server: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with socket_of(server, new_thread(), origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403


async def test_a_socket_asks_for_a_key_and_shows_nothing_of_another_tenant(serving: Serve) -> None:
    async with asyncio.timeout(60), serving(auth={"mode": "keys"}) as served:
        keys: list[str] = []
        for tenant in ("acme", "other"):
            row, text, digest = make_key(tenant, "ada")
            await served.engine.ledger.add_key(row, digest)
            keys.append(text)
        thread = new_thread()
        with pytest.raises(InvalidStatus):
            async with socket_of(served, thread):
                pass
        own, others = ({"Authorization": f"Bearer {key}"} for key in keys)
        async with socket_of(served, thread, additional_headers=own) as socket:
            await socket.send(1, "subscription.subscribe", {"channels": ["lifecycle"]})
            await socket.send(2, "run.start", {"assistant_id": "talker", "input": {"text": "x"}})
            await socket.until(ended)
        async with socket_of(served, thread, additional_headers=others) as socket:
            await socket.send(1, "subscription.subscribe", {"channels": ALL, "since": 0})
            assert (await socket.send(2, "agent.getTree", {}))["error"] == "no_such_run"
            assert (await socket.send(3, "state.get", {"namespace": []}))["error"] == "no_such_run"
            assert socket.events == []


async def test_a_message_over_the_limit_closes_the_socket(server: Served) -> None:
    async with socket_of(server, new_thread()) as socket:
        await socket.socket.send("x" * (17 * 1024 * 1024))
        with pytest.raises(ConnectionClosed):
            await socket.socket.recv()
