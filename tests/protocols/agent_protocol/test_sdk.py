"""``langgraph-sdk``, unmodified, against a real server: assistants, threads, states, runs, streams, the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any
from uuid import UUID

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError
from langgraph_sdk.schema import RunCreateMetadata

pytestmark = pytest.mark.anyio

Sdk = Any  # a LangGraphClient, whose types a strict checker cannot tell in full
Gate = tuple[str, asyncio.Event, asyncio.Event]


@pytest.fixture
async def sdk(url: str) -> AsyncGenerator[Sdk]:
    client: Sdk = get_client(url=url, api_key=None)
    yield client
    await client.aclose()


async def parts(stream: Any) -> list[tuple[str, Any]]:
    return [(part.event, part.data) async for part in stream]


# -- assistants -------------------------------------------------------------------------------------------------------
async def test_agents_are_assistants(sdk: Sdk) -> None:
    found = await sdk.assistants.search(graph_id="echo")
    assert [a["graph_id"] for a in found] == ["echo"]
    by_id = await sdk.assistants.get(found[0]["assistant_id"])
    assert by_id == await sdk.assistants.get("echo") == found[0]
    schemas = await sdk.assistants.get_schemas("refund")
    assert schemas["input_schema"]["required"] == ["order_id", "amount"]
    page = await sdk.assistants.search(limit=2, response_format="object", sort_by="name", sort_order="asc")
    assert ([a["graph_id"] for a in page["assistants"]], page["next"]) == (["broken", "busy"], "2")
    assert await sdk.assistants.count(name="echo") == 1
    with pytest.raises(NotFoundError, match="nobody"):
        await sdk.assistants.get("nobody")


# -- threads ----------------------------------------------------------------------------------------------------------
async def test_a_thread_lives_and_dies(sdk: Sdk) -> None:
    thread = await sdk.threads.create(metadata={"n": 1}, graph_id="echo")
    name = thread["thread_id"]
    assert (thread["status"], thread["metadata"], thread["values"]) == ("idle", {"n": 1, "graph_id": "echo"}, None)
    with pytest.raises(ConflictError):
        await sdk.threads.create(thread_id=name)
    assert (await sdk.threads.create(thread_id=name, if_exists="do_nothing"))["thread_id"] == name
    assert (await sdk.threads.update(name, metadata={"m": 2}))["metadata"] == {"n": 1, "graph_id": "echo", "m": 2}
    assert await sdk.threads.update(name, metadata={"m": 3}, return_minimal=True) is None
    assert (await sdk.threads.get(name))["metadata"] == {"n": 1, "graph_id": "echo", "m": 3}
    await sdk.threads.delete(name)
    with pytest.raises(NotFoundError):
        await sdk.threads.get(name)
    with pytest.raises(UnprocessableEntityError, match="UUID"):
        await sdk.threads.get("x")


async def test_threads_are_searched_counted_and_copied(sdk: Sdk) -> None:
    names = [(await sdk.threads.create(metadata={"n": n % 2}))["thread_id"] for n in range(3)]
    assert [t["thread_id"] for t in await sdk.threads.search(metadata={"n": 0})] == [names[2], names[0]]
    assert [t["thread_id"] for t in await sdk.threads.search(ids=[names[1]])] == [names[1]]
    assert await sdk.threads.search(limit=1, offset=1, select=["thread_id"]) == [{"thread_id": names[1]}]
    assert await sdk.threads.count(metadata={"n": 0}) == 2
    await sdk.runs.wait(names[0], "counter", input={"text": "x"})
    await sdk.threads.copy(names[0])
    assert await sdk.threads.count(values={"times": 1}) == 2


async def test_states_are_read_written_and_gone_back_to(sdk: Sdk) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    empty = await sdk.threads.get_state(thread)
    assert (empty["values"], empty["next"], empty["checkpoint"]["checkpoint_id"]) == ({}, [], None)
    await sdk.runs.wait(thread, "counter", input={"text": "x"})
    said = {"role": "user", "content": "by the way", "id": "m9"}
    updated = await sdk.threads.update_state(thread, {"mood": "good", "messages": [said]}, as_node="counter")
    state = await sdk.threads.get_state(thread)
    assert (state["values"]["times"], state["values"]["mood"]) == (1, "good")
    assert [m["type"] for m in state["values"]["messages"]] == ["human", "ai", "human"]
    assert state["checkpoint"]["checkpoint_id"] == updated["checkpoint"]["checkpoint_id"]
    history = await sdk.threads.get_history(thread, limit=10)
    assert [s["values"].get("mood") for s in history] == ["good", None]
    assert history[0]["parent_checkpoint"] == history[1]["checkpoint"]
    older = await sdk.threads.get_history(thread, before=history[0]["checkpoint"])
    assert older == history[1:]
    by_id = await sdk.threads.get_state(thread, checkpoint_id=history[1]["checkpoint"]["checkpoint_id"])
    assert by_id == await sdk.threads.get_state(thread, checkpoint=history[1]["checkpoint"]) == history[1]
    only = await sdk.threads.get_state(thread, select=["values.mood"])
    assert dict(only) == {"values": {"mood": "good"}}
    with pytest.raises(NotFoundError, match="checkpoint"):
        await sdk.threads.get_state(thread, checkpoint_id=thread)
    await sdk.threads.update_state(thread, {"messages": [{**said, "content": "or not"}]})
    messages = (await sdk.threads.get_state(thread))["values"]["messages"]
    assert [m["content"] for m in messages] == ['{"text":"x"}', "1:1", "or not"]


# -- runs -------------------------------------------------------------------------------------------------------------
async def test_a_run_is_waited_for_on_a_thread_and_without_one(sdk: Sdk) -> None:
    made: list[RunCreateMetadata] = []
    state = await sdk.runs.wait(None, "echo", input={"text": "hello"}, on_run_created=made.append)
    assert state["output"] == "hello"
    thread = (await sdk.threads.create())["thread_id"]
    said = {"messages": [{"role": "user", "content": "hello", "id": "m1"}]}
    state = await sdk.runs.wait(thread, "echo", input=said, on_run_created=made.append)
    assert [(m["type"], m["content"]) for m in state["messages"]] == [("human", "hello"), ("ai", "hello")]
    assert state["messages"][0]["id"] == "m1"
    assert [m["thread_id"] == thread for m in made] == [False, True]
    assert UUID(made[1]["run_id"])


async def test_a_slow_run_tells_its_id_before_it_is_done(sdk: Sdk, gate: Callable[[], Gate]) -> None:
    name, reached, opened = gate()
    made: asyncio.Queue[RunCreateMetadata] = asyncio.Queue()
    waiting = asyncio.ensure_future(sdk.runs.wait(None, "slow", input={"gate": name}, on_run_created=made.put_nowait))
    await reached.wait()
    told = await made.get()
    assert told["thread_id"] is not None
    run = await sdk.runs.get(told["thread_id"], told["run_id"])
    assert run["status"] == "running"
    opened.set()
    state = await waiting
    assert state["output"] == "done"


async def test_a_failed_run_raises_and_its_thread_says_so(sdk: Sdk) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    with pytest.raises(Exception, match="ValueError: cannot do it"):
        await sdk.runs.wait(thread, "broken", input={"text": "it"})
    state = await sdk.runs.wait(thread, "broken", input={"text": "it"}, raise_error=False)
    assert state["__error__"] == {"error": "ValueError", "message": "cannot do it"}
    assert (await sdk.threads.get(thread))["status"] == "error"


async def test_a_background_run_is_listed_joined_and_deleted(sdk: Sdk) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    run = await sdk.runs.create(thread, "counter", input={"text": "x"}, metadata={"n": 1})
    assert (run["thread_id"], run["metadata"], run["multitask_strategy"]) == (thread, {"n": 1}, "enqueue")
    assert run["assistant_id"] == (await sdk.assistants.get("counter"))["assistant_id"]
    state = await sdk.runs.join(thread, run["run_id"])
    assert state["output"] == "1:1"
    assert (await sdk.runs.get(thread, run["run_id"]))["status"] == "success"
    listed = await sdk.runs.list(thread, status="success", select=["run_id"])
    assert listed == [{"run_id": run["run_id"]}]
    assert await sdk.runs.list(thread, status="error") == []
    await sdk.runs.delete(thread, run["run_id"])
    with pytest.raises(NotFoundError):
        await sdk.runs.get(thread, run["run_id"])


async def test_a_stateless_run_in_the_background_has_a_thread_of_its_own(sdk: Sdk) -> None:
    run = await sdk.runs.create(None, "echo", input={"text": "x"})
    assert (await sdk.runs.join(run["thread_id"], run["run_id"]))["output"] == "x"
    assert (await sdk.threads.search(metadata={"graph_id": "echo"}))[0]["thread_id"] == run["thread_id"]


@pytest.mark.parametrize("wait", [True, False])
async def test_a_run_is_cancelled(sdk: Sdk, gate: Callable[[], Gate], wait: bool) -> None:
    name, reached, _ = gate()
    thread = (await sdk.threads.create())["thread_id"]
    run = await sdk.runs.create(thread, "slow", input={"gate": name})
    await reached.wait()
    await sdk.runs.cancel(thread, run["run_id"], wait=wait)
    assert (await sdk.runs.get(thread, run["run_id"]))["status"] == "interrupted"
    assert (await sdk.threads.get(thread))["status"] == "idle"


async def test_a_second_run_on_a_busy_thread_does_what_was_asked(sdk: Sdk, gate: Callable[[], Gate]) -> None:
    name, reached, opened = gate()
    thread = (await sdk.threads.create())["thread_id"]
    first = await sdk.runs.create(thread, "slow", input={"gate": name})
    await reached.wait()
    with pytest.raises(ConflictError, match="active run"):
        await sdk.runs.create(thread, "echo", input={"text": "x"}, multitask_strategy="reject")
    queued = await sdk.runs.create(thread, "echo", input={"text": "queued"})
    assert queued["status"] == "pending"
    opened.set()
    assert (await sdk.runs.join(thread, queued["run_id"]))["output"] == "queued"
    assert (await sdk.runs.get(thread, first["run_id"]))["status"] == "success"


async def test_a_run_interrupted_by_a_newer_one_is_so(sdk: Sdk, gate: Callable[[], Gate]) -> None:
    name, reached, _ = gate()
    thread = (await sdk.threads.create())["thread_id"]
    first = await sdk.runs.create(thread, "slow", input={"gate": name})
    await reached.wait()
    second = await sdk.runs.create(thread, "echo", input={"text": "x"}, multitask_strategy="interrupt")
    assert second["multitask_strategy"] == "interrupt"
    assert (await sdk.runs.join(thread, second["run_id"]))["output"] == "x"
    assert (await sdk.runs.get(thread, first["run_id"]))["status"] == "interrupted"


async def test_a_run_rolled_back_by_a_newer_one_is_gone(sdk: Sdk, gate: Callable[[], Gate]) -> None:
    name, reached, _ = gate()
    thread = (await sdk.threads.create())["thread_id"]
    first = await sdk.runs.create(thread, "slow", input={"gate": name})
    await reached.wait()
    second = await sdk.runs.create(thread, "counter", input={"text": "x"}, multitask_strategy="rollback")
    assert (await sdk.runs.join(thread, second["run_id"]))["output"] == "1:1"
    with pytest.raises(NotFoundError):
        await sdk.runs.get(thread, first["run_id"])
    assert [run["run_id"] for run in await sdk.runs.list(thread)] == [second["run_id"]]


async def test_a_run_begins_after_the_seconds_asked_for(sdk: Sdk) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    run = await sdk.runs.create(thread, "echo", input={"text": "later"}, after_seconds=1)
    assert run["status"] == "pending"
    assert (await sdk.runs.join(thread, run["run_id"]))["output"] == "later"
    events = await parts(sdk.runs.join_stream(thread, run["run_id"], last_event_id="0"))
    assert [event for event, _ in events] == ["metadata", "values", "values", "values", "end"]


# -- answers ----------------------------------------------------------------------------------------------------------
async def test_an_interrupt_is_seen_in_state_and_thread_and_answered_by_a_command(sdk: Sdk) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    waiting = await sdk.runs.wait(thread, "refund", input={"order_id": "A-1", "amount": 200})
    asked = waiting["__interrupt__"][0]
    assert asked["value"]["payload"] == {"order_id": "A-1"}
    assert asked["response_schema"]["required"] == ["approved"]
    state = await sdk.threads.get_state(thread)
    assert (state["next"], state["interrupts"], state["tasks"][0]["interrupts"]) == (["refund"], [asked], [asked])
    shown = await sdk.threads.get(thread)
    assert (shown["status"], list(shown["interrupts"].values())) == ("interrupted", [[asked]])
    with pytest.raises(Exception, match="approved"):
        await sdk.runs.wait(thread, "refund", command={"resume": {"approved": "perhaps"}})
    done = await sdk.runs.wait(thread, "refund", command={"resume": {asked["id"]: {"approved": True}}})
    assert done["output"] == {"paid": True}
    assert len(await sdk.runs.list(thread)) == 1
    with pytest.raises(Exception, match="409"):
        await sdk.runs.wait(thread, "refund", command={"resume": {"approved": True}})


async def test_what_is_left_to_answer_is_seen_while_the_run_works_with_another_answer(
    sdk: Sdk, gate: Callable[[], Gate]
) -> None:
    name, reached, opened = gate()
    thread = (await sdk.threads.create())["thread_id"]
    asked = (await sdk.runs.wait(thread, "works_on", input={"gate": name}))["__interrupt__"]
    first, second = sorted(asked, key=lambda q: str(q["value"]["message"]))
    await sdk.runs.create(thread, "works_on", command={"resume": {first["id"]: "A"}})
    await reached.wait()
    state, shown = await sdk.threads.get_state(thread), await sdk.threads.get(thread)
    assert (state["interrupts"], state["tasks"][0]["interrupts"]) == ([second], [second])
    assert (shown["status"], list(shown["interrupts"].values())) == ("busy", [[second]])
    await sdk.runs.create(thread, "works_on", command={"resume": "B"})
    opened.set()
    (run,) = await sdk.runs.list(thread)
    assert (await sdk.runs.join(thread, run["run_id"]))["output"] == "A B"


async def test_a_resumed_run_is_streamed_from_the_answer_on(sdk: Sdk) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    first = await parts(sdk.runs.stream(thread, "refund", input={"order_id": "A-1", "amount": 200}))
    assert [event for event, _ in first] == ["metadata", "values", "values", "values", "end"]
    assert first[-2][1]["__interrupt__"][0]["value"]["kind"] == "approval"
    resume = sdk.runs.stream(thread, "refund", command={"resume": {"approved": True}}, stream_mode="values")
    second = await parts(resume)
    assert [event for event, _ in second] == ["metadata", "values", "values", "end"]
    assert second[0][1] == {"run_id": first[0][1]["run_id"], "attempt": 2}
    assert second[-2][1]["output"] == {"paid": True}


# -- streams ----------------------------------------------------------------------------------------------------------
async def test_a_stream_gives_the_modes_that_were_asked_for(sdk: Sdk) -> None:
    modes = ["updates", "messages-tuple", "custom", "tasks", "events"]
    found = await parts(sdk.runs.stream(None, "busy", input={"count": 2}, stream_mode=modes))
    assert found[0][0] == "metadata"
    assert found[-1] == ("end", None)
    assert {event for event, _ in found[1:-1]} == {"updates", "messages", "custom", "tasks", "events"}
    chunks = [data[0]["content"] for event, data in found if event == "messages"]
    assert chunks == ["0 ", "1 "]


async def test_typed_parts_have_their_interrupts_apart(sdk: Sdk) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    stream = sdk.runs.stream(thread, "refund", input={"order_id": "A-1", "amount": 200}, version="v2")
    found: list[Any] = [part async for part in stream]
    assert [part["type"] for part in found] == ["metadata", "values", "values", "values"]
    assert found[-1]["interrupts"][0]["value"]["kind"] == "approval"
    assert "__interrupt__" not in found[-1]["data"]


async def test_joining_a_stream_gives_what_comes_and_with_a_last_event_id_what_was_missed(
    sdk: Sdk, gate: Callable[[], Gate]
) -> None:
    name, reached, opened = gate()
    thread = (await sdk.threads.create())["thread_id"]
    run = await sdk.runs.create(thread, "slow", input={"gate": name}, stream_mode=["updates", "messages"])
    await reached.wait()
    early = sdk.runs.join_stream(thread, run["run_id"], last_event_id="-1").__aiter__()
    missed = [(await anext(early)).event for _ in range(3)]
    assert missed == ["metadata", "messages/metadata", "messages/partial"]
    late = sdk.runs.join_stream(thread, run["run_id"]).__aiter__()
    assert (await anext(late)).event == "metadata"
    opened.set()
    for stream in (early, late):
        assert [event for event, _ in await parts(stream)] == ["updates", "messages/complete", "updates", "end"]
    again = await parts(sdk.runs.join_stream(thread, run["run_id"], stream_mode=["updates"], last_event_id="0"))
    assert [event for event, _ in again] == ["metadata", "updates", "updates", "end"]


async def test_a_failed_run_ends_its_stream_with_an_error(sdk: Sdk) -> None:
    found = await parts(sdk.runs.stream(None, "broken", input={"text": "it"}))
    assert found[-1] == ("error", {"error": "ValueError", "message": "cannot do it"})


# -- the store --------------------------------------------------------------------------------------------------------
async def test_the_store_keeps_finds_lists_and_forgets(sdk: Sdk) -> None:
    await sdk.store.put_item(["users", "ada"], "profile", {"admin": True})
    await sdk.store.put_item(["users", "bob"], "profile", {"admin": False})
    assert (await sdk.store.get_item(["users", "ada"], "profile"))["value"] == {"admin": True}
    found = await sdk.store.search_items(["users"], filter={"admin": False})
    assert [item["namespace"] for item in found["items"]] == [["users", "bob"]]
    assert await sdk.store.list_namespaces(prefix=["users"]) == {"namespaces": [["users", "ada"], ["users", "bob"]]}
    await sdk.store.delete_item(["users", "ada"], "profile")
    await sdk.store.delete_item(["users", "ada"], "profile")
    assert await sdk.store.get_item(["users", "ada"], "profile") is None
