"""A peer on the SDK's own server: streams and polls, 1.0 and 0.3, JSON-RPC and HTTP+JSON, questions, refusals, messages
without a task, cancellation, and our own restart in the middle of its work."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from .conftest import SdkPeer, Server, until

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(110)]


class Sdk:
    """Our server, and a peer on the SDK's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.peer = SdkPeer(folder, "sdk_peer")
        self.desk = Server(folder, "desk_agents", PEER_URL=self.peer.url)

    async def chat(self, agent: str, text: str = "hi") -> str:
        """Begin to talk to one of its agents: our run."""
        return await self.desk.begin("chats", {"peer": f"{self.peer.url}/{agent}", "text": text})

    @property
    def effects(self) -> Counter[str]:
        """How often each side effect happened."""
        file = self.folder / "effects.txt"
        return Counter(file.read_text().splitlines()) if file.exists() else Counter()

    @property
    def prose(self) -> str:
        """What the peer said, as our log has it."""
        return "".join(e["text"] for e in self.desk.events("text"))


@pytest.fixture
async def sdk(tmp_path: Path) -> AsyncGenerator[Sdk]:
    """Both, up."""
    both = Sdk(tmp_path)
    try:
        await asyncio.gather(both.peer.start(), both.desk.start())
        yield both
    finally:
        print(both.desk.log, both.peer.log, sep="\n----\n")
        both.desk.kill()
        both.peer.kill()


async def test_what_it_tells_becomes_ours_in_every_binding_and_version(sdk: Sdk) -> None:
    agents = ("echo", "old", "rest")
    for agent in agents:
        run = await sdk.chat(agent, f"to {agent}")
        assert await sdk.desk.ended(run) == {"text": f"you said to {agent}", "data": None, "task": True}
    assert sdk.effects == {f"echo to {agent}": 1 for agent in agents}
    assert sorted(sdk.prose.split("you said ")) == ["", "to echo", "to old", "to rest"]
    assert [(e["progress"], e["message"]) for e in sdk.desk.events("progress")] == [(1, "thinking")] * 3
    files = [(file["name"], file["mime_type"], file["size"]) for file in sdk.desk.events("artifact")]
    assert files == [("bytes.bin", "image/png", 2)] * 3


async def test_a_message_without_a_task_is_a_result(sdk: Sdk) -> None:
    run = await sdk.chat("says")
    assert await sdk.desk.ended(run) == {"text": "hello hi", "data": None, "task": False}


async def test_its_question_in_prose_is_asked_and_answered(sdk: Sdk) -> None:
    run = await sdk.chat("asks")
    question = await sdk.desk.asked(run)
    assert (question["key"], question["message"]) == ("remote:asks/input", "Which colour?")
    sdk.desk.kill()
    await sdk.desk.start()
    await sdk.desk.answer("Agent Protocol", "chats", run, question["key"], "blue")
    assert await sdk.desk.ended(run) == {"text": "painted blue", "data": None, "task": True}
    assert sdk.effects == {"asked blue": 1}


async def test_its_refusal_fails_the_step(sdk: Sdk) -> None:
    run = await sdk.chat("refuses")
    assert await sdk.desk.ended(run) == "error"
    (failure,) = sdk.desk.rows("SELECT failure FROM runs")
    assert "not my desk" in str(failure)


@pytest.mark.parametrize("agent", ["slow", "polled"])
async def test_we_are_killed_while_it_works_and_follow_its_task_instead_of_sending_again(sdk: Sdk, agent: str) -> None:
    run = await sdk.chat(agent)
    await until(lambda: sdk.prose == "one " if agent == "slow" else any(m["task"] for m in sdk.desk.journal("started")))
    sdk.desk.kill()
    await sdk.desk.start()
    (sdk.folder / "gate").touch()
    assert await sdk.desk.ended(run) == {"text": "one two", "data": None, "task": True}
    assert sdk.effects == {"slow hi": 1}
    assert sdk.prose == "one two"


async def test_our_cancellation_cancels_its_task(sdk: Sdk) -> None:
    run = await sdk.chat("slow")
    await until(lambda: sdk.prose == "one ")
    await sdk.desk.cancel(run)
    await until(lambda: sdk.effects["cancelled"] == 1)


async def test_our_cancellation_reaches_a_task_that_had_no_id_yet(sdk: Sdk) -> None:
    run = await sdk.chat("late")
    await until(lambda: sdk.effects["late"] == 1)
    await sdk.desk.cancel(run)
    assert await sdk.desk.ended(run) == "interrupted"
    (sdk.folder / "gate").touch()
    await until(lambda: sdk.effects["cancelled"] == 1)


async def test_a_task_that_it_forgot_fails_the_step_and_is_not_begun_again(sdk: Sdk) -> None:
    run = await sdk.chat("slow")
    await until(lambda: sdk.prose == "one ")
    sdk.peer.kill()
    await sdk.peer.start()
    assert await sdk.desk.ended(run) == "error"
    assert sdk.effects == {"slow hi": 1}
