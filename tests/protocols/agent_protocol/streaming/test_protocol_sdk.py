"""The thread streaming protocol as the Python SDK's thread streams speak it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_the_sdk_streams_a_thread(sdk: Any, transport: str) -> None:
    async with sdk.threads.stream(assistant_id="caller", transport=transport) as thread:
        await thread.run.start(input={"text": "hi you"})
        said = [await message.text for message in [message async for message in thread.messages]]
        assert said == ["hi you so A b c"]
        assert (await thread.output)["messages"][-1]["content"] == "hi you so A b c"


async def test_the_sdk_is_asked_and_answers(sdk: Any) -> None:
    async with sdk.threads.stream(assistant_id="delegate") as thread:
        await thread.run.start(input={"text": "x"})
        async for _ in thread.values:
            pass
        assert thread.interrupted
        assert thread.interrupts[0]["value"]["message"] == "Sure about x?"
        await thread.run.respond("yes")
        assert (await thread.output)["messages"][-1]["content"] == "<x: yes>"


async def test_the_sdk_hears_of_tools_of_called_agents_and_of_custom_events(sdk: Any) -> None:
    async with sdk.threads.stream(assistant_id="caller") as thread:
        await thread.run.start(input={"text": "hi"})
        called = [(handle.graph_name, handle.status) async for handle in thread.subgraphs]
        assert sorted(name for name, _ in called) == ["everything", "talker", "talker"]
    async with sdk.threads.stream(assistant_id="everything") as thread:
        await thread.run.start(input={"text": "x"})
        assert [call.name async for call in thread.tool_calls] == ["look_up"]


async def test_a_second_turn_on_a_thread_does_not_take_the_end_of_the_first_for_its_own(sdk: Any) -> None:
    async with sdk.threads.stream(assistant_id="talker") as thread:
        await thread.run.start(input={"text": "one"})
        await thread.output
        thread_id = thread.thread_id
    async with sdk.threads.stream(thread_id, assistant_id="talker") as thread:
        await thread.run.start(input={"text": "two"})
        assert (await thread.output)["messages"][-1]["content"] == "two"
