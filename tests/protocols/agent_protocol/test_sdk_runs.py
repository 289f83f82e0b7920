"""Runs through the unmodified ``langgraph-sdk``: in batches, cancelled together, configured, paused, directed,
displaced."""

from __future__ import annotations

import asyncio
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
NewGate = Callable[[], Gate]


@pytest.fixture
async def sdk(url: str) -> AsyncGenerator[Sdk]:
    client: Sdk = get_client(url=url, api_key=None)
    yield client
    await client.aclose()


async def new_thread(sdk: Sdk) -> str:
    thread: str = (await sdk.threads.create())["thread_id"]
    return thread


async def test_a_batch_opens_its_runs_in_order(sdk: Sdk) -> None:
    thread = await new_thread(sdk)
    bodies = [{"thread_id": thread, "assistant_id": "counter", "input": {"text": str(n)}} for n in range(3)]
    runs = await sdk.runs.create_batch([*bodies, {"assistant_id": "echo", "input": {"text": "alone"}}])
    assert [run["thread_id"] == thread for run in runs] == [True, True, True, False]
    assert (await sdk.runs.join(thread, runs[2]["run_id"]))["times"] == 3
    assert (await sdk.runs.join(runs[3]["thread_id"], runs[3]["run_id"]))["output"] == "alone"
    with pytest.raises(NotFoundError, match="nobody"):
        await sdk.runs.create_batch([bodies[0], {"assistant_id": "nobody", "input": {}}])
    assert len(await sdk.runs.list(thread)) == 3


async def test_runs_are_cancelled_by_id_by_thread_and_by_status(sdk: Sdk, gate: NewGate) -> None:
    name, reached, _ = gate()
    thread, other = await new_thread(sdk), await new_thread(sdk)
    working = await sdk.runs.create(thread, "slow", input={"gate": name})
    await reached.wait()
    queued = [await sdk.runs.create(thread, "echo", input={"text": str(n)}) for n in range(3)]
    elsewhere = await sdk.runs.create(other, "echo", input={"text": "x"}, after_seconds=3600)

    async def statuses() -> list[str]:
        return [
            (await sdk.runs.get(run["thread_id"], run["run_id"]))["status"] for run in (working, *queued, elsewhere)
        ]

    await sdk.runs.cancel_many(thread_id=thread, run_ids=[queued[0]["run_id"]])
    assert await statuses() == ["running", "interrupted", "pending", "pending", "pending"]
    with pytest.raises(NotFoundError):
        await sdk.runs.cancel_many(thread_id=other, run_ids=[queued[1]["run_id"]])
    await sdk.runs.cancel_many(thread_id=thread, status="pending")
    assert await statuses() == ["running", "interrupted", "interrupted", "interrupted", "pending"]
    await sdk.runs.cancel_many(status="all", action="rollback")
    with pytest.raises(NotFoundError):
        await sdk.runs.get(thread, working["run_id"])
    with pytest.raises(NotFoundError):
        await sdk.runs.get(other, elsewhere["run_id"])
    with pytest.raises(UnprocessableEntityError):
        await sdk.runs.cancel_many()


async def test_a_run_is_cancelled_and_rolled_back_or_kept(sdk: Sdk, gate: NewGate) -> None:
    thread = await new_thread(sdk)
    await sdk.runs.wait(thread, "counter", input={"text": "x"})
    before = await sdk.threads.get_state(thread)
    for action in ("interrupt", "rollback"):
        name, reached, _ = gate()
        run = await sdk.runs.create(thread, "slow", input={"gate": name})
        await reached.wait()
        await sdk.runs.cancel(thread, run["run_id"], wait=True, action=action)
        if action == "interrupt":
            assert (await sdk.runs.get(thread, run["run_id"]))["status"] == "interrupted"
            before = await sdk.threads.get_state(thread)
    with pytest.raises(NotFoundError):
        await sdk.runs.get(thread, run["run_id"])
    after = await sdk.threads.get_state(thread)
    assert (after["values"], after["next"]) == (before["values"], [])
    listed = await sdk.runs.list(thread, select=["run_id", "status"])
    assert [r["status"] for r in listed] == ["interrupted", "success"]
    assert set(listed[0]) == {"run_id", "status"}
    assert [r["status"] for r in await sdk.runs.list(thread, status="success", limit=1)] == ["success"]
    assert await sdk.runs.list(thread, offset=2) == []
    await sdk.runs.delete(thread, listed[1]["run_id"])
    assert len(await sdk.runs.list(thread)) == 1


async def test_config_and_context_reach_the_agent(sdk: Sdk) -> None:
    config = {"configurable": {"model": "m"}, "tags": ["a"]}
    state = await sdk.runs.wait(None, "configured", config=config, durability="exit")
    assert state["output"] == {"config": config, "context": {}}
    state = await sdk.runs.wait(None, "configured", context={"user": "ada"})
    assert state["output"] == {"config": {}, "context": {"user": "ada"}}
    assistant = await sdk.assistants.create("configured", context={"user": "eve", "team": "red"})
    state = await sdk.runs.wait(None, assistant["assistant_id"], context={"user": "ada"}, durability="sync")
    assert state["output"]["context"] == {"user": "ada", "team": "red"}


async def test_a_config_reaches_the_agent_over_agent_protocol(client: httpx.AsyncClient) -> None:
    body = {"agent_id": "configured", "config": {"configurable": {"a": 1}}}
    found = (await client.post("/runs/wait", json=body)).json()["values"]["output"]
    assert found == {"config": {"configurable": {"a": 1}}, "context": {}}


