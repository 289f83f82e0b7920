"""Streams over a real server: complete, resumable across a restart, and no part of the run's life."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from dragoman.a2a import A2aSettings
from dragoman.agents import Context, InterruptKind, agent
from dragoman.engine import EngineSettings
from dragoman.memory.model import RunStatus

from .conftest import House, Open, a_message

pytestmark = pytest.mark.anyio


@agent
async def writes(ctx: Context, text: str) -> str:
    for word in ("one ", "two ", "three"):
        await ctx.stream_text(word)
    await ctx.progress(3, 3, "written")
    await ctx.artifact("draft.txt", "one two three")
    return "one two three!"


@agent
async def refunds(ctx: Context, text: str) -> str:
    await ctx.stream_text("checking ")
    answer = await ctx.ask("Refund?", choices=["yes", "no"], key="ask")
    await ctx.stream_text("paying ")
    return f"checking paying {answer}"


def kinds(updates: list[dict[str, Any]]) -> list[str]:
    """What each update is, with the state where it tells one."""
    told: list[str] = []
    for update in updates:
        ((name, value),) = update.items()
        told.append(f"{name} {value['status']['state'][11:]}" if "status" in value else name)
    return told


async def read(house: House, agent: str, method: str, params: Any) -> list[dict[str, Any]]:
    return [update async for _, update in house.stream(agent, method, params)]


async def subscribed(house: House, task_id: str, until: int | None = None) -> list[dict[str, Any]]:
    """What a subscriber is told: everything, or the first updates."""
    told: list[dict[str, Any]] = []
    async with aclosing(house.stream("refunds", "SubscribeToTask", {"id": task_id})) as updates:
        async for _, update in updates:
            told.append(update)
            if len(told) == until:
                break
    return told


@pytest.mark.requirement("a2a.stream.task-first")
async def test_a_stream_is_the_task_and_all_that_becomes_of_it(open_house: Open) -> None:
    async with open_house(writes, real=True) as house:
        updates = await read(house, "writes", "SendStreamingMessage", {"message": a_message("go")})
        assert kinds(updates) == [
            "task WORKING",
            *["artifactUpdate"] * 3,
            "statusUpdate WORKING",
            *["artifactUpdate"] * 2,
            "statusUpdate COMPLETED",
        ]
        task = await house.result("writes", "GetTask", {"id": updates[0]["task"]["id"]})
        assert updates[-1]["statusUpdate"]["status"] == task["status"]
        chunks = [u["artifactUpdate"]["artifact"] for u in updates if "artifactUpdate" in u]
        text = "".join(c["parts"][0]["text"] for c in chunks if c["artifactId"] == "result")
        assert text == task["artifacts"][1]["parts"][0]["text"] == "one two three!"


@pytest.mark.requirement("a2a.events.order")
async def test_the_ids_of_a_stream_are_the_numbers_of_its_events(open_house: Open) -> None:
    async with open_house(writes, real=True) as house:
        stream = house.stream("writes", "SendStreamingMessage", {"message": a_message("go")})
        updates = [update async for update in stream]
        ids = [int(id) for id, _ in updates if id is not None and "." not in id]
        assert ids == sorted(set(ids))
        run = updates[0][1]["task"]
        events = await house.engine.events(house.caller, run["contextId"])
        assert ids[-1] == events[-1].seq
        parts = [id for id, _ in updates if id is not None and "." in id]
        assert parts == [f"{ids[-1] - 1}.1"], "the output comes with the end of the run"


async def test_a_message_sent_again_streams_its_task_from_the_beginning(open_house: Open) -> None:
    async with open_house(writes, real=True) as house:
        params = {"message": a_message("go")}
        assert await read(house, "writes", "SendStreamingMessage", params) == await read(
            house, "writes", "SendStreamingMessage", params
        )
        assert await house.runs() == 1


async def test_the_stream_of_a_message_ends_with_a_question_and_that_of_the_answer_goes_on(open_house: Open) -> None:
    async with open_house(refunds, real=True) as house:
        first = await read(house, "refunds", "SendStreamingMessage", {"message": a_message("go")})
        assert kinds(first) == ["task WORKING", "artifactUpdate", "statusUpdate INPUT_REQUIRED"]
        task_id = first[0]["task"]["id"]
        answer = {"message": a_message("yes", taskId=task_id)}
        second = await read(house, "refunds", "SendStreamingMessage", answer)
        assert kinds(second)[0] == "task WORKING"
        assert second[0]["task"]["artifacts"][0]["parts"] == [{"text": "checking "}]
        assert [m["parts"][0]["text"] for m in second[0]["task"]["history"]] == ["go", "Refund?", "yes"]
        assert kinds(second)[-1] == "statusUpdate COMPLETED"


@pytest.mark.requirement("a2a.subscribe.task-first", "a2a.events.broadcast", "a2a.events.same")
async def test_every_subscriber_is_told_the_same(open_house: Open) -> None:
    async with open_house(refunds, real=True) as house:
        task = await house.send("refunds", "go")
        heads = [asyncio.Event() for _ in range(3)]

        async def listen(joined: asyncio.Event) -> list[tuple[str | None, dict[str, Any]]]:
            told: list[tuple[str | None, dict[str, Any]]] = []
            async for update in house.stream("refunds", "SubscribeToTask", {"id": task["id"]}):
                told.append(update)
                joined.set()
            return told

        listening = [asyncio.ensure_future(listen(head)) for head in heads]
        for head in heads:
            await head.wait()
        await house.send("refunds", "yes", taskId=task["id"])
        one, two, three = await asyncio.gather(*listening)
        assert one == two == three
        assert kinds([update for _, update in one]) == [
            "task INPUT_REQUIRED",
            "statusUpdate WORKING",
            "artifactUpdate",
            "artifactUpdate",
            "statusUpdate COMPLETED",
        ]


async def test_a_subscriber_after_a_restart_is_told_what_another_protocol_approves(open_house: Open) -> None:
    async with open_house(refunds, real=True) as house:
        task = await house.send("refunds", "go")
    async with open_house(refunds, real=True) as house:
        async with aclosing(house.stream("refunds", "SubscribeToTask", {"id": task["id"]})) as updates:
            _, first = await anext(updates)
            assert kinds([first]) == ["task INPUT_REQUIRED"]
            assert first["task"]["status"] == task["status"]
            assert first["task"]["artifacts"][0]["parts"] == [{"text": "checking "}]
            run = await house.engine.answer(house.caller, task["id"], {"ask": "yes"})
            rest = [update async for _, update in updates]
        assert kinds(rest)[-1] == "statusUpdate COMPLETED"
        assert (await house.engine.get(house.caller, run.id)).status is RunStatus.SUCCEEDED


@pytest.mark.requirement("a2a.in-task-auth.out-of-band")
async def test_authorization_keeps_the_stream_of_a_message_open(open_house: Open) -> None:
    @agent
    async def reads_mail(ctx: Context, text: str) -> str:
        return str(await ctx.interrupt("Sign in.", kind=InterruptKind.AUTH, key="google"))

    async with open_house(reads_mail, real=True) as house:
        params = {"message": a_message("go")}
        async with aclosing(house.stream("reads_mail", "SendStreamingMessage", params)) as updates:
            told = [(await anext(updates))[1], (await anext(updates))[1]]
            assert kinds(told) == ["task WORKING", "statusUpdate AUTH_REQUIRED"]
            await house.engine.answer(house.caller, told[0]["task"]["id"], {"google": "signed in"})
            assert kinds([u async for _, u in updates])[-1] == "statusUpdate COMPLETED"


@pytest.mark.requirement("a2a.events.independent")
async def test_a_client_that_leaves_does_not_cancel_the_run(open_house: Open) -> None:
    async with open_house(refunds, real=True) as house:
        async with aclosing(house.stream("refunds", "SendStreamingMessage", {"message": a_message("go")})) as updates:
            _, first = await anext(updates)
        run_id = first["task"]["id"]
        run = await house.engine.wait(house.caller, run_id, timeout=10)
        assert run.status is RunStatus.WAITING
        await subscribed(house, run_id, until=1)
        async with asyncio.timeout(10):
            while len(house.engine.hub):  # the server has noticed that they are gone
                await house.http.get("/.well-known/agent-card.json")
        assert (await house.engine.get(house.caller, run_id)).status is RunStatus.WAITING


@pytest.mark.requirement("a2a.subscribe.ends")
async def test_a_cancelled_task_ends_its_streams(open_house: Open) -> None:
    async with open_house(refunds, real=True) as house:
        task = await house.send("refunds", "go")
        async with aclosing(house.stream("refunds", "SubscribeToTask", {"id": task["id"]})) as updates:
            await anext(updates)
            await house.result("refunds", "CancelTask", {"id": task["id"]})
            assert kinds([u async for _, u in updates]) == ["statusUpdate CANCELED"]


async def test_a_silent_stream_is_kept_alive(open_house: Open) -> None:
    async with open_house(refunds, real=True, settings=A2aSettings(keepalive=0.02)) as house:
        task = await house.send("refunds", "go")
        body = {"jsonrpc": "2.0", "id": 1, "method": "SubscribeToTask", "params": {"id": task["id"]}}
        async with house.http.stream("POST", "/a2a/refunds", json=body, headers={"A2A-Version": "1.0"}) as answer:
            comments = 0
            async for line in answer.aiter_lines():
                comments += line.startswith(":")
                if comments == 2:
                    break


@pytest.mark.requirement("a2a.events.independent")
async def test_a_subscriber_that_does_not_keep_up_is_told_where_to_go_on(open_house: Open) -> None:
    go = asyncio.Event()

    @agent
    async def chatters(ctx: Context, text: str) -> str:
        await go.wait()
        for n in range(40):
            await ctx.progress(n)
        return "done"

    settings = EngineSettings(subscriber_buffer=8)
    async with open_house(chatters, real=True, engine_settings=settings) as house:
        task_id = (
            await house.result(
                "chatters", "SendMessage", {"message": a_message("go"), "configuration": {"returnImmediately": True}}
            )
        )["task"]["id"]
        updates = house.stream("chatters", "SubscribeToTask", {"id": task_id})
        async with aclosing(updates):
            await anext(updates)
            go.set()
            *_, (_, last) = [update async for update in updates]
        assert last["error"]["data"][0]["reason"] == "SLOW_SUBSCRIBER"
        assert int(last["error"]["data"][0]["metadata"]["lastEventId"]) >= 2
        run = await house.engine.wait(house.caller, task_id)
        assert run.status is RunStatus.SUCCEEDED
