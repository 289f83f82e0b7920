"""A call of a peer as a step: its journal and failures, lines that break, and what a run does while the peer works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from dragoman.a2a.client import A2aPeers
from dragoman.agents import (
    Context,
    Rejected,
    RemoteFailed,
    RemoteRejected,
    RemoteResult,
    RemoteUnreachable,
    StepTimeout,
    agent,
)
from dragoman.agents.remote import RemoteMessage, Told
from dragoman.engine import RunRequest
from dragoman.memory.model import RunStatus

from .calling import HERE, WHO, asked, caller, ended
from .conftest import Open
from .served import counts, works

pytestmark = pytest.mark.anyio


@agent
async def refuses(ctx: Context) -> str:
    raise Rejected("not my desk")


@agent
async def breaks(ctx: Context) -> str:
    raise ValueError("broken")


async def test_a_result_is_journaled_and_its_failures_are_of_their_class(open_house: Open, tmp_path: Path) -> None:
    async with open_house(counts, refuses, breaks, real=True) as house:
        at = f"{house.url}/a2a"

        @agent
        async def asks(ctx: Context) -> dict[str, Any]:
            got: RemoteResult = await ctx.remote(f"{at}/counts", {"upto": 2})
            caught: list[str] = []
            for name in ("refuses", "breaks"):
                try:
                    await ctx.remote(f"{at}/{name}")
                except RemoteRejected as error:
                    caught.append(f"rejected {error.message}")
                except RemoteFailed as error:
                    caught.append(f"failed {error.message}")
            first = await ctx.ask("Go on?") if ctx.attempt == 1 else "replayed"
            return {"text": got.text, "data": got.data, "caught": caught, "first": first}

        async with caller(tmp_path / "caller.db", asks) as engine:
            run = await engine.run(WHO, RunRequest("asks"))
            assert run.status is RunStatus.WAITING, run.failure
            await engine.answer(WHO, run.id, {"input": "yes"})
            run = await ended(engine, WHO, run)
        assert await house.runs() == 3
    assert run.output["data"] == {"upto": 2, "share": 0.5, "exact": 2**40}
    assert run.output["caught"] == [
        f"rejected {at}/refuses refused: not my desk",
        f"failed The task at {at}/breaks failed: broken",
    ]


class Breaking(A2aPeers):
    """Loses the line when the peer has taken a message and nothing was heard of it: the ``nth`` time."""

    def __init__(self, nth: int) -> None:
        super().__init__([], HERE)
        self.sent: list[str] = []
        self._nth = nth

    async def send(self, peer: str, message: RemoteMessage) -> AsyncGenerator[Told, None]:
        self.sent.append(message.id)
        async with aclosing(super().send(peer, message)) as told_by:
            async for told in told_by:
                if len(self.sent) == self._nth:
                    raise RemoteUnreachable("The line broke.")
                yield told


@agent
async def talks(ctx: Context) -> str:
    await ctx.stream_text("one ")
    answer = await ctx.ask("Go on?", key="on")
    await ctx.stream_text("two ")
    return f"one two {answer}"


@pytest.mark.parametrize("nth", [1, 2], ids=["the message", "the answer"])
async def test_what_was_sent_and_not_heard_of_is_sent_again_and_counts_once(
    open_house: Open, tmp_path: Path, nth: int
) -> None:
    async with open_house(talks, real=True) as house:

        @agent
        async def passes(ctx: Context) -> str:
            return (await ctx.remote(f"{house.url}/a2a/talks", key="far")).text

        breaking = Breaking(nth)
        async with caller(tmp_path / "caller.db", passes, peers=breaking) as engine:
            run = await engine.run(WHO, RunRequest("passes"), 10)
            assert await asked(engine, run) == ["far/on"]
            await engine.answer(WHO, run.id, {"far/on": "yes"})
            run = await ended(engine, WHO, run)
            told = [e.data["text"] for e in await engine.events(WHO, run.thread_id) if e.type == "text"]
        assert run.output == "one two yes"
        assert "".join(told) == "one two yes"
        assert await house.runs() == 1
    first, answer = f"{run.id}:far", f"{run.id}:far:1"
    assert breaking.sent == ([first, first, answer] if nth == 1 else [first, answer, answer])


async def test_a_call_that_takes_too_long_fails_and_its_task_is_cancelled(open_house: Open, tmp_path: Path) -> None:
    async with open_house(works, real=True) as house:

        @agent
        async def hurries(ctx: Context) -> str:
            try:
                await ctx.remote(f"{house.url}/a2a/works", "x", timeout=0.5)
            except StepTimeout:
                return "too long"
            return "?"

        async with caller(tmp_path / "caller.db", hurries) as engine:
            run = await ended(engine, WHO, await engine.run(WHO, RunRequest("hurries")))
            assert run.output == "too long"
            (view,) = (await house.engine.list_runs(house.caller)).items
            assert (await house.engine.wait(house.caller, view.run.id, 5)).status is RunStatus.CANCELLED


async def test_a_peer_that_stays_out_of_reach_fails_the_step_after_a_while(tmp_path: Path) -> None:
    @agent
    async def calls(ctx: Context) -> str:
        try:
            await ctx.remote("http://127.0.0.1:9/a2a/none", "x", patience=0.6)
        except RemoteUnreachable as error:
            return error.message
        return "?"

    async with caller(tmp_path / "caller.db", calls) as engine:
        run = await ended(engine, WHO, await engine.run(WHO, RunRequest("calls")))
    assert "It was tried for 0.6 s." in run.output


async def test_a_run_sleeps_while_its_peer_works_in_silence(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.engine.remote._SILENCE", 0.2)
    opened = asyncio.Event()

    @agent
    async def thinks(ctx: Context) -> str:
        await opened.wait()
        return "thought"

    async with open_house(thinks, real=True) as house:

        @agent
        async def waits(ctx: Context) -> str:
            return (await ctx.remote(f"{house.url}/a2a/thinks")).text

        async with caller(tmp_path / "caller.db", waits, short_sleep=0.01) as engine:
            run = await engine.accept(WHO, RunRequest("waits"))
            async with asyncio.timeout(20):
                async for event in engine.subscribe(WHO, run.thread_id, 0, run.id):
                    if event.type == "run.asleep":
                        break
            opened.set()
            run = await ended(engine, WHO, run)
            assert run.output == "thought"
            assert run.attempt > 1
        assert await house.runs() == 1
