"""Edits of a thread's state by hand, as those see them who stream the thread."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, cast

import httpx
import pytest

from .live_client import command, data_of, listening, run, until

pytestmark = pytest.mark.anyio


async def states(sdk: Any, thread: str, number: int, after: str | None) -> list[dict[str, Any]]:
    joining = sdk.threads.join_stream(thread, last_event_id=after, stream_mode=cast("Any", ["state_update"]))
    found: list[dict[str, Any]] = []
    async with aclosing(await joining) as stream:
        async for part in stream:
            assert part.event == "state_update"
            found.append(part.data["state"])
            if len(found) == number:
                break
    return found


async def test_an_edit_is_streamed_to_who_joins_the_thread_live_and_replayed(sdk: Any, http: httpx.AsyncClient) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    path = f"/threads/{thread}/stream?stream_mode=state_update"
    async with http.stream("GET", path, headers={"Last-Event-ID": "-1"}) as live:
        edited = await sdk.threads.update_state(thread, {"colour": "red"})
        async for line in live.aiter_lines():
            if line.startswith("data: ") and '"colour":"red"' in line:
                break
    await sdk.threads.update_state(thread, {"colour": "blue"}, checkpoint_id=edited["checkpoint_id"])
    first, second = await states(sdk, thread, 2, "-1")
    assert first["checkpoint"]["checkpoint_id"] == edited["checkpoint_id"]
    assert (first["values"], second["values"]) == (
        {"colour": "red", "messages": []},
        {"colour": "blue", "messages": []},
    )
    assert second["parent_checkpoint"]["checkpoint_id"] == edited["checkpoint_id"]


async def test_edits_of_a_bulk_are_told_one_after_another(sdk: Any, http: httpx.AsyncClient) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    answer = await http.post(f"/threads/{thread}/state", json={"values": [{"n": 1}, {"n": 2}]})
    assert answer.status_code == 200
    assert [state["values"] for state in await states(sdk, thread, 2, "-1")] == [
        {"n": 1, "messages": []},
        {"n": 2, "messages": []},
    ]


async def test_the_threads_protocol_tells_an_edit_as_values_and_a_checkpoint(sdk: Any, http: httpx.AsyncClient) -> None:
    thread, _ = await run(http, "talker", "one")
    async with listening(http, thread, ["values", "checkpoints"]) as events:
        edited = await sdk.threads.update_state(thread, {"colour": "red"})
        found = await until(
            events, lambda e: e["method"] == "checkpoints" and e["params"]["data"]["source"] == "update"
        )
    envelope = data_of(found, "checkpoints")[-1]
    assert envelope["id"] == edited["checkpoint_id"]
    assert envelope["parent_id"] == data_of(found, "checkpoints")[-2]["id"]
    values = data_of(found, "values")[-1]
    assert values["colour"] == "red"
    assert next(m["content"] for m in values["messages"]) == '{"text":"one"}'


async def test_a_message_that_is_injected_without_a_run_is_told(http: httpx.AsyncClient) -> None:
    thread, _ = await run(http, "talker", "one")
    async with listening(http, thread, ["values", "checkpoints"]) as events:
        said = {"message": {"role": "system", "content": "be brief"}}
        assert "error" not in await command(http, thread, "input.inject", said)
        found = await until(
            events, lambda e: e["method"] == "checkpoints" and e["params"]["data"]["source"] == "update"
        )
    assert data_of(found, "values")[-1]["messages"][-1]["content"] == "be brief"


async def test_a_stream_of_runs_is_silent_about_an_edit(sdk: Any, http: httpx.AsyncClient) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    await sdk.threads.update_state(thread, {"colour": "red"})
    await sdk.runs.wait(thread, "talker", input={"text": "a"})
    joining = sdk.threads.join_stream(thread, last_event_id="-1", stream_mode=cast("Any", ["run_modes", "lifecycle"]))
    async with aclosing(await joining) as stream:
        first = await anext(aiter(stream))
    assert first.event == "metadata"
    assert first.data["attempt"] == 1
