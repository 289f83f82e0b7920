"""The thread streaming protocol over a real server: raw SSE and WebSocket, and the Python SDK's thread streams. Every
event is checked against the bindings that are generated from the CDDL."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import langchain_protocol
import pytest
from pydantic import TypeAdapter
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dragoman.auth import make_key

from .agents import gate
from .conftest import Serve, Served

pytestmark = pytest.mark.anyio

ALL = ["values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "tasks", "custom"]
SAID = ["messages", "updates"]
EVENT: TypeAdapter[Any] = TypeAdapter(langchain_protocol.Event)
Wire = dict[str, Any]


def checked(event: Wire) -> Wire:
    """An event that fits the published bindings."""
    assert event["type"] == "event"
    EVENT.validate_python(event)
    return event


@asynccontextmanager
async def listening(
    http: httpx.AsyncClient, thread: str, channels: list[str], path: str = "stream", **more: Any
) -> AsyncGenerator[AsyncGenerator[Wire]]:
    """``POST …/stream``: the events as they come."""

    async def events(answer: httpx.Response) -> AsyncGenerator[Wire]:
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if not fields:
                continue
            event = json.loads(fields["data"])
            assert fields["event"] == event["method"]
            assert fields.get("id") == str(event["seq"])
            yield checked(event)
            fields = {}

    body = {"channels": channels, **more}
    async with http.stream("POST", f"/threads/{thread}/{path}", json=body) as answer:
        assert answer.status_code == 200, await answer.aread()
        async with aclosing(events(answer)) as found:
            yield found


async def until(events: AsyncGenerator[Wire], last: Callable[[Wire], bool]) -> list[Wire]:
    """The events up to one."""
    found: list[Wire] = []
    async for event in events:
        found.append(event)
        if last(event):
            return found
    raise AssertionError(f"the stream ended after {found}")


def root_is(*statuses: str) -> Callable[[Wire], bool]:
    def there(event: Wire) -> bool:
        params = event["params"]
        return event["method"] == "lifecycle" and not params["namespace"] and params["data"]["event"] in statuses

    return there


ended = root_is("completed", "failed", "interrupted")


async def command(http: httpx.AsyncClient, thread: str, method: str, params: Any, id: int = 1) -> Wire:
    answer = await http.post(f"/threads/{thread}/commands", json={"id": id, "method": method, "params": params})
    assert answer.status_code == 200, answer.text
    found: Wire = answer.json()
    assert found["id"] == id
    return found


async def started(http: httpx.AsyncClient, thread: str, agent: str, text: str = "hi you") -> Wire:
    answer = await command(http, thread, "run.start", {"assistant_id": agent, "input": {"text": text}})
    assert answer["type"] == "success", answer
    return answer


def new_thread() -> str:
    return str(uuid.uuid4())


async def run(http: httpx.AsyncClient, agent: str, text: str = "hi you", **more: Any) -> tuple[str, list[Wire]]:
    """A run on a new thread, and all its events."""
    thread = new_thread()
    await started(http, thread, agent, text)
    async with listening(http, thread, ALL, **more) as events:
        return thread, await until(events, ended)


def data_of(events: list[Wire], method: str, namespace: list[str] | None = None) -> list[Any]:
    wanted = [] if namespace is None else namespace
    return [e["params"]["data"] for e in events if e["method"] == method and e["params"]["namespace"] == wanted]


def lives(events: list[Wire], status: str) -> list[list[str]]:
    """The namespaces whose lifecycle came to this."""
    told = [e["params"] for e in events if e["method"] == "lifecycle"]
    return [params["namespace"] for params in told if params["data"]["event"] == status]


# -- events -----------------------------------------------------------------------------------------------------------
async def test_a_run_tells_on_every_channel_what_the_protocol_has_for_it(http: httpx.AsyncClient) -> None:
    _, found = await run(http, "everything", "x")
    assert {e["method"] for e in found} == {*ALL} - {"input"}
    assert [d["event"] for d in data_of(found, "lifecycle")] == ["running", "completed"]
    assert [d["event"] for d in data_of(found, "tools")] == ["tool-started", "tool-output-delta", "tool-finished"]
    assert data_of(found, "tools")[0]["tool_name"] == "look_up"
    assert data_of(found, "tools")[-1]["output"] == "X"
    assert [d["node"] for d in data_of(found, "updates")] == ["look_up", "doubled", "everything", "everything"]
    assert data_of(found, "custom")[0] == {"name": "note", "payload": {"text": "x"}, "text": "x"}
    assert data_of(found, "values")[-1]["output"] == "so X"
    seqs = [e["seq"] for e in found]
    assert seqs == sorted(set(seqs))
    assert len({e["event_id"] for e in found}) == len(found)


async def test_what_is_said_is_one_message_of_one_block_from_start_to_finish(http: httpx.AsyncClient) -> None:
    thread, found = await run(http, "talker", "one two three")
    said = data_of(found, "messages")
    assert [d["event"] for d in said] == [
        "message-start",
        "content-block-start",
        *["content-block-delta"] * 3,
        "content-block-finish",
        "message-finish",
    ]
    assert "".join(d["delta"]["text"] for d in said if d["event"] == "content-block-delta") == "one two three "
    assert said[-2]["content"] == {"type": "text", "text": "one two three"}
    state = (await http.get(f"/threads/{thread}/state")).json()
    assert said[0]["id"] == state["values"]["messages"][-1]["id"]


async def test_a_message_ends_with_the_step_that_says_it_and_before_the_next_long_before_a_question(
    http: httpx.AsyncClient,
) -> None:
    _, found = await run(http, "replier", "one two")
    told = [d.get("event") or d["node"] for e in found if (d := e["params"]["data"]) and e["method"] in SAID]
    block = ["message-start", "content-block-start"], ["content-block-finish", "message-finish"]
    delta = "content-block-delta"
    assert told == [*block[0], delta, delta, *block[1], "reply", *block[0], delta, *block[1], "doubled", "replier"]
    whole = [d["content"]["text"] for d in data_of(found, "messages") if d["event"] == "content-block-finish"]
    assert whole == ["one two ", "one two by the way "]


async def test_checkpoints_come_with_their_values_and_are_those_of_the_history(http: httpx.AsyncClient) -> None:
    thread, found = await run(http, "everything", "x")
    told = data_of(found, "checkpoints")
    history = (await http.post(f"/threads/{thread}/history", json={"limit": 50})).json()
    assert [c["id"] for c in told] == [s["checkpoint"]["checkpoint_id"] for s in reversed(history)]
    assert [c["step"] for c in told] == list(range(len(told)))
    assert [c.get("parent_id") for c in told] == [None, *(c["id"] for c in told[:-1])]
    listed = await command(http, thread, "state.listCheckpoints", {"limit": 50})
    assert [c["id"] for c in listed["result"]["checkpoints"]] == [c["id"] for c in reversed(told)]


async def test_a_called_agent_has_a_namespace_that_begins_and_ends(http: httpx.AsyncClient) -> None:
    _, found = await run(http, "deep")
    begun = lives(found, "started")
    done = lives(found, "completed")
    assert sorted(begun) == sorted(n for n in done if n)
    assert Counter(len(n) for n in begun) == {1: 1, 2: 3}
    talker = next(n for n in begun if n[-1].startswith("talker:"))
    assert data_of(found, "messages", talker)[-1] == {"event": "message-finish"}
    children = {t["id"] for t in data_of(found, "tasks") if "triggers" in t}
    assert {n[-1].partition(":")[2] for n in begun if len(n) == 1} <= children


async def test_namespaces_and_depth_choose_what_is_heard(http: httpx.AsyncClient) -> None:
    thread, found = await run(http, "deep")
    chosen: list[tuple[dict[str, Any], Callable[[list[str]], bool]]] = [
        ({"namespaces": [[]], "depth": 0}, lambda n: n == []),
        ({"namespaces": [["caller"]]}, lambda n: n[:1] != [] and n[0].startswith("caller:")),
        ({"namespaces": [["caller"]], "depth": 0}, lambda n: len(n) == 1),
        ({"namespaces": [["caller", "talker"]]}, lambda n: len(n) == 2 and n[1].startswith("talker:")),
        ({"depth": 1}, lambda n: True),
    ]
    for filters, expected in chosen:
        wanted = [e["event_id"] for e in found if expected(e["params"]["namespace"])]
        async with listening(http, thread, ALL, **filters) as events:
            heard = [(await anext(events))["event_id"] for _ in wanted]
        assert heard == wanted, filters


async def test_custom_events_are_heard_by_name_too(http: httpx.AsyncClient) -> None:
    thread, found = await run(http, "everything", "x")
    async with listening(http, thread, ["custom:note", "lifecycle"]) as events:
        heard = await until(events, ended)
    assert [e["params"]["data"]["name"] for e in heard if e["method"] == "custom"] == ["note"]
    assert len(data_of(found, "custom")) == 2


async def test_a_failure_ends_the_message_and_the_run(http: httpx.AsyncClient) -> None:
    _, found = await run(http, "failing", "fly")
    assert data_of(found, "messages")[-1] == {"event": "error", "message": "cannot fly"}
    assert data_of(found, "lifecycle")[-1]["error"] == "cannot fly"


# -- replay -----------------------------------------------------------------------------------------------------------
async def test_a_cancelled_run_is_told_as_one_that_is_over(http: httpx.AsyncClient) -> None:
    thread, found = await run(http, "asker", "x")
    answer = await http.post("/runs/search", json={"thread_id": thread})
    assert (await http.post(f"/runs/{answer.json()[0]['run_id']}/cancel")).status_code == 204
    async with listening(http, thread, ["lifecycle"], since=found[-1]["seq"]) as events:
        told = await until(events, root_is("completed", "failed"))
    assert data_of(told, "lifecycle")[-1] | {"graph_name": ""} == {
        "event": "failed",
        "error": "cancelled",
        "graph_name": "",
    }


async def test_since_goes_on_after_any_event_with_the_same_events(http: httpx.AsyncClient) -> None:
    thread, found = await run(http, "caller")
    for n, event in enumerate(found[:-1]):
        async with listening(http, thread, ALL, since=event["seq"]) as events:
            assert await until(events, ended) == found[n + 1 :]


async def test_a_stream_may_be_opened_before_its_thread_is_there_and_outlives_runs(http: httpx.AsyncClient) -> None:
    thread = new_thread()
    async with listening(http, thread, ["lifecycle"]) as events:
        for _ in range(2):
            await started(http, thread, "talker")
            assert len(await until(events, ended)) == 2


async def test_a_stream_opened_in_the_middle_of_a_run_is_told_all_of_it(http: httpx.AsyncClient) -> None:
    thread, name = new_thread(), uuid.uuid4().hex
    reached, opened = gate(name)
    await started(http, thread, "halting", name)
    await reached.wait()
    async with listening(http, thread, ["messages", "lifecycle"]) as events:
        first = await until(events, lambda e: e["params"]["data"]["event"] == "content-block-delta")
        opened.set()
        rest = await until(events, ended)
    said = data_of(first + rest, "messages")
    assert "".join(d["delta"]["text"] for d in said if d["event"] == "content-block-delta") == "one two"


async def test_who_falls_behind_is_told_what_was_left_out_and_slows_nobody(serving: Serve) -> None:
    async with asyncio.timeout(60), serving(engine={"subscriber_buffer": 8}) as served:  # noqa: SIM117
        async with httpx.AsyncClient(base_url=served.url, timeout=30) as http:
            thread, name = new_thread(), uuid.uuid4().hex
            reached, opened = gate(name)
            await started(http, thread, "halting", name)
            await reached.wait()
            source = _source(served, thread)
            async with aclosing(source.events(0)) as events:
                await anext(events)  # it listens, and reads nothing more for a while
                opened.set()
                assert (await http.get(f"/threads/{thread}/runs")).status_code == 200
                for _ in range(3):
                    await http.post(
                        f"/threads/{thread}/runs/wait", json={"assistant_id": "everything", "input": {"text": "x"}}
                    )
                seen: list[Any] = []
                async for event in events:
                    seen.append(event)
                    if isinstance(event, bytes):
                        break
            lost = json.loads(seen[-1])
            assert lost["method"] == "gap"
            assert lost["params"]["data"]["after"] < lost["params"]["data"]["upto"] == lost["seq"]


def _source(served: Served, thread: str) -> Any:
    from dragoman.agent_protocol.live.source import Source
    from dragoman.auth.gate import LOCAL

    return Source(served.engine, LOCAL, thread)


# -- commands ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("spelling", ["snake", "camel"])
async def test_a_question_is_asked_and_answered_by_command(http: httpx.AsyncClient, spelling: str) -> None:
    camel = spelling == "camel"
    thread = new_thread()
    start = {("assistantId" if camel else "assistant_id"): "delegate", "input": {"text": "x"}}
    run_id = (await command(http, thread, "run.start", start))["result"]["run_id"]
    async with listening(http, thread, ALL) as events:
        found = await until(events, ended)
        (asked,) = [e for e in found if e["method"] == "input.requested"]
        id = asked["params"]["data"]["interrupt_id"]
        assert asked["params"]["data"]["payload"]["message"] == "Sure about x?"
        wrong = await command(http, thread, "input.respond", {"namespace": [], "interrupt_id": "no", "response": 1})
        assert wrong["error"] == "no_such_interrupt"
        key = "interruptId" if camel else "interrupt_id"
        params: Any = {"namespace": [], key: id, "response": "yes"}
        if camel:
            params = {"responses": [params]}
        answer = await command(http, thread, "input.respond", params)
        assert answer["result"] == {"run_id": run_id}
        rest = await until(events, ended)
    assert data_of(rest, "values")[-1]["output"] == "<x: yes>"
    assert data_of(rest, "lifecycle")[-1]["event"] == "completed"
    starts = [
        e["params"]["data"]["event"] for e in found + rest if e["method"] == "messages" and e["params"]["namespace"]
    ]
    assert starts.count("message-start") == starts.count("message-finish")


async def test_starting_a_run_on_a_thread_that_waits_answers_it(http: httpx.AsyncClient) -> None:
    thread, found = await run(http, "asker", "x")
    assert data_of(found, "lifecycle")[-1]["event"] == "interrupted"
    answer = await command(http, thread, "run.start", {"assistant_id": "asker", "input": "yes"})
    since = answer["meta"]["applied_through_seq"]
    async with listening(http, thread, ["values", "lifecycle"], since=since) as events:
        assert data_of(await until(events, ended), "values")[-1]["output"] == "x: yes"


async def test_the_tree_and_the_states_of_a_run_and_of_those_it_called(http: httpx.AsyncClient) -> None:
    thread, found = await run(http, "caller", "hi")
    tree = (await command(http, thread, "agent.getTree", {}))["result"]["tree"]
    assert (tree["graph_name"], tree["status"], tree["namespace"]) == ("caller", "completed", [])
    assert sorted(c["graph_name"] for c in tree["children"]) == ["everything", "talker", "talker"]
    child = next(c for c in tree["children"] if c["graph_name"] == "everything")
    state = (await command(http, thread, "state.get", {"namespace": child["namespace"], "keys": ["found"]}))["result"]
    assert state["values"] == {"found": "A"}
    whole = (await command(http, thread, "state.get", {"namespace": []}))["result"]
    assert whole["checkpoint"]["id"] == data_of(found, "checkpoints")[-1]["id"]
    nowhere = await command(http, thread, "state.get", {"namespace": ["talker:no"]})
    assert nowhere["error"] == "no_such_namespace"
    other, _ = await run(http, "talker")
    assert (await command(http, other, "state.get", {"namespace": child["namespace"]}))["error"] == "no_such_namespace"


async def test_a_run_forks_from_a_checkpoint_and_knows_only_what_was_before(http: httpx.AsyncClient) -> None:
    thread, _ = await run(http, "talker", "one")
    await started(http, thread, "talker", "two")
    async with listening(http, thread, ["lifecycle"]) as events:
        await until(events, ended)
        await until(events, ended)
    listed = (await command(http, thread, "state.listCheckpoints", {}))["result"]["checkpoints"]
    params = {"checkpointId": listed[-1]["id"], "input": {"text": "other"}}
    forked = await command(http, thread, "state.fork", params)
    assert forked["result"]["thread_id"] == thread, forked
    async with listening(http, thread, ["values", "lifecycle"], since=forked["meta"]["applied_through_seq"]) as events:
        values = data_of(await until(events, ended), "values")[-1]
    assert [m["content"] for m in values["messages"] if m["type"] == "ai"] == ["one", "other"]


async def test_input_is_injected_as_the_next_run_of_the_thread(http: httpx.AsyncClient) -> None:
    thread, name = new_thread(), uuid.uuid4().hex
    reached, opened = gate(name)
    first = await started(http, thread, "halting", name)
    await reached.wait()
    message = {"role": "user", "content": name}
    second = await command(http, thread, "input.inject", {"namespace": [], "message": message})
    assert second["result"]["run_id"] != first["result"]["run_id"]
    opened.set()
    async with listening(http, thread, ["lifecycle"]) as events:
        await until(events, ended)
        await until(events, ended)
    noted = await command(
        http, thread, "input.inject", {"namespace": [], "message": {"role": "system", "content": "Be kind."}}
    )
    assert noted["type"] == "success"
    values = (await command(http, thread, "state.get", {"namespace": []}))["result"]["values"]
    assert values["messages"][-1]["content"] == "Be kind."


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("run.start", {}, "invalid_argument"),
        ("run.start", {"assistant_id": "nobody"}, "invalid_argument"),
        ("no.such", {}, "unknown_command"),
        ("agent.getTree", {}, "no_such_run"),
        ("input.respond", {"namespace": []}, "invalid_argument"),
        ("input.respond", {"interrupt_id": "x", "response": 1, "goto": "y"}, "not_supported"),
        ("input.inject", {"message": {"role": "cat", "content": "x"}}, "invalid_argument"),
        ("state.fork", {"checkpoint_id": "x"}, "no_such_checkpoint"),
        ("state.listCheckpoints", {"limit": -1}, "invalid_argument"),
        ("subscription.subscribe", {"channels": ["values"]}, "not_supported"),
    ],
)
async def test_a_command_that_cannot_be_done_is_answered_in_the_protocols_form(
    http: httpx.AsyncClient, method: str, params: Any, code: str
) -> None:
    answer = await command(http, new_thread(), method, params, id=7)
    assert answer == {"type": "error", "id": 7, "error": code, "message": answer["message"]}
    assert answer["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"channels": []},
        {"channels": ["nothing"]},
        {"channels": ["values"], "since": -1},
        {"channels": ["values"], "since": True},
        {"channels": ["values"], "namespaces": "x"},
        {"channels": ["values"], "depth": "1"},
        {"channels": ["custom:"]},
    ],
)
@pytest.mark.parametrize("path", ["stream", "stream/events"])
async def test_a_stream_that_cannot_be_is_refused_in_the_protocols_form(
    http: httpx.AsyncClient, body: Any, path: str
) -> None:
    answer = await http.post(f"/threads/{new_thread()}/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"] == "invalid_argument"


# -- WebSocket --------------------------------------------------------------------------------------------------------
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


# -- the Python SDK ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_the_sdk_streams_a_thread(sdk: Any, transport: str) -> None:
    async with sdk.threads.stream(assistant_id="caller", transport=transport) as thread:
        await thread.run.start(input={"text": "hi you"})
        said = [await message.text for message in [message async for message in thread.messages]]
        assert said == ["hi you so A b c"]
        assert (await thread.output)["messages"][-1]["content"] == "hi you so A b c"


async def test_the_sdk_is_asked_and_answers(sdk: Any) -> None:
    async with sdk.threads.stream(assistant_id="delegate") as thread:
        await thread.run.start(input={"text": "x"})
        async for _ in thread.values:
            pass
        assert thread.interrupted
        assert thread.interrupts[0]["value"]["message"] == "Sure about x?"
        await thread.run.respond("yes")
        assert (await thread.output)["messages"][-1]["content"] == "<x: yes>"


async def test_the_sdk_hears_of_tools_of_called_agents_and_of_custom_events(sdk: Any) -> None:
    async with sdk.threads.stream(assistant_id="caller") as thread:
        await thread.run.start(input={"text": "hi"})
        called = [(handle.graph_name, handle.status) async for handle in thread.subgraphs]
        assert sorted(name for name, _ in called) == ["everything", "talker", "talker"]
    async with sdk.threads.stream(assistant_id="everything") as thread:
        await thread.run.start(input={"text": "x"})
        assert [call.name async for call in thread.tool_calls] == ["look_up"]


async def test_a_second_turn_on_a_thread_does_not_take_the_end_of_the_first_for_its_own(sdk: Any) -> None:
    async with sdk.threads.stream(assistant_id="talker") as thread:
        await thread.run.start(input={"text": "one"})
        await thread.output
        thread_id = thread.thread_id
    async with sdk.threads.stream(thread_id, assistant_id="talker") as thread:
        await thread.run.start(input={"text": "two"})
        assert (await thread.output)["messages"][-1]["content"] == "two"
