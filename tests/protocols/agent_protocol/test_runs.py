"""Agent Protocol in process: agents, runs, threads and the store, over a real engine and a real ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from dragoman.engine import Engine, RunRequest
from dragoman.memory.ids import uuid7
from dragoman.memory.model import Principal

pytestmark = pytest.mark.anyio

Check = Callable[[str, Any], None]
Gate = tuple[str, asyncio.Event, asyncio.Event]


async def wait(client: httpx.AsyncClient, agent: str, **body: Any) -> dict[str, Any]:
    answer = await client.post("/runs/wait", json={"agent_id": agent, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def frames(text: str) -> list[tuple[str, str]]:
    """The events and data of a stream, heartbeats left out."""
    found: list[tuple[str, str]] = []
    for block in text.split("\r\n\r\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\r\n") if not line.startswith(":") and line)
        if fields:
            found.append((fields["event"], fields["data"]))
    return found


# -- agents -----------------------------------------------------------------------------------------------------------
async def test_agents_are_listed_found_and_described(client: httpx.AsyncClient, conforms: Check) -> None:
    found = (await client.post("/agents/search", json={})).json()
    assert [a["agent_id"] for a in found[:3]] == ["echo", "refund", "twice"]
    for one in found:
        conforms("Agent", one)
    assert [a["agent_id"] for a in (await client.post("/agents/search", json={"name": "ECH"})).json()] == ["echo"]
    by_version = await client.post("/agents/search", json={"metadata": {"version": "1.0.0"}, "limit": 2, "offset": 1})
    assert [a["agent_id"] for a in by_version.json()] == ["refund", "twice"]
    assert (await client.post("/agents/search", json={"metadata": {"version": "2"}})).json() == []
    assert (await client.get("/agents/echo")).json()["name"] == "Echo"
    schemas = (await client.get("/agents/refund/schemas")).json()
    conforms("AgentSchema", schemas)
    assert schemas["input_schema"]["required"] == ["order_id", "amount"]


# -- opening runs -----------------------------------------------------------------------------------------------------
async def test_a_run_is_waited_for_and_answered_whole(client: httpx.AsyncClient, conforms: Check) -> None:
    found = await wait(client, "echo", input={"text": "hello"}, metadata={"case": 7})
    conforms("RunWaitResponse", found)
    assert found["run"]["status"] == "success"
    assert found["run"]["metadata"] == {"case": 7}
    assert found["values"] == {"output": "hello"}
    assert [m["content"] for m in found["messages"]] == ['{"text":"hello"}', "hello"]


@pytest.mark.parametrize(
    "body",
    [
        {"input": {"text": "hello"}},
        {"input": "hello"},
        {"messages": [{"role": "user", "content": "hello"}]},
        {"input": {"messages": [{"role": "user", "content": "hello"}]}},
    ],
)
async def test_what_reaches_the_agent_is_the_same_in_every_form(client: httpx.AsyncClient, body: Any) -> None:
    assert (await wait(client, "echo", **body))["values"]["output"] == "hello"


async def test_a_body_without_an_agent_runs_the_first_one(client: httpx.AsyncClient) -> None:
    answer = await client.post("/runs/wait", json={"input": {"text": "hello"}})
    assert answer.json()["run"]["agent_id"] == "echo"


async def test_prose_to_an_agent_with_several_fields_asks_for_them(client: httpx.AsyncClient) -> None:
    found = await wait(client, "refund", input="refund my desk, please")
    asked = found["run"]["interrupts"][0]
    assert found["run"]["status"] == "interrupted"
    assert asked["key"] == "input"
    assert asked["schema"]["required"] == ["order_id", "amount"]
    answer = {"order_id": "A-1", "amount": 5}
    resumed = await client.post(f"/runs/{found['run']['run_id']}/resume", json={"answer": answer})
    assert resumed.json()["status"] == "pending"
    settled = (await client.get(f"/runs/{found['run']['run_id']}/wait")).json()
    assert settled["run"]["interrupts"][0]["key"] == "approval"
    assert settled["run"]["input"] == answer


async def test_a_background_run_is_pending_then_done(client: httpx.AsyncClient, gate: Callable[[], Gate]) -> None:
    name, reached, opened = gate()
    created = await client.post("/runs", json={"agent_id": "slow", "input": {"gate": name}})
    run = created.json()
    assert (created.status_code, run["status"]) == (200, "pending")
    await reached.wait()
    assert (await client.get(f"/runs/{run['run_id']}")).json()["status"] == "pending"
    opened.set()
    found = (await client.get(f"/runs/{run['run_id']}/wait")).json()
    assert (found["run"]["status"], found["values"]["output"]) == ("success", "done")


@pytest.mark.parametrize(
    ("agent", "kind", "message"), [("broken", "error", "cannot do it"), ("picky", "rejected", "not this one")]
)
async def test_a_run_that_fails_is_answered_with_its_error(
    client: httpx.AsyncClient, agent: str, kind: str, message: str
) -> None:
    found = await wait(client, agent, input={"text": "it"})
    assert found["run"]["status"] == "error"
    assert (found["run"]["error"]["kind"], found["run"]["error"]["message"]) == (kind, message)


# -- streams ----------------------------------------------------------------------------------------------------------
async def test_a_stream_has_metadata_first_the_modes_asked_for_and_end_last(client: httpx.AsyncClient) -> None:
    body = {"agent_id": "busy", "input": {"count": 2}, "stream_mode": ["messages", "updates", "custom"]}
    answer = await client.post("/runs/stream", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["content-location"].startswith("/runs/")
    found = frames(answer.text)
    assert [event for event, _ in found] == [
        "metadata",
        "custom",
        "custom",
        "messages",
        "messages",
        "updates",
        "custom",
        "updates",
        "messages",
        "updates",
        "end",
    ]


async def test_a_stream_replays_from_where_the_client_was(client: httpx.AsyncClient) -> None:
    body = {"agent_id": "busy", "input": {"count": 3}, "stream_mode": ["values", "messages", "updates", "custom"]}
    answer = await client.post("/runs/stream", json=body)
    blocks = answer.text.split("\r\n\r\n")[:-1]
    location = answer.headers["location"]
    for start in ("-1", "0"):
        assert (await client.get(location, headers={"Last-Event-ID": start})).text == answer.text
    for n, block in enumerate(blocks[:-1]):
        last = block.split("id: ")[1]
        rest = (await client.get(location, headers={"Last-Event-ID": last})).text
        assert rest == "\r\n\r\n".join([*blocks[n + 1 :], ""]), last


async def test_ids_are_unique_and_rise(client: httpx.AsyncClient) -> None:
    body = {"agent_id": "busy", "input": {"count": 5}, "stream_mode": ["values", "messages", "updates", "custom"]}
    text = (await client.post("/runs/stream", json=body)).text
    ids = [line.removeprefix("id: ") for line in text.split("\r\n") if line.startswith("id: ")]
    ordered = [tuple(map(int, (f"{i}-0").split("-")[:2])) for i in ids]
    assert len(set(ids)) == len(ids)
    assert ordered == sorted(ordered)


async def test_joining_a_run_that_is_over_gives_its_end_and_nothing_old(client: httpx.AsyncClient) -> None:
    done = await wait(client, "echo", input="hello")
    found = frames((await client.get(f"/runs/{done['run']['run_id']}/stream")).text)
    assert [event for event, _ in found] == ["metadata", "end"]
    failed = await wait(client, "broken", input="it")
    found = frames((await client.get(f"/runs/{failed['run']['run_id']}/stream")).text)
    assert found[-1] == ("error", '{"error":"ValueError","message":"cannot do it"}')


async def test_a_run_streamed_on_a_thread_shows_that_run_alone(client: httpx.AsyncClient) -> None:
    thread = (await client.post("/threads", json={})).json()["thread_id"]
    body = {"agent_id": "counter", "thread_id": thread, "input": "x"}
    await client.post("/runs/wait", json=body)
    found = frames((await client.post("/runs/stream", json=body)).text)
    assert [event for event, _ in found] == ["metadata", "values", "values", "values", "end"]
    assert '"times":1' in found[1][1]
    assert '"times":2' in found[2][1]
    assert '"output":"2:3"' in found[3][1]


# -- answers ----------------------------------------------------------------------------------------------------------
async def test_an_approval_is_given_by_key_and_the_same_run_goes_on(client: httpx.AsyncClient, conforms: Check) -> None:
    found = await wait(client, "refund", input={"order_id": "A-1", "amount": 200})
    run_id = found["run"]["run_id"]
    shown = (await client.get(f"/runs/{run_id}")).json()
    conforms("Run", shown)
    assert shown["interrupts"][0]["payload"] == {"order_id": "A-1"}
    resumed = await client.post(f"/runs/{run_id}/resume", json={"answers": {"approval": {"approved": True}}})
    assert (resumed.status_code, resumed.json()["run_id"], resumed.json()["status"]) == (200, run_id, "pending")
    done = (await client.get(f"/runs/{run_id}/wait")).json()
    assert done["values"]["output"] == {"paid": True}
    assert "interrupts" not in done["run"]


@pytest.mark.parametrize("verb", ["wait", "stream", ""])
async def test_a_command_on_the_thread_resumes_in_each_way_to_open_a_run(client: httpx.AsyncClient, verb: str) -> None:
    found = await wait(client, "refund", input={"order_id": "A-1", "amount": 200})
    run = found["run"]
    body = {"thread_id": run["thread_id"], "command": {"resume": {"approved": False}}}
    answer = await client.post(f"/runs/{verb}".rstrip("/"), json=body)
    assert answer.status_code == 200
    if verb == "wait":
        assert answer.json()["run"]["run_id"] == run["run_id"]
        assert answer.json()["values"]["output"] == {"paid": False}
    elif verb == "stream":
        found_frames = frames(answer.text)
        assert found_frames[0] == ("metadata", f'{{"run_id":"{run["run_id"]}","attempt":2}}')
        assert '"output":{"paid":false}' in found_frames[-2][1]
    else:
        assert answer.json()["status"] == "pending"


async def test_two_questions_are_answered_one_at_a_time_and_never_crosswise(client: httpx.AsyncClient) -> None:
    found = await wait(client, "twice", input="cats")
    ids = {q["key"]: q["id"] for q in found["run"]["interrupts"]}
    assert set(ids) == {"first", "second"}
    run_id, thread_id = found["run"]["run_id"], found["run"]["thread_id"]
    ambiguous = await client.post("/runs/wait", json={"thread_id": thread_id, "command": {"resume": "B"}})
    assert ambiguous.status_code == 422
    assert ids["first"] in ambiguous.json()["message"]
    one = await client.post("/runs/wait", json={"thread_id": thread_id, "command": {"resume": {ids["second"]: "B"}}})
    assert [q["key"] for q in one.json()["run"]["interrupts"]] == ["first"]
    await client.post(f"/runs/{run_id}/resume", json={"answer": "A"})
    done = (await client.get(f"/runs/{run_id}/wait")).json()
    assert done["values"]["output"] == {"first": "A", "second": "B"}


@pytest.mark.parametrize("way", ["answer", "answers", "command"])
async def test_the_question_that_is_left_is_answered_while_the_run_works_with_the_other_answer(
    client: httpx.AsyncClient, gate: Callable[[], Gate], way: str
) -> None:
    name, reached, opened = gate()
    run = (await wait(client, "works_on", input={"gate": name}))["run"]
    verb = f"/runs/{run['run_id']}"
    await client.post(f"{verb}/resume", json={"answers": {"first": "A"}})
    await reached.wait()
    shown = (await client.get(verb)).json()
    assert (shown["status"], [q["key"] for q in shown["interrupts"]]) == ("pending", ["second"])
    if way == "command":
        given = await client.post("/runs", json={"thread_id": run["thread_id"], "command": {"resume": "B"}})
    else:
        given = await client.post(f"{verb}/resume", json={way: "B" if way == "answer" else {"second": "B"}})
    assert given.status_code == 200
    assert "interrupts" not in (await client.get(verb)).json()
    again = await client.post(f"{verb}/resume", json={"answer": "C"})
    assert again.status_code == 409
    opened.set()
    assert (await client.get(f"{verb}/wait")).json()["values"]["output"] == "A B"


async def test_prose_answers_an_approval(client: httpx.AsyncClient) -> None:
    found = await wait(client, "refund", input={"order_id": "A-1", "amount": 200})
    await client.post(f"/runs/{found['run']['run_id']}/resume", json={"answer": "yes"})
    done = (await client.get(f"/runs/{found['run']['run_id']}/wait")).json()
    assert done["values"]["output"] == {"paid": True}


# -- one run ----------------------------------------------------------------------------------------------------------
async def test_a_run_is_cancelled_and_then_deleted(client: httpx.AsyncClient, gate: Callable[[], Gate]) -> None:
    name, reached, _ = gate()
    run = (await client.post("/runs", json={"agent_id": "slow", "input": {"gate": name}})).json()
    await reached.wait()
    path = f"/runs/{run['run_id']}"
    assert (await client.delete(path)).status_code == 422
    assert (await client.post(f"{path}/cancel")).status_code == 204
    assert (await client.get(path)).json()["status"] == "interrupted"
    assert (await client.post(f"{path}/cancel", params={"wait": "true"})).status_code == 204
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_runs_are_searched_by_agent_thread_status_and_metadata(client: httpx.AsyncClient) -> None:
    made = [await wait(client, "echo", input="x", metadata={"n": n % 2}) for n in range(4)]
    waiting = await wait(client, "refund", input={"order_id": "A", "amount": 1})
    failed = await wait(client, "broken", input="x")

    async def search(**body: Any) -> list[str]:
        return [run["run_id"] for run in (await client.post("/runs/search", json=body)).json()]

    assert await search(agent_id="echo", limit=2, offset=1) == [made[2]["run"]["run_id"], made[1]["run"]["run_id"]]
    assert await search(metadata={"n": 1}) == [made[3]["run"]["run_id"], made[1]["run"]["run_id"]]
    assert await search(thread_id=made[0]["run"]["thread_id"]) == [made[0]["run"]["run_id"]]
    assert await search(status="interrupted") == [waiting["run"]["run_id"]]
    assert await search(status="error") == [failed["run"]["run_id"]]
    assert await search(status="timeout") == []
    assert len(await search()) == 6


async def test_an_artifact_is_fetched_by_its_reference(client: httpx.AsyncClient) -> None:
    found = await wait(client, "busy", input={"count": 1})
    made = found["run"]["artifacts"][0]
    answer = await client.get(f"/runs/{found['run']['run_id']}/artifacts/{made['id']}")
    assert (answer.text, answer.headers["content-type"]) == ("doubled: 2", "text/plain")
    assert answer.headers["content-disposition"] == "attachment"
    assert (await client.get(f"/runs/{found['run']['run_id']}/artifacts/x")).status_code == 404


# -- threads ----------------------------------------------------------------------------------------------------------
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


# -- the store --------------------------------------------------------------------------------------------------------
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
