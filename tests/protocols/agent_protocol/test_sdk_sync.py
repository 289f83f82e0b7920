"""``get_sync_client`` of ``langgraph-sdk``, unmodified, against a real server: threads and runs. The sync forms of
the other clients are shown where their async ones are."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from .conftest import Gate

pytestmark = pytest.mark.anyio

Sdk = Any  # a SyncLangGraphClient, whose types a strict checker cannot tell in full
Threaded = Callable[[Callable[[Sdk], None]], Awaitable[None]]
SAID = {"role": "user", "content": "by the way", "id": "m9"}


class Door:
    """A gate of the server's loop, for a thread."""

    def __init__(self, gate: Gate) -> None:
        self.name, self._reached, self._opened = gate
        self._loop = asyncio.get_running_loop()

    def wait(self) -> None:
        """Until an agent is there."""
        asyncio.run_coroutine_threadsafe(self._reached.wait(), self._loop).result(20)

    def open(self) -> None:
        """Let it go on."""
        self._loop.call_soon_threadsafe(self._opened.set)


@pytest.fixture
def threaded(url: str) -> Threaded:
    """``await threaded(script)``: a script with a sync client, in a thread beside the server's loop."""

    def with_a_client(script: Callable[[Sdk], None]) -> None:
        with get_sync_client(url=url, api_key=None) as client:
            script(client)

    async def run(script: Callable[[Sdk], None]) -> None:
        await asyncio.to_thread(with_a_client, script)

    return run


@pytest.fixture
async def door(gate: Callable[[], Gate]) -> Door:
    return Door(gate())


def new_thread(sdk: Sdk) -> str:
    made: str = sdk.threads.create()["thread_id"]
    return made


# -- threads ----------------------------------------------------------------------------------------------------------
async def test_a_thread_is_made_changed_and_deleted(threaded: Threaded) -> None:
    def script(sdk: Sdk) -> None:
        name = str(uuid.uuid4())
        made = sdk.threads.create(thread_id=name, metadata={"n": 1}, graph_id="echo", ttl=60)
        assert (made["thread_id"], made["status"], made["values"]) == (name, "idle", None)
        assert made["metadata"] == {"n": 1, "graph_id": "echo"}
        with pytest.raises(ConflictError):
            sdk.threads.create(thread_id=name)
        assert sdk.threads.create(thread_id=name, if_exists="do_nothing")["created_at"] == made["created_at"]
        assert sdk.threads.get(name)["metadata"] == made["metadata"]
        assert sdk.threads.get(name, include=["ttl"])["ttl"]["ttl_minutes"] == 60
        assert sdk.threads.update(name, metadata={"m": 2})["metadata"] == {"n": 1, "graph_id": "echo", "m": 2}
        assert sdk.threads.update(name, metadata={"m": 3}, ttl=90, return_minimal=True) is None
        changed = sdk.threads.get(name, include=["ttl"])
        assert (changed["metadata"]["m"], changed["ttl"]["ttl_minutes"]) == (3, 90)
        assert sdk.threads.delete(name) is None
        with pytest.raises(NotFoundError):
            sdk.threads.get(name)
        with pytest.raises(UnprocessableEntityError, match="UUID"):
            sdk.threads.get("x")

    await threaded(script)


async def test_threads_are_searched_counted_copied_and_pruned(threaded: Threaded) -> None:
    def script(sdk: Sdk) -> None:
        made = [sdk.threads.create(metadata={"n": n % 2})["thread_id"] for n in range(3)]
        for mood in ("bad", "good"):
            sdk.threads.update_state(made[0], {"mood": mood})
        assert [t["thread_id"] for t in sdk.threads.search(metadata={"n": 0}, sort_by="created_at")] == [
            made[2],
            made[0],
        ]
        assert sdk.threads.search(limit=1, offset=1, select=["thread_id"], sort_by="created_at") == [
            {"thread_id": made[1]}
        ]
        [found] = sdk.threads.search(values={"mood": "good"}, select=["thread_id"], extract={"mood": "values.mood"})
        assert found == {"thread_id": made[0], "extracted": {"mood": "good"}}
        assert [t["thread_id"] for t in sdk.threads.search(ids=[made[1]])] == [made[1]]
        assert (sdk.threads.count(metadata={"n": 0}), sdk.threads.count(status="busy")) == (2, 0)
        copied = sdk.threads.copy(made[0])["thread_id"]
        assert sdk.threads.count(values={"mood": "good"}) == 2
        assert [s["values"]["mood"] for s in sdk.threads.get_history(copied)] == ["good", "bad"]
        sdk.threads.update_state(copied, {"mood": "own"})
        assert sdk.threads.get_state(made[0])["values"]["mood"] == "good"
        assert sdk.threads.prune([made[0], str(uuid.uuid4())], strategy="keep_latest") == {"pruned_count": 1}
        assert [s["values"]["mood"] for s in sdk.threads.get_history(made[0])] == ["good"]
        assert sdk.threads.prune([*made, copied]) == {"pruned_count": 4}
        assert sdk.threads.search() == []

    await threaded(script)


