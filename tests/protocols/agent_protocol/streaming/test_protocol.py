"""The thread streaming protocol over a real server, by POST and SSE: what a run tells, and replay."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from .agents import gate
from .conftest import Serve, Served
from .live_client import ALL, SAID, command, data_of, ended, listening, lives, new_thread, root_is, run, started, until

pytestmark = pytest.mark.anyio


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
