"""What listeners are told: changes of resources, an agent's own writes, and how tasks stand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from dragoman.agents import Catalog, Context, agent

from .listening import CALLER, EVERYTHING, META, STRANGER, Listening, Start, extra, keep, listening, request_of, weather

pytestmark = pytest.mark.anyio


async def test_resources_are_told_of_when_they_change_once_for_what_waits(
    in_process: Start, recorded: Any, schemas: Any
) -> None:
    catalog = Catalog(weather)
    async with in_process(catalog=catalog) as client:
        run = await client.engine.accept(CALLER, request_of("refund", order_id="o", amount=500))
        await client.engine.wait(CALLER, run.id)
        uris = [f"dragoman://runs/{run.id}", f"dragoman://threads/{run.thread_id}", "dragoman://store/a/b"]
        wanted = {"resourceSubscriptions": [*uris, "weather://today"]}
        async with listening(client, recorded, wanted) as stream:
            for _ in range(10):
                catalog.changed("weather://today")
                catalog.changed("weather://tomorrow")
            await client.engine.put_item(CALLER, ("a",), "b", {"n": 1})
            await client.engine.put_item(CALLER, ("a",), "c", {"n": 1})
            await client.engine.put_item(STRANGER, ("a",), "b", {"n": 1})
            told = await stream.told(3)
            await client.engine.answer(CALLER, run.id, {"input": "approve"})
            async with asyncio.timeout(10):
                while not {f"dragoman://runs/{run.id}", f"dragoman://threads/{run.thread_id}"} <= {
                    message["params"].get("uri") for message in (await stream.told(len(stream.channel.sent)))
                }:
                    stream.channel.news.clear()
                    await stream.channel.news.wait()
        assert [message["params"]["uri"] for message in told[1:]] == ["weather://today", "dragoman://store/a/b"]
        schemas.modern("ResourceUpdatedNotification", told[1])
        later = {message["params"]["uri"] for message in stream.channel.sent[3:]}
        assert later == {f"dragoman://runs/{run.id}", f"dragoman://threads/{run.thread_id}"}


async def test_an_agents_own_writes_and_files_are_told_of(in_process: Start, recorded: Any) -> None:
    async with in_process(keep) as client:
        run = await client.engine.accept(CALLER, request_of("keep", key="k"))
        await client.engine.wait(CALLER, run.id)
        (artifact,) = (await client.engine.view(CALLER, run.id)).artifacts
        uris = ["dragoman://store/kept/here/k", f"dragoman://runs/{run.id}/artifacts/{artifact.id}"]
        async with listening(client, recorded, {"resourceSubscriptions": uris}) as stream:
            await client.engine.answer(CALLER, run.id, {"input": "go on"})
            told = await stream.told(3)
        assert [message["params"]["uri"] for message in told[1:]] == uris


@pytest.mark.requirement("subscriptions.id")
async def test_a_task_is_told_in_full_whenever_it_stands_otherwise(
    in_process: Start, recorded: Any, schemas: Any
) -> None:
    async with in_process() as client:
        run = await client.engine.accept(CALLER, request_of("refund", order_id="o", amount=500))
        await client.engine.wait(CALLER, run.id)
        how = {"tasks": True, "elicits": True}
        async with listening(client, recorded, {"taskIds": [run.id]}, **how) as stream:
            told = await stream.told(2)
            asked = await client.modern("tasks/get", {"taskId": run.id}, **how)
            await client.engine.answer(CALLER, run.id, {"input": "approve"})
            async with asyncio.timeout(10):
                while stream.channel.sent[-1]["params"].get("status") != "completed":
                    await stream.told(len(stream.channel.sent) + 1)
        shown = {key: value for key, value in told[1]["params"].items() if key != "_meta"}
        full = {key: value for key, value in asked["result"].items() if key not in ("_meta", "resultType")}
        assert shown == full
        assert shown["status"] == "input_required"
        last = stream.channel.sent[-1]["params"]
        assert last["result"]["structuredContent"] == {"result": "refunded 500"}
        statuses = [message["params"]["status"] for message in stream.channel.sent[1:]]
        assert statuses in (["input_required", "completed"], ["input_required", "working", "completed"])
        for message in stream.channel.sent[1:]:
            assert message["method"] == "notifications/tasks"
            assert message["params"]["_meta"] == {META + "subscriptionId": 7}
            schemas.tasks("TaskStatusNotification", message)


@pytest.mark.requirement("tasks.no-progress")
async def test_a_task_tells_neither_progress_nor_logs_on_the_stream(in_process: Start, recorded: Any) -> None:
    @agent
    async def chatty(ctx: Context) -> str:
        """Tell much, once it is answered."""
        await ctx.ask("Go?")
        for n in range(5):
            await ctx.progress(n, 5)
            await ctx.log(f"at {n}", level="error")
        return "told"

    async with in_process(chatty) as client:
        run = await client.engine.accept(CALLER, request_of("chatty"))
        await client.engine.wait(CALLER, run.id)
        meta = {META + "logLevel": "debug", "progressToken": 1}
        async with listening(client, recorded, {"taskIds": [run.id]}, tasks=True, meta=meta) as stream:
            await client.engine.answer(CALLER, run.id, {"input": "yes"})
            async with asyncio.timeout(10):
                while stream.channel.sent[-1]["params"].get("status") != "completed":
                    await stream.told(len(stream.channel.sent) + 1)
        assert set(stream.methods) == {"subscriptions/acknowledged", "tasks"}


async def test_a_slow_reader_is_told_each_change_once_and_holds_up_nobody(in_process: Start, recorded: Any) -> None:
    catalog = Catalog(weather)
    async with in_process(catalog=catalog) as client:
        channel, gate = type(recorded)(), asyncio.Event()
        send = channel.send

        async def slowly(message: Mapping[str, Any]) -> None:
            await send(message)
            await gate.wait()

        channel.send = slowly
        wanted = {**EVERYTHING, "resourceSubscriptions": ["weather://today", "dragoman://store/a/b"]}
        params = {"notifications": wanted}
        stream = Listening(
            channel, asyncio.create_task(client.modern("subscriptions/listen", params, channel=channel)), 1
        )
        await stream.told(1)
        for _ in range(500):
            catalog.add(extra)
            catalog.changed("weather://today")
            await client.engine.put_item(CALLER, ("a",), "b", {})
        gate.set()
        told = await stream.told(4)
        assert {message["params"].get("uri", message["method"]) for message in told[1:]} == {
            "notifications/tools/list_changed",
            "weather://today",
            "dragoman://store/a/b",
        }
        client.kernel.hang_up()
        assert "result" in await stream.task
        assert len(channel.sent) == 4
