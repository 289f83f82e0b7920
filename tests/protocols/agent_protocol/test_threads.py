"""Threads of Agent Protocol and what they keep, and the store."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from dragoman.engine import Engine, RunRequest
from dragoman.memory.ids import uuid7
from dragoman.memory.model import Principal

from .asking import Check, wait

pytestmark = pytest.mark.anyio


async def test_a_thread_lives_and_dies(client: httpx.AsyncClient, conforms: Check) -> None:
    name = uuid7()
    made = await client.post("/threads", json={"thread_id": name, "metadata": {"purpose": "chat"}})
    conforms("Thread", made.json())
    assert (made.status_code, made.json()["thread_id"], made.json()["status"]) == (200, name, "idle")
    assert (await client.post("/threads", json={"thread_id": name})).status_code == 409
    again = await client.post("/threads", json={"thread_id": name, "if_exists": "do_nothing"})
    assert again.json()["metadata"] == {"purpose": "chat"}
    patched = await client.patch(f"/threads/{name}", json={"metadata": {"lang": "en"}})
    assert patched.json()["metadata"] == {"purpose": "chat", "lang": "en"}
    assert (await client.delete(f"/threads/{name}")).status_code == 204
    assert (await client.get(f"/threads/{name}")).status_code == 404


async def test_runs_on_a_thread_go_on_from_each_other(client: httpx.AsyncClient, conforms: Check) -> None:
    thread = (await client.post("/threads", json={})).json()["thread_id"]
    results = [await wait(client, "counter", thread_id=thread, input="x") for _ in range(2)]
    assert [r["values"]["output"] for r in results] == ["1:1", "2:3"]
    assert results[1]["values"]["times"] == 2
    shown = (await client.get(f"/threads/{thread}")).json()
    conforms("Thread", shown)
    assert shown["values"] == {"times": 2}
    assert len(shown["messages"]) == 4
    history = (await client.get(f"/threads/{thread}/history")).json()
    for state in history:
        conforms("ThreadState", state)
    assert [s["values"]["times"] for s in history] == [2, 1]
    older = await client.get(
        f"/threads/{thread}/history", params={"before": history[0]["checkpoint"]["checkpoint_id"], "limit": 5}
    )
    assert older.json() == history[1:]


async def test_new_values_and_messages_make_a_new_state(client: httpx.AsyncClient) -> None:
    thread = (await client.post("/threads", json={})).json()["thread_id"]
    path = f"/threads/{thread}"
    said = {"role": "user", "content": "hi", "id": "m1"}
    await client.patch(path, json={"values": {"a": 1, "b": 1}})
    patched = await client.patch(path, json={"values": {"b": None}, "messages": [said]})
    assert (patched.json()["values"], patched.json()["messages"]) == ({"a": 1}, [said])
    history = (await client.get(f"{path}/history")).json()
    assert [s["values"] for s in history] == [{"a": 1}, {"a": 1, "b": 1}]
    newest, older = (s["checkpoint"] for s in history)
    assert (await client.patch(path, json={"checkpoint": newest, "values": {"c": 1}})).status_code == 200
    branched = await client.patch(path, json={"checkpoint": older, "values": {"d": 1}, "messages": [said]})
    assert (branched.json()["values"], branched.json()["messages"]) == ({"a": 1, "b": 1, "d": 1}, [said])
    unknown = {"checkpoint_id": thread}
    assert (await client.patch(path, json={"checkpoint": unknown, "values": {"c": 1}})).status_code == 404
    assert (await client.patch(path, json={"messages": [said]})).status_code == 422
    minimal = await client.patch(path, json={"metadata": {"x": 1}}, headers={"Prefer": "return=minimal"})
    assert (minimal.status_code, minimal.content) == (204, b"")


async def test_a_copied_thread_is_independent(client: httpx.AsyncClient) -> None:
    thread = (await client.post("/threads", json={"metadata": {"n": 1}})).json()["thread_id"]
    await wait(client, "counter", thread_id=thread, input="x")
    copied = (await client.post(f"/threads/{thread}/copy")).json()
    assert copied["thread_id"] != thread
    assert (copied["values"], copied["metadata"]) == ({"times": 1}, {"n": 1})
    await wait(client, "counter", thread_id=copied["thread_id"], input="x")
    assert (await client.get(f"/threads/{thread}")).json()["values"] == {"times": 1}


async def test_threads_are_searched_by_status_metadata_and_values(client: httpx.AsyncClient) -> None:
    plain = (await client.post("/threads", json={"metadata": {"n": 1}})).json()["thread_id"]
    counted = (await client.post("/threads", json={"metadata": {"n": 1}})).json()["thread_id"]
    await wait(client, "counter", thread_id=counted, input="x")
    waiting = (await wait(client, "refund", input={"order_id": "A", "amount": 1}))["run"]["thread_id"]

    async def search(**body: Any) -> list[str]:
        return [thread["thread_id"] for thread in (await client.post("/threads/search", json=body)).json()]

    assert await search(metadata={"n": 1}) == [counted, plain]
    assert await search(values={"times": 1}) == [counted]
    assert await search(status="interrupted") == [waiting]
    assert await search(limit=1, offset=1) == [counted]


async def test_a_missing_thread_is_made_only_when_asked(client: httpx.AsyncClient) -> None:
    name = uuid7()
    body = {"agent_id": "echo", "thread_id": name, "input": "x"}
    assert (await client.post("/runs/wait", json=body)).status_code == 404
    assert (await client.post("/runs/wait", json={**body, "if_not_exists": "create"})).status_code == 200
    assert (await client.get(f"/threads/{name}")).status_code == 200


async def test_a_thread_that_a_peer_of_another_protocol_named_is_served_too(
    client: httpx.AsyncClient, sdk_http: httpx.AsyncClient, engine: Engine
) -> None:
    name = "ctx 1\r\nü"
    run = await engine.run(Principal("acme", "ada"), RunRequest("echo", text="hello", thread_id=name))
    path = f"/threads/{quote(name, safe='')}"
    assert (await client.get(path)).json()["messages"][1]["content"] == "hello"
    assert (await client.get(f"/runs/{run.id}")).json()["thread_id"] == name
    assert (await sdk_http.get(f"{path}/state")).json()["values"]["messages"][1]["type"] == "ai"
    created = await sdk_http.post(f"{path}/runs", json={"assistant_id": "echo", "input": {"text": "again"}})
    assert created.headers["content-location"] == f"{path}/runs/{created.json()['run_id']}"
    assert (await sdk_http.get(created.headers["content-location"] + "/join")).json()["output"] == "again"


async def test_the_store_keeps_finds_lists_and_forgets(client: httpx.AsyncClient, conforms: Check) -> None:
    for user in ("ada", "bob"):
        body = {"namespace": ["users", user], "key": "profile", "value": {"name": user, "admin": user == "ada"}}
        assert (await client.put("/store/items", json=body)).status_code == 204
    query = {"namespace": ["users", "ada"], "key": "profile"}
    found = await client.get("/store/items", params=query)
    conforms("Item", found.json())
    assert found.json()["value"] == {"name": "ada", "admin": True}
    searched = await client.post("/store/items/search", json={"namespace_prefix": ["users"], "filter": {"admin": True}})
    conforms("SearchItemsResponse", searched.json())
    assert [i["namespace"] for i in searched.json()["items"]] == [["users", "ada"]]
    everything = await client.post("/store/items/search", json={"namespace_prefix": None, "filter": None, "offset": 1})
    assert [i["namespace"] for i in everything.json()["items"]] == [["users", "bob"]]
    listed = await client.post("/store/namespaces", json={"prefix": ["users"]})
    conforms("ListNamespaceResponse", listed.json())
    assert listed.json() == [["users", "ada"], ["users", "bob"]]
    assert (await client.post("/store/namespaces", json={"max_depth": 1})).json() == [["users"]]
    gone = {"namespace": ["users", "ada"], "key": "profile"}
    assert (await client.request("DELETE", "/store/items", json=gone)).status_code == 204
    assert (await client.request("DELETE", "/store/items", json=gone)).status_code == 404
    assert (await client.get("/store/items", params=query)).status_code == 404