async def test_states_are_read_written_and_gone_back_to(threaded: Threaded) -> None:
    def script(sdk: Sdk) -> None:
        thread = new_thread(sdk)
        assert sdk.threads.get_state(thread)["values"] == {}
        sdk.runs.wait(thread, "counter", input={"text": "x"})
        updated = sdk.threads.update_state(thread, {"mood": "good", "messages": [SAID]}, as_node="counter")
        state = sdk.threads.get_state(thread)
        assert (state["values"]["times"], state["values"]["mood"]) == (1, "good")
        assert [m["type"] for m in state["values"]["messages"]] == ["human", "ai", "human"]
        assert state["checkpoint"]["checkpoint_id"] == updated["checkpoint"]["checkpoint_id"]
        history = sdk.threads.get_history(thread, limit=10)
        assert [s["values"].get("mood") for s in history] == ["good", None]
        assert sdk.threads.get_history(thread, metadata={"as_node": "counter"}) == history[:1]
        assert sdk.threads.get_history(thread, before=history[0]["checkpoint"]) == history[1:]
        older = history[1]["checkpoint"]
        assert sdk.threads.get_state(thread, checkpoint_id=older["checkpoint_id"]) == history[1]
        assert sdk.threads.get_state(thread, checkpoint=older) == history[1]
        assert sdk.threads.get_state(thread, select=["values.mood"]) == {"values": {"mood": "good"}}
        branched = sdk.threads.update_state(thread, {"mood": "new"}, checkpoint=older)
        newest = sdk.threads.get_state(thread)
        assert (newest["checkpoint"], newest["parent_checkpoint"]) == (branched["checkpoint"], older)
        with pytest.raises(NotFoundError, match="checkpoint"):
            sdk.threads.get_state(thread, checkpoint_id=thread)

    await threaded(script)


async def test_a_threads_stream_is_joined_and_replayed(threaded: Threaded, door: Door) -> None:
    def script(sdk: Sdk) -> None:
        thread = new_thread(sdk)
        run = sdk.runs.create(thread, "slow", input={"gate": door.name})
        door.wait()
        told: list[tuple[str, Any]] = []
        with closing(sdk.threads.join_stream(thread, stream_mode="run_modes", last_event_id="0")) as parts:
            for part in parts:
                told.append((part.event, part.data))
                if len(told) == 1:
                    door.open()
                if told[-1] == ("metadata", {"status": "run_done", "run_id": run["run_id"]}):
                    break
        assert told[0] == ("metadata", {"run_id": run["run_id"], "attempt": 1})
        assert [event for event, _ in told] == ["metadata", "values", "values", "values", "metadata"]
        assert told[-2][1]["output"] == "done"
        with closing(sdk.threads.join_stream(thread, stream_mode=["state_update"], last_event_id="-1")) as parts:
            assert next(parts).event == "state_update"

    await threaded(script)


