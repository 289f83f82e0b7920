"""Stream modes over a real server, as ``langgraph-sdk`` and raw HTTP see them: what langgraph-api 0.16.7 sends, of
steps, agents and the agents that they call."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, cast

import httpx
import pytest

pytestmark = pytest.mark.anyio

MODES: Any = ["values", "updates", "messages", "messages-tuple", "events", "tasks", "checkpoints", "debug", "custom"]
Part = tuple[str, Any]


async def parts(sdk: Any, agent: str, text: str, modes: Any, **more: Any) -> list[Part]:
    thread = await sdk.threads.create()
    stream = sdk.runs.stream(thread["thread_id"], agent, input={"text": text}, stream_mode=modes, **more)
    return [cast("Part", (p.event, p.data)) async for p in stream]


def of(found: list[Part], mode: str) -> list[Any]:
    return [data for event, data in found if event == mode]


async def test_every_mode_is_streamed_at_once_and_each_alone_as_it_is_among_all(sdk: Any) -> None:
    whole = await parts(sdk, "everything", "x", MODES)
    assert whole[0][0] == "metadata"
    assert set(whole[0][1]) == {"run_id", "attempt"}
    assert whole[-1] == ("end", None)
    kinds = Counter(event.split("/")[0] for event, _ in whole)
    assert set(kinds) == {"metadata", "end", *MODES} - {"messages-tuple"}
    for mode in ("values", "updates", "tasks", "checkpoints", "debug", "custom"):
        alone = await parts(sdk, "everything", "x", mode)
        assert len(of(alone, mode)) == kinds[mode], mode


async def test_updates_and_tasks_name_the_steps_and_the_agent(sdk: Any) -> None:
    found = await parts(sdk, "everything", "x", ["updates", "tasks"])
    assert [next(iter(update)) for update in of(found, "updates")] == ["look_up", "doubled", "everything", "everything"]
    tasks = of(found, "tasks")
    begun, done = [t for t in tasks if "triggers" in t], [t for t in tasks if "triggers" not in t]
    assert [t["name"] for t in begun] == ["everything", "look_up", "doubled"]
    assert [t["name"] for t in done] == ["look_up", "doubled", "everything"]
    assert {t["id"] for t in begun} == {t["id"] for t in done}
    assert all(set(t) == {"id", "name", "input", "triggers"} for t in begun)
    assert all(set(t) == {"id", "name", "error", "result", "interrupts"} for t in done)
    assert begun[0]["input"] == {"text": "x"}
    assert done[-1]["result"] == {"output": "so X"}


async def test_checkpoints_are_those_of_the_history_and_debug_has_them_too(sdk: Any) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    found: list[Part] = []
    for text in ("x", "y"):
        stream = sdk.runs.stream(thread, "everything", input={"text": text}, stream_mode=["checkpoints", "debug"])
        found += [cast("Part", (p.event, p.data)) async for p in stream]
    history = await sdk.threads.get_history(thread, limit=50)
    told = of(found, "checkpoints")
    ids = [c["config"]["configurable"]["checkpoint_id"] for c in told]
    assert ids == [state["checkpoint"]["checkpoint_id"] for state in reversed(history)]
    for checkpoint, state in zip(told, reversed(history), strict=True):
        assert dict(checkpoint["values"].items()) == state["values"]
        assert checkpoint["metadata"]["step"] == state["metadata"]["step"]
    assert [c["parent_config"] and c["parent_config"]["configurable"]["checkpoint_id"] for c in told] == [
        None,
        *ids[:-1],
    ]
    assert set(told[0]) >= {"config", "parent_config", "values", "metadata", "next", "tasks"}
    debug = of(found, "debug")
    assert [d["payload"] for d in debug if d["type"] == "checkpoint"] == told
    assert {d["type"] for d in debug} == {"task", "task_result", "checkpoint"}
    assert all(set(d) == {"step", "timestamp", "type", "payload"} for d in debug)


async def test_events_are_langchains_with_steps_as_chains(sdk: Any) -> None:
    found = of(await parts(sdk, "everything", "x", "events"), "events")
    told = [(e["event"], e["name"]) for e in found]
    assert told[0] == ("on_chain_start", "everything")
    assert told[-1] == ("on_chain_end", "everything")
    assert ("on_chain_start", "look_up") in told
    assert ("on_chain_end", "look_up") in told
    assert ("on_custom_event", "note") in told
    assert ("on_chat_model_stream", "everything") in told
    assert found[0]["data"]["input"] == {"text": "x"}
    assert found[-1]["data"]["output"] == "so X"
    assert all(set(e) == {"event", "name", "run_id", "data", "tags", "metadata", "parent_ids"} for e in found)


async def test_a_waiting_run_tells_its_interrupt_in_each_mode(sdk: Any) -> None:
    found = await parts(sdk, "asker", "x", ["values", "updates", "tasks"])
    (asked,) = of(found, "values")[-1]["__interrupt__"]
    assert of(found, "updates")[-1] == {"__interrupt__": [asked]}
    assert of(found, "tasks")[-1]["interrupts"] == [asked]
    assert asked["value"]["message"] == "Sure about x?"


async def test_a_failing_run_ends_its_stream_with_an_error(sdk: Any) -> None:
    found = await parts(sdk, "failing", "fly", ["messages-tuple", "tasks"])
    assert found[-1] == ("error", {"error": "ValueError", "message": "cannot fly"})
    assert of(found, "tasks")[-1]["error"] == "cannot fly"


# -- subgraphs --------------------------------------------------------------------------------------------------------
async def test_what_a_called_agent_tells_is_told_under_its_name_where_that_was_asked_for(sdk: Any) -> None:
    plain = await parts(sdk, "caller", "hi you", ["updates", "messages-tuple"])
    assert all("|" not in event for event, _ in plain)
    found = await parts(
        sdk, "caller", "hi you", ["updates", "messages-tuple", "values", "tasks", "custom"], stream_subgraphs=True
    )
    names = {event.split("|", 1)[1] for event, _ in found if "|" in event}
    assert sorted(name.split(":")[0] for name in names) == ["everything", "talker", "talker"]
    first = next(event.split("|", 1)[1] for event, _ in found if "|" in event)
    assert "".join(data[0]["content"] for data in of(found, f"messages|{first}")) == "hi you "
    assert of(found, f"values|{first}")[-1]["output"] == "hi you"
    assert not any(event.startswith(("metadata|", "error|", "end|")) for event, _ in found)
    noted = next(name for name in names if name.startswith("everything:"))
    assert of(found, f"custom|{noted}")[0] == {"name": "note", "data": {"text": "a"}}
    # A child's task in its parent has the id by which its namespace names it.
    tasks = of(found, "tasks")
    assert {f"{t['name']}:{t['id']}" for t in tasks if "triggers" in t} >= names
    assert {f"{t['name']}:{t['id']}" for t in tasks if "triggers" not in t} >= names


async def test_children_of_children_have_namespaces_within_namespaces(sdk: Any) -> None:
    found = await parts(sdk, "deep", "hi", ["values"], stream_subgraphs=True)
    depths = Counter(event.count("|") for event, _ in found)
    assert set(depths) == {0, 1, 2}
    outer = next(e for e, _ in found if e.count("|") == 1).split("|")[1]
    assert all(e.split("|")[1] == outer for e, _ in found if e.count("|") == 2)


async def test_stream_parts_of_version_2_have_their_namespace_and_interrupts(sdk: Any) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    stream = sdk.runs.stream(
        thread, "delegate", input={"text": "x"}, stream_mode=["values", "custom"], stream_subgraphs=True, version="v2"
    )
    found: list[Any] = [part async for part in stream]
    assert found[0]["type"] == "metadata"
    assert all({"type", "ns", "data"} <= part.keys() for part in found)
    asking = [part for part in found if part["type"] == "values" and part["interrupts"]]
    assert [bool(part["ns"]) for part in asking] == [True, False]
    (asked,) = asking[-1]["interrupts"]
    stream = sdk.runs.stream(
        thread, "delegate", command={"resume": {asked["id"]: "yes"}}, stream_mode="values", version="v2"
    )
    found = [part async for part in stream]
    assert found[-1]["data"]["output"] == "<x: yes>"


# -- the wire ---------------------------------------------------------------------------------------------------------
async def test_frames_are_lines_ended_by_crlf_with_unique_ordered_ids(http: httpx.AsyncClient) -> None:
    body = {"assistant_id": "caller", "input": {"text": "hi"}, "stream_mode": MODES, "stream_subgraphs": True}
    answer = await http.post("/runs/stream", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert b"\n" not in answer.content.replace(b"\r\n", b"")
    frames = [f for f in answer.content.split(b"\r\n\r\n") if f and not f.startswith(b":")]
    ids = [f.split(b"\r\nid: ")[1].decode() for f in frames[:-1]]
    keys = [tuple(int(n) for n in ([*i.split("-"), "0"])[:2]) for i in ids]
    assert len(set(ids)) == len(ids)
    assert keys == sorted(keys)
    assert frames[0].startswith(b'event: metadata\r\ndata: {"run_id":')
    assert frames[-1] == b"event: end\r\ndata: null"
    where = answer.headers["content-location"]
    assert answer.headers["location"].startswith(f"{where}/stream?")
    assert "stream_subgraphs=true" in answer.headers["location"]


@pytest.mark.parametrize("modes", [MODES, ["custom"], ["messages-tuple"], ["debug"]])
async def test_a_client_that_joins_with_last_event_id_gets_the_rest_byte_for_byte(
    sdk: Any, http: httpx.AsyncClient, modes: list[str]
) -> None:
    body = {"assistant_id": "caller", "input": {"text": "hi"}, "stream_mode": modes, "stream_subgraphs": True}
    live = await http.post("/runs/stream", json=body)
    frames = [f for f in live.content.split(b"\r\n\r\n") if f and not f.startswith(b":")]
    for n, frame in enumerate(frames[:-1]):
        at = frame.split(b"\r\nid: ")[1].decode()
        again = await http.get(live.headers["location"], headers={"Last-Event-ID": at})
        rest = [f for f in again.content.split(b"\r\n\r\n") if f and not f.startswith(b":")]
        assert rest == frames[n + 1 :], at
    where = live.headers["content-location"].split("/")
    stream = sdk.runs.join_stream(where[2], where[4], last_event_id="-1")
    joined = [p async for p in stream]
    assert [p.event for p in joined] == [f.split(b"\r\n")[0][7:].decode() for f in frames]
    assert [p.data for p in joined] == [json.loads(f.split(b"\r\n")[1][6:]) for f in frames]
