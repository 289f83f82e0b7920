"""The commands of the thread streaming protocol, by POST, and how what cannot be done is refused."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from .agents import gate
from .live_client import ALL, command, data_of, ended, listening, new_thread, run, started, until

pytestmark = pytest.mark.anyio


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
    channels, since = ["values", "checkpoints", "lifecycle"], forked["meta"]["applied_through_seq"]
    async with listening(http, thread, channels, since=since) as events:
        found = await until(events, ended)
    values = data_of(found, "values")[-1]
    assert [m["content"] for m in values["messages"] if m["type"] == "ai"] == ["one", "other"]
    told = [(c["id"], c["parent_id"], c["source"]) for c in data_of(found, "checkpoints")]
    assert told[0][1:] == (listed[-1]["id"], "fork")
    kept: list[Any] = (await http.post(f"/threads/{thread}/history", json={})).json()
    ids = [[s[name] and s[name]["checkpoint_id"] for name in ("checkpoint", "parent_checkpoint")] for s in kept]
    parents = dict(ids)
    assert [parents[own] for own, _, _ in told] == [parent for _, parent, _ in told]


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