@pytest.mark.parametrize("agent", ["busy", "refund"])
async def test_a_thread_is_streamed_by_the_protocol(threaded: Threaded, agent: str) -> None:
    def script(sdk: Sdk) -> None:
        given = {"busy": {"count": 3}, "refund": {"order_id": "A-1", "amount": 200}}[agent]
        with sdk.threads.stream(assistant_id=agent) as thread:
            thread.run.start(input=given)
            if agent == "busy":
                said = ["".join(message.text) for message in list(thread.messages)]
                assert said == ["0 1 2 ", "counted to 3"]
            else:
                for _ in thread.values:
                    pass
                assert thread.interrupted
                assert thread.interrupts[0]["value"]["payload"] == {"order_id": "A-1"}
                thread.run.respond({"approved": True})
            replied = thread.output["messages"][-1]["content"]
            assert replied == {"busy": "counted to 3", "refund": '{"paid":true}'}[agent]

    await threaded(script)


# -- runs -------------------------------------------------------------------------------------------------------------
async def test_a_run_is_made_listed_joined_and_deleted(threaded: Threaded) -> None:
    def script(sdk: Sdk) -> None:
        thread = new_thread(sdk)
        run = sdk.runs.create(thread, "counter", input={"text": "x"}, metadata={"n": 1})
        assert (run["thread_id"], run["metadata"], run["multitask_strategy"]) == (thread, {"n": 1}, "enqueue")
        assert run["assistant_id"] == sdk.assistants.get("counter")["assistant_id"]
        assert sdk.runs.join(thread, run["run_id"])["output"] == "1:1"
        done = sdk.runs.get(thread, run["run_id"])
        assert (done["status"], done["created_at"]) == ("success", run["created_at"])
        assert sdk.runs.list(thread, status="success", select=["run_id"]) == [{"run_id": run["run_id"]}]
        assert sdk.runs.list(thread, status="error") == sdk.runs.list(thread, offset=1) == []
        assert sdk.runs.delete(thread, run["run_id"]) is None
        with pytest.raises(NotFoundError):
            sdk.runs.get(thread, run["run_id"])
        alone = sdk.runs.create(None, "echo", input={"text": "y"})
        assert sdk.runs.join(alone["thread_id"], alone["run_id"])["output"] == "y"

    await threaded(script)


async def test_a_run_is_waited_for_answered_and_raises_what_it_raised(threaded: Threaded) -> None:
    def script(sdk: Sdk) -> None:
        told: list[Any] = []
        state = sdk.runs.wait(None, "echo", input={"text": "hello"}, on_run_created=told.append)
        assert (state["output"], uuid.UUID(told[0]["run_id"]).version) == ("hello", 7)
        thread = new_thread(sdk)
        (asked,) = sdk.runs.wait(thread, "refund", input={"order_id": "A-1", "amount": 200})["__interrupt__"]
        assert sdk.threads.get_state(thread)["interrupts"] == [asked]
        done = sdk.runs.wait(thread, "refund", command={"resume": {asked["id"]: {"approved": True}}})
        assert done["output"] == {"paid": True}
        with pytest.raises(Exception, match="ValueError: cannot do it"):
            sdk.runs.wait(thread, "broken", input={"text": "it"})
        failed = sdk.runs.wait(thread, "broken", input={"text": "it"}, raise_error=False)
        assert failed["__error__"] == {"error": "ValueError", "message": "cannot do it"}

    await threaded(script)


async def test_a_run_is_streamed_in_the_modes_and_the_form_asked_for(threaded: Threaded) -> None:
    def script(sdk: Sdk) -> None:
        modes = ["updates", "messages-tuple", "custom", "tasks"]
        told: list[Any] = []
        found = list(sdk.runs.stream(None, "busy", input={"count": 2}, stream_mode=modes, on_run_created=told.append))
        assert (found[0].event, found[0].data) == ("metadata", {"run_id": told[0]["run_id"], "attempt": 1})
        assert (found[-1].event, found[-1].data) == ("end", None)
        assert {part.event for part in found[1:-1]} == {"updates", "messages", "custom", "tasks"}
        assert [part.data[0]["content"] for part in found if part.event == "messages"] == ["0 ", "1 "]
        typed = list(sdk.runs.stream(None, "refund", input={"order_id": "A-1", "amount": 200}, version="v2"))
        assert [part["type"] for part in typed] == ["metadata", "values", "values", "values"]
        assert typed[-1]["interrupts"][0]["value"]["kind"] == "approval"
        failed = list(sdk.runs.stream(None, "broken", input={"text": "it"}))
        assert (failed[-1].event, failed[-1].data["error"]) == ("error", "ValueError")

    await threaded(script)


