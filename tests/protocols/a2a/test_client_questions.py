"""Questions of a peer: asked here, answered one by one or together, through restarts, or by others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dragoman.agents import Context, agent
from dragoman.engine import RunRequest
from dragoman.memory.model import InterruptKind, InterruptStatus, RunStatus

from .calling import WHO, asked, caller, ended
from .conftest import Open
from .served import asks_twice, refunds

pytestmark = pytest.mark.anyio


async def test_several_questions_of_a_peer_are_answered_one_by_one_and_handed_down_together(
    open_house: Open, tmp_path: Path
) -> None:
    async with open_house(asks_twice, real=True) as house:

        @agent
        async def passes(ctx: Context) -> str:
            return (await ctx.remote(f"{house.url}/a2a/asks_twice", key="far")).text

        async with caller(tmp_path / "caller.db", passes) as engine:
            run = await engine.run(WHO, RunRequest("passes"))
            assert await asked(engine, run) == ["far/first", "far/second"]
            await engine.answer(WHO, run.id, {"far/second": "two"})
            run = await engine.wait(WHO, run.id, 10)
            assert await asked(engine, run) == ["far/first"]
            await engine.answer(WHO, run.id, {"far/first": "one"})
            run = await ended(engine, WHO, run)
        assert run.output == "one two"


@agent
async def asks_again(ctx: Context) -> str:
    first = await ctx.interrupt("Token?", kind=InterruptKind.AUTH, key="auth")
    second = await ctx.ask(f"And after {first}?", key="more")
    return f"{first} {second}"


async def test_one_question_of_a_peer_after_another_through_restarts_of_ours(open_house: Open, tmp_path: Path) -> None:
    async with open_house(asks_again, real=True) as house:

        @agent
        async def passes(ctx: Context) -> str:
            return (await ctx.remote(f"{house.url}/a2a/asks_again", key="far")).text

        async with caller(tmp_path / "caller.db", passes) as engine:
            run = await engine.run(WHO, RunRequest("passes"))
            (question,) = (await engine.view(WHO, run.id)).open_interrupts
            assert (question.key, question.kind) == ("far/auth", InterruptKind.AUTH)
        async with caller(tmp_path / "caller.db", passes) as engine:
            await engine.answer(WHO, run.id, {"far/auth": "t0ken"})
            run = await engine.wait(WHO, run.id, 10)
            (question,) = (await engine.view(WHO, run.id)).open_interrupts
            assert (question.key, question.message) == ("far/more", "And after t0ken?")
        async with caller(tmp_path / "caller.db", passes) as engine:
            await engine.answer(WHO, run.id, {"far/more": "more"})
            run = await ended(engine, WHO, run)
        assert run.output == "t0ken more"


async def test_who_answers_the_peer_itself_answers_for_us_too(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.engine.remote_questions._ASKING_WAIT", (0.2, 0.2))
    async with open_house(refunds, real=True) as house:

        @agent
        async def passes(ctx: Context) -> Any:
            return (await ctx.remote(f"{house.url}/a2a/refunds", {"order": "o", "amount": 5}, key="far")).data

        async with caller(tmp_path / "caller.db", passes) as engine:
            run = await engine.run(WHO, RunRequest("passes"))
            assert run.status is RunStatus.WAITING
            (there,) = (await house.engine.list_runs(house.caller)).items
            await house.engine.answer(house.caller, there.run.id, {"approval": {"approved": True}})
            run = await ended(engine, WHO, run)
            (question,) = (await engine.view(WHO, run.id)).interrupts
        assert run.output == {"order": "o", "paid": 5}
        assert question.status is InterruptStatus.WITHDRAWN


async def test_a_question_of_another_branch_is_put_while_a_peer_works(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.engine.remote._BESIDE_SILENCE", 0.2)
    monkeypatch.setattr("dragoman.engine.remote._BESIDE_WAIT", (0.3, 0.3))
    opened = asyncio.Event()

    @agent
    async def thinks(ctx: Context) -> str:
        await opened.wait()
        return "thought"

    async with open_house(thinks, real=True) as house:

        @agent
        async def both(ctx: Context) -> list[str]:
            async def far() -> str:
                return (await ctx.remote(f"{house.url}/a2a/thinks")).text

            return await ctx.gather(far(), ctx.ask("A?", key="a"))

        async with caller(tmp_path / "caller.db", both, short_sleep=0.01) as engine:
            run = await engine.run(WHO, RunRequest("both"), 10)
            assert run.status is RunStatus.WAITING
            assert engine.active == 0
            opened.set()
            async with asyncio.timeout(10):  # the peer's end is seen while the question is open
                async for event in engine.subscribe(WHO, run.thread_id, 0, run.id, until_ended=True):
                    if event.type == "step.finished":
                        break
            await engine.answer(WHO, run.id, {"a": "yes"})
            run = await ended(engine, WHO, run)
        assert run.output == ["thought", "yes"]
        assert await house.runs() == 1
