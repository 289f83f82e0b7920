"""Two engines on one Postgres: any of them serves what the other one drives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import psycopg
import pytest
from tests.memory.postgres_ledgers import url_of

from dragoman.agents import Agent, Context, agent
from dragoman.engine import Engine, EngineSettings, RunRequest
from dragoman.memory.errors import DragomanError
from dragoman.memory.model import Principal, RunStatus
from dragoman.memory.postgres.ledger import PostgresLedger

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]
ADA = Principal("acme", "ada")


@agent
async def asks(ctx: Context, name: str) -> str:
    answer = await ctx.ask(f"Shall {name} go on?", choices=["yes", "no"])
    return f"{name}: {answer}"


@agent
async def counts(ctx: Context, until: int) -> int:
    for number in range(until):
        await ctx.emit("count", {"number": number})
        await ctx.sleep(0)
    return until


@agent
async def hangs(ctx: Context) -> None:
    await ctx.emit("begun")
    await asyncio.Event().wait()


AGENTS: list[Agent] = [asks, counts, hangs]


class Replicas:
    """Engines on one database, each with a ledger of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._open = AsyncExitStack()

    async def another(self, concurrency: int = 8) -> Engine:
        ledger = PostgresLedger(self.url, connections=4)
        await ledger.open()
        self._open.push_async_callback(ledger.close)
        engine = Engine(ledger, AGENTS, EngineSettings(concurrency=concurrency))
        await engine.start()
        self._open.push_async_callback(engine.stop, 2.0)
        return engine

    async def close(self) -> None:
        await self._open.aclose()


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncGenerator[Replicas]:
    made = Replicas(url_of(tmp_path))
    yield made
    await made.close()


async def test_a_run_that_is_driven_here_is_streamed_there_to_its_end(replicas: Replicas) -> None:
    here, there = await replicas.another(), await replicas.another(concurrency=1)
    run = await here.accept(ADA, RunRequest("hangs", {}))
    seen: list[str] = []
    async with aclosing(there.subscribe(ADA, run.thread_id, 0, run.id)) as events:
        async for event in events:
            seen.append(event.type)
            if event.type == "custom":
                await there.cancel(ADA, run.id, "enough")
    assert seen == ["run.queued", "run.started", "custom", "run.cancelled"]


async def test_a_question_asked_here_is_answered_there_and_waited_for_here(replicas: Replicas) -> None:
    here, there = await replicas.another(), await replicas.another()
    run = await here.run(ADA, RunRequest("asks", {"name": "Ada"}))
    assert run.status is RunStatus.WAITING
    view = await there.view(ADA, run.id)
    [question] = view.interrupts
    answered = await there.answer(ADA, run.id, {question.key: "yes"})
    assert answered.id == run.id
    done, seen = await asyncio.gather(here.wait(ADA, run.id), there.wait(ADA, run.id))
    assert (done.status, done.output) == (seen.status, seen.output) == (RunStatus.SUCCEEDED, "Ada: yes")


async def test_a_run_that_nobody_has_room_for_here_is_driven_there(replicas: Replicas) -> None:
    here, there = await replicas.another(concurrency=1), await replicas.another(concurrency=4)
    first = await here.accept(ADA, RunRequest("hangs", {}))
    done = await here.run(ADA, RunRequest("counts", {"until": 3}), timeout=10)
    assert done.status is RunStatus.SUCCEEDED
    assert there.active == 0
    await here.cancel(ADA, first.id)


async def test_replicas_that_lose_the_database_hear_of_all_that_was_missed(replicas: Replicas) -> None:
    here, there = await replicas.another(), await replicas.another()
    run = await here.accept(ADA, RunRequest("hangs", {}))
    waiting = asyncio.create_task(there.wait(ADA, run.id))
    async with await psycopg.AsyncConnection.connect(replicas.url, autocommit=True) as db:
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    await here.cancel(ADA, run.id)
    assert (await waiting).status is RunStatus.CANCELLED


async def test_another_tenant_sees_nothing_of_it_on_any_replica(replicas: Replicas) -> None:
    here, there = await replicas.another(), await replicas.another()
    run = await here.accept(ADA, RunRequest("hangs", {}))
    for engine in (here, there):
        with pytest.raises(DragomanError):
            await engine.get(Principal("umbrella", "eve"), run.id)
    await here.cancel(ADA, run.id)
