"""Streams of runs of Agent Protocol: their modes, their ids, and where a client comes back."""

from __future__ import annotations

import httpx
import pytest

from .asking import frames, wait

pytestmark = pytest.mark.anyio


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
