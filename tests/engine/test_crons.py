"""Crons under a clock that the test moves: each due time has one run, through restarts and beside other engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dragoman.agents import Context, agent
from dragoman.engine import Engine, EngineSettings, RunRequest
from dragoman.engine.cron_settings import CronSettings
from dragoman.engine.crons import Crons, SystemClock
from dragoman.memory.crons import Cron, CronFilter, CronNotFound
from dragoman.memory.errors import AgentNotFound, Conflict, InputInvalid, ThreadNotFound
from dragoman.memory.ids import uuid7
from dragoman.memory.ledger import Ledger, RunFilter
from dragoman.memory.model import Principal, Run, ThreadPolicy
from dragoman.memory.sqlite import SqliteLedger

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("deadline")]

ADA = Principal("acme", "ada")
BEGIN = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = 60_000_000


def micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


class FakeClock:
    """A clock for several schedulers, which stands still until it is moved."""

    def __init__(self, at: datetime = BEGIN) -> None:
        self._now = micros(at)
        self._moved = asyncio.Condition()
        self.asleep: set[asyncio.Task[Any]] = set()

    def now(self) -> int:
        return self._now

    async def wait(self, event: asyncio.Event, until: int) -> None:
        me = asyncio.current_task()
        assert me is not None
        until = max(until, self._now)
        woken = asyncio.ensure_future(event.wait())
        moved = asyncio.ensure_future(self._until(until))
        self.asleep.add(me)
        async with self._moved:
            self._moved.notify_all()
        try:
            await asyncio.wait((woken, moved), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.asleep.discard(me)
            for task in (woken, moved):
                task.cancel()
            await asyncio.gather(woken, moved, return_exceptions=True)

    async def _until(self, at: int) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self._now >= at)

    async def settled(self, sleepers: int = 1) -> None:
        """Until so many schedulers sleep: they have done all that is due."""
        async with self._moved:
            await self._moved.wait_for(lambda: len(self.asleep) >= sleepers)

    async def move(self, by: timedelta, sleepers: int = 1) -> None:
        await self.settled(sleepers)
        async with self._moved:
            self._now += by // timedelta(microseconds=1)
            self.asleep.clear()
            self._moved.notify_all()
        await self.settled(sleepers)


opened = asyncio.Event()


@agent(description="Waits for the test.")
async def hold(ctx: Context) -> None:
    await opened.wait()


@agent(description="Notes that it ran.")
async def tick(ctx: Context, n: int = 0) -> int:
    return n


async def read(cron: Cron) -> RunRequest:
    """What the crons of these tests run: the agent that the payload names, with its input."""
    return RunRequest(
        agent=cron.payload.get("agent", "tick"),
        input=cron.payload.get("input", {}),
        thread_id=cron.thread_id,
        create_thread=cron.thread_id is None,
        policy=ThreadPolicy(cron.payload.get("policy", "enqueue")),
        metadata={"cron_id": cron.id},
    )


@asynccontextmanager
async def engine_over(
    ledger: Ledger, clock: FakeClock, settings: CronSettings | None = None, **more: Any
) -> AsyncGenerator[Engine]:
    engine = Engine(ledger, [tick, hold], EngineSettings(**more))
    engine.crons = Crons(engine, settings, clock)
    engine.crons.register("test", read)
    async with engine:
        yield engine


@asynccontextmanager
async def ledger_at(folder: Path) -> AsyncGenerator[Ledger]:
    ledger = SqliteLedger(folder / "ledger.db")
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def served(
    folder: Path, clock: FakeClock, settings: CronSettings | None = None, **more: Any
) -> AsyncGenerator[Engine]:
    """A ledger file, opened as a process would, and an engine over it."""
    async with ledger_at(folder) as ledger, engine_over(ledger, clock, settings, **more) as engine:
        yield engine


def new(schedule: str = "* * * * *", **fields: Any) -> Cron:
    known: dict[str, Any] = {"tenant": "acme", "id": uuid7(), "kind": "test", "assistant_id": "a", "schedule": schedule}
    return Cron(**{**known, **fields})


async def runs(engine: Engine, cron: Cron) -> Sequence[Run]:
    """All runs of a cron, oldest first."""
    found: list[Run] = []
    cursor: str | None = None
    while True:
        page = await engine.list_runs(ADA, RunFilter(metadata={"cron_id": cron.id}), 200, cursor)
        found += [view.run for view in page.items]
        if (cursor := page.cursor) is None:
            return found[::-1]


async def fired(engine: Engine, cron: Cron, clock: FakeClock, minutes: int) -> list[int]:
    """The due times that had a run: in minutes since the beginning, told by the key that each run was opened with."""
    begin = micros(BEGIN.replace(second=0))
    keys = {f"cron:{cron.id}:{begin + n * MINUTE}": n for n in range(minutes)}
    opened = [(n, await engine.ledger.find_run("acme", key)) for key, n in keys.items()]
    there = [n for n, run in opened if run is not None]
    assert len({run.id for _, run in opened if run is not None}) == len(there) == len(await runs(engine, cron))
    return there


async def test_each_due_time_has_one_run_through_restarts(tmp_path: Path) -> None:
    clock = FakeClock()
    async with served(tmp_path, clock) as engine:
        cron = await engine.crons.add(ADA, new())
    for _ in range(5):
        async with served(tmp_path, clock) as engine:
            for _ in range(10):
                await clock.move(timedelta(minutes=1))
    async with served(tmp_path, clock) as engine:
        await clock.settled()
        assert await fired(engine, cron, clock, 60) == list(range(1, 51))
        assert [(await engine.wait(ADA, run.id)).output for run in await runs(engine, cron)] == [0] * 50


async def test_each_due_time_has_one_run_however_many_engines_look(tmp_path: Path) -> None:
    clock = FakeClock()
    async with ledger_at(tmp_path) as ledger, AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(engine_over(ledger, clock)) for _ in range(3)]
        crons = [await engines[n % 3].crons.add(ADA, new()) for n in range(4)]
        for _ in range(50):
            await clock.move(timedelta(minutes=1), 3)
        for cron in crons:
            assert await fired(engines[0], cron, clock, 60) == list(range(1, 51))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (CronSettings(misfire="once"), [1, 6]),
        (CronSettings(misfire="all"), [1, 2, 3, 4, 5, 6]),
        (CronSettings(misfire="all", catch_up=3), [1, 4, 5, 6]),
        (CronSettings(misfire="skip"), [1, 6]),
        (CronSettings(misfire="skip", grace=10), [1]),
    ],
)
async def test_what_was_missed_is_caught_up_as_configured(
    tmp_path: Path, settings: CronSettings, expected: list[int]
) -> None:
    clock = FakeClock()
    async with served(tmp_path, clock, settings) as engine:
        cron = await engine.crons.add(ADA, new())
        await clock.move(timedelta(seconds=30))
        assert await fired(engine, cron, clock, 20) == [1]
    clock.asleep.clear()
    clock._now += 5 * MINUTE + 30_000_000  # pyright: ignore[reportPrivateUsage] -- nobody looks meanwhile
    async with served(tmp_path, clock, settings) as engine:
        await clock.settled()
        assert await fired(engine, cron, clock, 20) == expected
        await clock.move(timedelta(seconds=30))
        assert await fired(engine, cron, clock, 20) == [*expected, 7]


async def test_a_year_that_was_missed_is_not_walked_through(tmp_path: Path) -> None:
    clock = FakeClock()
    async with served(tmp_path, clock) as engine:
        cron = await engine.crons.add(ADA, new())
        await clock.move(timedelta(days=365))
        assert len(await runs(engine, cron)) == 1
        assert (await engine.crons.get(ADA, cron.id)).next_at == cron.next_at + 365 * 1440 * MINUTE  # type: ignore[operator]


async def test_a_cron_waits_for_its_next_time_and_no_longer_than_its_end(tmp_path: Path) -> None:
    clock = FakeClock()
    async with served(tmp_path, clock) as engine:
        cron = await engine.crons.add(ADA, new("*/2 * * * *", end_at=clock.now() + 5 * MINUTE))
        for _ in range(12):
            await clock.move(timedelta(minutes=1))
        assert await fired(engine, cron, clock, 20) == [2, 4]
        over = await engine.crons.get(ADA, cron.id)
        assert (over.next_at, over.enabled) == (None, True)
        longer = await engine.crons.change(ADA, cron.id, lambda c: replace(c, end_at=None))
        assert longer.next_at == micros(BEGIN.replace(second=0)) + 14 * MINUTE


async def test_a_disabled_cron_rests_and_misses_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    async with served(tmp_path, clock, CronSettings(misfire="all")) as engine:
        cron = await engine.crons.add(ADA, new(enabled=False))
        assert cron.next_at is None
        await clock.move(timedelta(minutes=3))
        await engine.crons.change(ADA, cron.id, lambda c: replace(c, enabled=True))
        await clock.move(timedelta(minutes=1))
        await engine.crons.change(ADA, cron.id, lambda c: replace(c, enabled=False))
        await clock.move(timedelta(minutes=3))
        assert await fired(engine, cron, clock, 20) == [4]


async def test_a_change_takes_effect_at_once_and_does_not_fire_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with served(tmp_path, clock) as engine:
        cron = await engine.crons.add(ADA, new())
        await clock.move(timedelta(minutes=1))
        await engine.crons.change(ADA, cron.id, lambda c: replace(c, payload={"input": {"n": 7}}))
        await engine.crons.change(ADA, cron.id, lambda c: replace(c, schedule="*/5 * * * *"))
        for _ in range(5):
            await clock.move(timedelta(minutes=1))
        assert await fired(engine, cron, clock, 20) == [1, 5]
        assert [(await engine.wait(ADA, run.id)).output for run in await runs(engine, cron)] == [0, 7]
        await engine.crons.delete(ADA, cron.id)
        await clock.move(timedelta(minutes=5))
        assert len(await runs(engine, cron)) == 2
        with pytest.raises(CronNotFound):
            await engine.crons.get(ADA, cron.id)


async def test_what_could_never_run_is_not_kept(tmp_path: Path) -> None:
    async with served(tmp_path, FakeClock(), CronSettings(limit=1)) as engine:
        for cron, error in (
            (new("61 * * * *"), InputInvalid),
            (new(timezone="Nowhere"), InputInvalid),
            (new(payload={"agent": "nobody"}), AgentNotFound),
            (new(payload={"input": {"n": "many"}}), InputInvalid),
            (new(thread_id="nowhere"), ThreadNotFound),
        ):
            with pytest.raises(error):
                await engine.crons.add(ADA, cron)
        kept = await engine.crons.add(ADA, new())
        with pytest.raises(Conflict, match="most"):
            await engine.crons.add(ADA, new())
        with pytest.raises(InputInvalid):
            await engine.crons.change(ADA, kept.id, lambda c: replace(c, schedule="x"))
        assert await engine.crons.search(ADA, CronFilter()) == [kept]
        assert await engine.crons.count(Principal("umbrella", "eve"), CronFilter()) == 0


async def test_a_due_time_that_cannot_be_served_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    async with served(tmp_path, clock) as engine:
        thread = await engine.create_thread(ADA)
        asleep = RunRequest(agent="tick", input={}, thread_id=thread.id, delay=3600)
        await engine.accept(ADA, asleep)
        refused = await engine.crons.add(ADA, new(thread_id=thread.id, payload={"policy": "reject"}))
        fine = await engine.crons.add(ADA, new())
        await engine.ledger.add_cron(new(id="lost", payload={"agent": "nobody"}, next_at=clock.now()), 100)
        await clock.move(timedelta(minutes=2))
        assert (len(await runs(engine, refused)), len(await runs(engine, fine))) == (0, 1)
        assert (await engine.crons.get(ADA, refused.id)).next_at == clock.now() // MINUTE * MINUTE + MINUTE
        lost = await engine.crons.get(ADA, "lost")
        assert lost.next_at is not None
        assert lost.wake_at == clock.now() + MINUTE
    assert "nobody" in caplog.text


async def test_a_full_queue_puts_a_due_time_off_and_loses_it_not(tmp_path: Path) -> None:
    clock = FakeClock()
    opened.clear()
    async with served(tmp_path, clock, concurrency=1, queue_limit=1) as engine:
        cron = await engine.crons.add(ADA, new())
        before = [await engine.accept(ADA, RunRequest(agent="hold", input={})) for _ in range(2)]
        await clock.move(timedelta(seconds=30))
        late = await engine.crons.get(ADA, cron.id)
        assert late.next_at == cron.next_at == clock.now()
        assert late.wake_at is not None
        assert late.wake_at > clock.now()
        opened.set()
        for run in before:
            await engine.wait(ADA, run.id)
        await clock.move(timedelta(seconds=29))
        assert await fired(engine, cron, clock, 20) == [1]


async def test_a_cron_on_a_thread_that_is_gone_is_gone_too(tmp_path: Path) -> None:
    clock = FakeClock()
    async with served(tmp_path, clock) as engine:
        thread = await engine.create_thread(ADA)
        cron = await engine.crons.add(ADA, new(thread_id=thread.id))
        await engine.delete_thread(ADA, thread.id)
        with pytest.raises(CronNotFound):
            await engine.crons.get(ADA, cron.id)
        await clock.move(timedelta(minutes=2))
        assert await runs(engine, cron) == []


async def test_the_hosts_own_clock_wakes_when_it_is_time_or_when_it_is_told() -> None:
    clock, told = SystemClock(), asyncio.Event()
    until = clock.now() + 20_000
    await clock.wait(told, until)
    assert clock.now() >= until
    await clock.wait(told, until)
    told.set()
    await clock.wait(told, clock.now() + 3_600_000_000)


async def test_what_was_due_before_the_server_started_is_run_when_it_starts(tmp_path: Path) -> None:
    ran = asyncio.Event()

    @agent(description="Tells the test that it ran.")
    async def tell(ctx: Context) -> None:
        ran.set()

    async with ledger_at(tmp_path) as ledger:
        due = SystemClock().now() // MINUTE * MINUTE
        await ledger.add_cron(new(next_at=due, payload={"agent": "tell"}), 10)
        engine = Engine(ledger, [tell])
        engine.crons.register("test", read)
        async with engine:
            await ran.wait()
        assert (await ledger.crons("acme"))[0].next_at != due