async def test_a_run_pauses_where_it_is_told_and_goes_on_without_input(sdk: Sdk) -> None:
    thread = await new_thread(sdk)
    said = {"count": 2}
    paused = await sdk.runs.wait(thread, "busy", input=said, interrupt_before=["look_up"], interrupt_after="busy")
    assert [i["value"]["payload"] for i in paused["__interrupt__"]] == [{"pause": "before", "node": "look_up"}]
    state = await sdk.threads.get_state(thread)
    assert (state["next"], [t["name"] for t in state["tasks"]]) == (["look_up"], ["look_up"])
    assert (await sdk.threads.get(thread))["status"] == "interrupted"
    paused = await sdk.runs.wait(thread, "busy", input=None)
    assert [i["value"]["payload"]["node"] for i in paused["__interrupt__"]] == ["busy"]
    done = await sdk.runs.wait(thread, "busy", command={"resume": "any"})
    assert (done["output"], done["doubled"]) == ("counted to 2", 4)
    assert len(await sdk.runs.list(thread)) == 1


async def test_a_command_answers_updates_and_begins_anew(sdk: Sdk) -> None:
    thread = await new_thread(sdk)
    await sdk.runs.wait(thread, "refund", input={"order_id": "A", "amount": 1})
    command = {"resume": {"approved": True}, "update": [["note", "seen"]]}
    done = await sdk.runs.wait(thread, "refund", command=command)
    assert (done["output"], done["note"]) == ({"paid": True}, "seen")
    begun = await sdk.runs.wait(
        thread, "echo", command={"goto": {"node": "echo", "input": {"text": "again"}}, "update": {"note": "new"}}
    )
    assert (begun["output"], begun["note"]) == ("again", "new")
    with pytest.raises(UnprocessableEntityError, match="goto is not served"):
        await sdk.runs.create(thread, "echo", command={"goto": "tools"})


async def test_the_thread_of_a_run_that_is_not_kept_goes_in_a_while(sdk: Sdk) -> None:
    made: list[Any] = []
    state = await sdk.runs.wait(None, "echo", input={"text": "x"}, on_completion="delete", on_run_created=made.append)
    assert state["output"] == "x"
    thread = await sdk.threads.get(made[0]["thread_id"], include=["ttl"])
    assert thread["ttl"]["ttl_minutes"] == 1
    kept = await sdk.runs.wait(None, "echo", input={"text": "x"}, on_run_created=made.append)
    assert kept["output"] == "x"
    assert (await sdk.threads.get(made[1]["thread_id"], include=["ttl"]))["ttl"] is None


async def test_a_run_begins_later_and_makes_its_thread(sdk: Sdk) -> None:
    name = str(uuid.uuid4())
    with pytest.raises(NotFoundError):
        await sdk.runs.create(name, "echo", input={"text": "x"}, if_not_exists="reject")
    run = await sdk.runs.create(name, "echo", input={"text": "x"}, if_not_exists="create", after_seconds=0.2)
    assert run["status"] == "pending"
    assert (await sdk.runs.join(name, run["run_id"]))["output"] == "x"


@pytest.mark.parametrize("strategy", ["enqueue", "reject", "interrupt", "rollback"])
async def test_a_second_message_does_as_its_strategy_says(sdk: Sdk, gate: NewGate, strategy: str) -> None:
    thread = await new_thread(sdk)
    name, reached, opened = gate()
    first = await sdk.runs.create(thread, "tool_user", input={"gate": name})
    await reached.wait()

    async def second() -> dict[str, Any]:
        made: dict[str, Any] = await sdk.runs.create(
            thread, "echo", input={"text": "second"}, multitask_strategy=strategy
        )
        return made

    if strategy == "reject":
        with pytest.raises(ConflictError):
            await second()
        opened.set()
        await sdk.runs.join(thread, first["run_id"])
        return
    run = await second()
    if strategy == "enqueue":
        assert run["status"] == "pending"
        opened.set()
    assert (await sdk.runs.join(thread, run["run_id"]))["output"] == "second"
    messages = (await sdk.threads.get_state(thread))["values"]["messages"]
    said = [(m["type"], m.get("tool_call_id")) for m in messages]
    calls = [("ai", None), ("tool", "call")]
    if strategy == "rollback":
        assert [kind for kind, _ in said] == ["human", "ai"]
        with pytest.raises(NotFoundError):
            await sdk.runs.get(thread, first["run_id"])
        return
    assert said[1:3] == calls
    cancelled = strategy == "interrupt"
    assert ("Cancelled" in messages[2]["content"]) is cancelled
    status = (await sdk.runs.get(thread, first["run_id"]))["status"]
    assert status == ("interrupted" if cancelled else "success")


async def test_messages_that_come_at_once_are_answered_in_their_order(sdk: Sdk) -> None:
    threads = [await new_thread(sdk) for _ in range(4)]

    async def talk(thread: str) -> None:
        runs = [await sdk.runs.create(thread, "counter", input={"text": str(n)}) for n in range(10)]
        await sdk.runs.join(thread, runs[-1]["run_id"])

    await asyncio.gather(*map(talk, threads))
    for thread in threads:
        messages = (await sdk.threads.get_state(thread))["values"]["messages"]
        assert [m["content"].split(":")[0] for m in messages if m["type"] == "ai"] == [str(n) for n in range(1, 11)]
        told = [m["content"] for m in messages if m["type"] == "human"]
        assert told == [f'{{"text":"{n}"}}' for n in range(10)]