async def test_a_runs_stream_is_joined_with_what_was_missed(threaded: Threaded, door: Door) -> None:
    def script(sdk: Sdk) -> None:
        thread = new_thread(sdk)
        run = sdk.runs.create(thread, "slow", input={"gate": door.name}, stream_mode=["updates", "messages"])
        door.wait()
        live: list[Any] = []
        for part in sdk.runs.join_stream(thread, run["run_id"], last_event_id="-1"):
            live.append(part)
            if part.event == "messages/partial":
                door.open()
        events = ["metadata", "messages/metadata", "messages/partial", "updates", "messages/complete", "updates", "end"]
        assert [part.event for part in live] == events
        assert list(sdk.runs.join_stream(thread, run["run_id"], last_event_id="0")) == live
        assert list(sdk.runs.join_stream(thread, run["run_id"], last_event_id=live[2].id)) == live[3:]
        some = sdk.runs.join_stream(thread, run["run_id"], stream_mode="updates", last_event_id="0")
        assert [part.event for part in some] == ["metadata", "updates", "updates", "end"]

    await threaded(script)


async def test_a_batch_opens_its_runs_in_order(threaded: Threaded) -> None:
    def script(sdk: Sdk) -> None:
        thread = new_thread(sdk)
        bodies = [{"thread_id": thread, "assistant_id": "counter", "input": {"text": str(n)}} for n in range(3)]
        runs = sdk.runs.create_batch([*bodies, {"assistant_id": "echo", "input": {"text": "alone"}}])
        assert [run["thread_id"] == thread for run in runs] == [True, True, True, False]
        assert sdk.runs.join(thread, runs[2]["run_id"])["times"] == 3
        assert sdk.runs.join(runs[3]["thread_id"], runs[3]["run_id"])["output"] == "alone"
        with pytest.raises(NotFoundError, match="nobody"):
            sdk.runs.create_batch([bodies[0], {"assistant_id": "nobody", "input": {}}])
        assert len(sdk.runs.list(thread)) == 3

    await threaded(script)


@pytest.mark.parametrize("wait", [True, False])
async def test_a_run_is_cancelled_or_taken_back(threaded: Threaded, door: Door, wait: bool) -> None:
    def script(sdk: Sdk) -> None:
        thread = new_thread(sdk)
        run = sdk.runs.create(thread, "slow", input={"gate": door.name})
        door.wait()
        with pytest.raises(ConflictError, match="active run"):
            sdk.runs.create(thread, "echo", input={"text": "x"}, multitask_strategy="reject")
        sdk.runs.cancel(thread, run["run_id"], wait=wait)
        assert sdk.runs.get(thread, run["run_id"])["status"] == "interrupted"
        later = sdk.runs.create(thread, "echo", input={"text": "x"}, after_seconds=3600)
        sdk.runs.cancel(thread, later["run_id"], wait=wait, action="rollback")
        with pytest.raises(NotFoundError):
            sdk.runs.get(thread, later["run_id"])

    await threaded(script)


async def test_runs_are_cancelled_by_id_by_thread_and_by_status(threaded: Threaded) -> None:
    def script(sdk: Sdk) -> None:
        threads = [new_thread(sdk), new_thread(sdk)]
        runs = [
            sdk.runs.create(thread, "echo", input={"text": "x"}, after_seconds=3600) for thread in threads for _ in "ab"
        ]

        def statuses() -> list[str]:
            return [sdk.runs.get(run["thread_id"], run["run_id"])["status"] for run in runs]

        assert sdk.runs.cancel_many(thread_id=threads[0], run_ids=[runs[0]["run_id"]]) is None
        assert statuses() == ["interrupted", "pending", "pending", "pending"]
        sdk.runs.cancel_many(thread_id=threads[0], status="pending")
        assert statuses() == ["interrupted", "interrupted", "pending", "pending"]
        sdk.runs.cancel_many(status="all", action="rollback")
        assert sdk.runs.list(threads[1]) == []
        with pytest.raises(UnprocessableEntityError):
            sdk.runs.cancel_many()

    await threaded(script)
