"""Threads and their states through the unmodified ``langgraph-sdk``: made, searched, gone back in, pruned, expired."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from .conftest import Gate

pytestmark = pytest.mark.anyio

Sdk = Any  # its own annotations hide what it answers
SAID = {"role": "user", "content": "hi", "id": "m1"}


@pytest.fixture
async def sdk(url: str) -> AsyncGenerator[Sdk]:
    client: Sdk = get_client(url=url, api_key=None)
    yield client
    await client.aclose()


def ids(found: Any) -> list[str]:
    return [thread["thread_id"] for thread in found]


async def test_a_thread_is_made_as_asked(sdk: Sdk) -> None:
    name = str(uuid.uuid4())
    made = await sdk.threads.create(thread_id=name, metadata={"a": 1}, graph_id="echo")
    assert (made["thread_id"], made["metadata"], made["status"]) == (name, {"a": 1, "graph_id": "echo"}, "idle")
    with pytest.raises(ConflictError):
        await sdk.threads.create(thread_id=name)
    again = await sdk.threads.create(thread_id=name, if_exists="do_nothing", metadata={"a": 2})
    assert again["metadata"] == made["metadata"]


async def test_a_thread_is_made_with_the_states_of_another(sdk: Sdk) -> None:
    supersteps: Any = [
        {"updates": [{"values": {"messages": [SAID], "n": 1}, "as_node": "__input__"}]},
        {"updates": [{"values": {"n": 2}, "as_node": "a"}, {"values": {"m": 3}, "as_node": "b"}]},
        {"updates": [{"values": None, "command": {"update": {"n": 4}}, "as_node": "c"}]},
    ]
    thread = (await sdk.threads.create(supersteps=supersteps))["thread_id"]
    history = await sdk.threads.get_history(thread)
    assert [(s["values"]["n"], s["metadata"]["as_node"]) for s in history] == [
        (4, "c"),
        (2, ["a", "b"]),
        (1, "__input__"),
    ]
    assert [m["content"] for m in history[0]["values"]["messages"]] == ["hi"]


async def test_threads_are_searched_sorted_selected_and_extracted(sdk: Sdk, url: str) -> None:
    made = [(await sdk.threads.create(metadata={"n": n, "kind": "x"}))["thread_id"] for n in range(4)]
    await sdk.threads.update_state(made[0], {"messages": [SAID, {"role": "user", "content": "last"}], "mood": "good"})
    assert ids(await sdk.threads.search(metadata={"kind": "x"})) == made[::-1]
    assert ids(await sdk.threads.search(metadata={"kind": "x", "n": 2})) == [made[2]]
    assert ids(await sdk.threads.search(values={"mood": "good"})) == [made[0]]
    assert ids(await sdk.threads.search(ids=[made[1], made[3], str(uuid.uuid4())])) == [made[3], made[1]]
    assert ids(await sdk.threads.search(sort_by="created_at", sort_order="asc", limit=2)) == made[:2]
    assert ids(await sdk.threads.search(sort_by="updated_at", sort_order="desc", limit=1)) == [made[0]]
    assert ids(await sdk.threads.search(sort_by="thread_id", sort_order="asc")) == sorted(made)
    assert ids(await sdk.threads.search(limit=2, offset=2)) == made[1::-1]
    paths = {"last": "values.messages[-1].content", "n": "metadata.n", "none": "values.messages[9].content"}
    [found] = await sdk.threads.search(ids=[made[0]], select=["thread_id"], extract=paths)
    assert dict(found) == {"thread_id": made[0], "extracted": {"last": "last", "n": 0, "none": None}}
    with pytest.raises(UnprocessableEntityError, match="extract"):
        await sdk.threads.search(extract={"x": "values..y"})
    assert await sdk.threads.count(metadata={"kind": "x"}) == 4
    assert await sdk.threads.count(values={"mood": "good"}) == 1
    assert await sdk.threads.count(status="busy") == 0
    async with httpx.AsyncClient(base_url=url, headers={"User-Agent": "langgraph-sdk-py/0.4.14"}) as http:
        for offset, following in ((0, "2"), (2, None)):
            page = await http.post("/threads/search", json={"limit": 2, "offset": offset})
            assert page.headers.get("x-pagination-next") == following


async def test_a_thread_is_changed_and_deleted(sdk: Sdk) -> None:
    thread = (await sdk.threads.create(metadata={"a": 1}))["thread_id"]
    changed = await sdk.threads.update(thread, metadata={"b": 2}, ttl=60)
    assert changed is not None
    assert changed["metadata"] == {"a": 1, "b": 2}
    assert await sdk.threads.update(thread, metadata={"c": 3}, return_minimal=True) is None
    found: Any = await sdk.threads.get(thread, include=["ttl"])
    assert found["metadata"] == {"a": 1, "b": 2, "c": 3}
    assert (found["ttl"]["strategy"], found["ttl"]["ttl_minutes"]) == ("delete", 60)
    await sdk.threads.delete(thread)
    with pytest.raises(NotFoundError):
        await sdk.threads.get(thread)


async def test_a_thread_is_deleted_with_what_runs_and_what_waits_on_it(sdk: Sdk, gate: Callable[[], Gate]) -> None:
    name, reached, _ = gate()
    thread = (await sdk.threads.create())["thread_id"]
    working = await sdk.runs.create(thread, "slow", input={"gate": name})
    await reached.wait()
    queued = await sdk.runs.create(thread, "echo", input={"text": "x"})
    other = (await sdk.threads.create())["thread_id"]
    await sdk.runs.wait(other, "refund", input={"order_id": "A-1", "amount": 200})
    for deleted in (thread, other):
        await sdk.threads.delete(deleted)
        with pytest.raises(NotFoundError):
            await sdk.threads.get(deleted)
    for run in (working, queued):
        with pytest.raises(NotFoundError):
            await sdk.runs.get(thread, run["run_id"])


async def test_a_thread_with_a_ttl_goes(sdk: Sdk) -> None:
    thread = (await sdk.threads.create(ttl={"ttl": 0.003, "strategy": "delete"}))["thread_id"]
    kept = (await sdk.threads.create(ttl=60))["thread_id"]
    with contextlib.suppress(NotFoundError):
        while await sdk.threads.get(thread):  # noqa: ASYNC110 -- nobody is told; the deadline of the test bounds it
            await asyncio.sleep(0.02)
    assert (await sdk.threads.get(kept))["thread_id"] == kept
    with pytest.raises(UnprocessableEntityError, match="ttl"):
        await sdk.threads.create(ttl=-1)


async def test_threads_are_pruned(sdk: Sdk) -> None:
    made = [(await sdk.threads.create())["thread_id"] for _ in range(2)]
    for n in range(3):
        await sdk.threads.update_state(made[0], {"n": n})
    pruned = await sdk.threads.prune([made[0], str(uuid.uuid4())], strategy="keep_latest")
    assert pruned == {"pruned_count": 1}
    assert [s["values"] for s in await sdk.threads.get_history(made[0])] == [{"n": 2, "messages": []}]
    assert await sdk.threads.prune(made) == {"pruned_count": 2}
    assert await sdk.threads.search() == []


async def test_history_is_filtered_and_paged(sdk: Sdk) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    for n in range(6):
        await sdk.threads.update_state(thread, {"n": n}, as_node="even" if n % 2 == 0 else "odd")
    odd = await sdk.threads.get_history(thread, metadata={"as_node": "odd"}, limit=2)
    assert [s["values"]["n"] for s in odd] == [5, 3]
    rest = await sdk.threads.get_history(thread, metadata={"as_node": "odd"}, before=odd[-1]["checkpoint"])
    assert [s["values"]["n"] for s in rest] == [1]
    upto = await sdk.threads.get_history(thread, checkpoint=odd[-1]["checkpoint"])
    assert [s["values"]["n"] for s in upto] == [3, 2, 1, 0]
    with pytest.raises(UnprocessableEntityError, match="subgraphs"):
        await sdk.threads.get_history(thread, checkpoint={**odd[0]["checkpoint"], "checkpoint_ns": "x"})


async def test_a_state_is_updated_at_any_checkpoint(sdk: Sdk) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    first = await sdk.threads.update_state(thread, {"a": 1, "messages": [SAID]})
    await sdk.threads.update_state(thread, {"a": 2})
    branched = await sdk.threads.update_state(thread, {"b": 1}, as_node="me", checkpoint=first["checkpoint"])
    state = await sdk.threads.get_state(thread)
    assert state["checkpoint"] == branched["checkpoint"]
    assert state["parent_checkpoint"] == first["checkpoint"]
    assert {k: state["values"][k] for k in ("a", "b")} == {"a": 1, "b": 1}
    metadata: Any = state["metadata"]
    assert (metadata["source"], metadata["as_node"], metadata["step"]) == ("update", "me", 2)
    await sdk.threads.update_state(thread, [{"c": 1}, {"c": 2}])
    assert len(await sdk.threads.get_history(thread)) == 5
    remove = {"type": "remove", "id": "m1", "content": ""}
    await sdk.threads.update_state(thread, {"messages": [remove, {"type": "ai", "content": "yes", "id": "m2"}]})
    messages: Any = (await sdk.threads.get_state(thread))["values"]
    assert [m["id"] for m in messages["messages"]] == ["m2"]
    with pytest.raises(NotFoundError, match="checkpoint"):
        await sdk.threads.update_state(thread, {}, checkpoint_id=str(uuid.uuid4()))


async def test_a_run_begins_from_a_checkpoint(sdk: Sdk) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    for _ in range(3):
        await sdk.runs.wait(thread, "counter", input={"text": "x"})
    history = await sdk.threads.get_history(thread)
    values: Any = [s["values"] for s in history]
    assert [v["times"] for v in values] == [3, 2, 1]
    forked: Any = await sdk.runs.wait(thread, "counter", input={"text": "y"}, checkpoint=history[-1]["checkpoint"])
    assert (forked["times"], forked["output"]) == (2, "2:3")
    again: Any = await sdk.runs.wait(
        thread, "counter", input={"text": "z"}, checkpoint_id=history[0]["checkpoint"]["checkpoint_id"]
    )
    assert again["times"] == 4
    copied: Any = await sdk.threads.copy(thread)
    shown = await sdk.threads.get_history(copied["thread_id"])
    assert [json.dumps(s["values"]) for s in shown] == [
        json.dumps(s["values"]) for s in await sdk.threads.get_history(thread)
    ]
    await sdk.runs.wait(copied["thread_id"], "counter", input={"text": "x"})
    untouched: Any = (await sdk.threads.get_state(thread))["values"]
    assert untouched["times"] == 4
    with pytest.raises(NotFoundError, match="checkpoint"):
        await sdk.runs.create(thread, "counter", input={"text": "z"}, checkpoint_id=str(uuid.uuid4()))
