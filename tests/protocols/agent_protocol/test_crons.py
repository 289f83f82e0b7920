"""Crons by ``langgraph-sdk``, unmodified, async and sync, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError

from dragoman.engine import Engine
from dragoman.engine.assistants import own_assistant_id
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import Principal, Run

pytestmark = pytest.mark.anyio

Sdk = Any  # a LangGraphClient, whose types a strict checker cannot tell in full
ADA = Principal("acme", "ada")


@pytest.fixture
async def sdk(url: str) -> AsyncGenerator[Sdk]:
    client: Sdk = get_client(url=url, api_key=None)
    yield client
    await client.aclose()


class Clock:
    """A clock that stands still until it is put forward."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)
        self._put = asyncio.Event()
        self._asleep = asyncio.Event()

    def now(self) -> int:
        return int(self.at.timestamp() * 1e6)

    async def put(self, at: datetime) -> None:
        """Until all is done that is due by then."""
        self.at = at
        self._asleep.clear()
        self._put.set()
        await self._asleep.wait()

    async def wait(self, event: asyncio.Event, until: int) -> None:
        while self.now() < until and not event.is_set():
            self._put.clear()
            self._asleep.set()
            both = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._put.wait())]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
                await asyncio.gather(*both, return_exceptions=True)


@pytest.fixture
def clock(engine: Engine) -> Clock:
    """In place of the host's, before the face makes the scheduler start."""
    clock = Clock()
    engine.crons._clock = clock  # pyright: ignore[reportPrivateUsage]
    return clock


async def runs_of(engine: Engine, cron_id: str) -> list[Run]:
    """The cron's runs, oldest first, when they have settled."""
    page = await engine.list_runs(ADA, RunFilter(metadata={"cron_id": cron_id}))
    return [await engine.wait(ADA, view.run.id) for view in reversed(page.items)]


async def test_a_cron_is_made_found_changed_and_deleted(sdk: Sdk) -> None:
    end = datetime(2100, 1, 1, tzinfo=UTC)
    made = await sdk.crons.create(
        "echo",
        schedule="0 9 * * *",
        input={"text": "hello"},
        metadata={"team": "x"},
        config={"tags": ["t"]},
        context={"model": "m"},
        on_run_completed="keep",
        multitask_strategy="interrupt",
        end_time=end,
        enabled=True,
        timezone=ZoneInfo("Europe/Berlin"),
        stream_mode=["values", "updates"],
        stream_subgraphs=True,
        stream_resumable=True,
        durability="sync",
    )
    assert (made["schedule"], made["timezone"], made["enabled"]) == ("0 9 * * *", "Europe/Berlin", True)
    assert (made["assistant_id"], made["thread_id"]) == (own_assistant_id("echo"), None)
    assert (made["on_run_completed"], made["metadata"], made["user_id"]) == ("keep", {"team": "x"}, "ada")
    assert datetime.fromisoformat(made["end_time"]) == end
    due = datetime.fromisoformat(made["next_run_date"]).astimezone(ZoneInfo("Europe/Berlin"))
    assert (due.hour, due.minute) == (9, 0)
    assert made["payload"]["input"] == {"text": "hello"}
    assert made["payload"]["config"] == {"tags": ["t"]}
    assert await sdk.crons.search(assistant_id="echo") == [made]
    changed = await sdk.crons.update(
        made["cron_id"],
        schedule="30 10 * * 1-5",
        timezone="America/New_York",
        end_time=None,
        input={"text": "bye"},
        metadata={"team": "y"},
        config={"tags": ["u"]},
        context={"model": "n"},
        on_run_completed="delete",
        stream_mode="values",
        durability="async",
        stream_subgraphs=False,
        stream_resumable=False,
    )
    assert (changed["schedule"], changed["timezone"], changed["end_time"]) == (
        "30 10 * * 1-5",
        "America/New_York",
        None,
    )
    assert (changed["metadata"], changed["on_run_completed"]) == ({"team": "y"}, "delete")
    assert (changed["payload"]["input"], changed["payload"]["context"]) == ({"text": "bye"}, {"model": "n"})
    assert changed["payload"]["multitask_strategy"] == "interrupt"
    due = datetime.fromisoformat(changed["next_run_date"]).astimezone(ZoneInfo("America/New_York"))
    assert (due.hour, due.minute) == (10, 30)
    off = await sdk.crons.update(made["cron_id"], enabled=False)
    assert (off["enabled"], off["next_run_date"], off["schedule"]) == (False, None, "30 10 * * 1-5")
    assert await sdk.crons.search(enabled=True) == []
    await sdk.crons.delete(made["cron_id"])
    assert await sdk.crons.count() == 0
    for gone in (sdk.crons.delete(made["cron_id"]), sdk.crons.update(made["cron_id"], enabled=True)):
        with pytest.raises(NotFoundError):
            await gone


async def test_crons_are_searched_and_counted(sdk: Sdk, url: str) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    own = await sdk.assistants.create("echo")
    text = {"text": "x"}
    a = await sdk.crons.create("echo", schedule="0 1 * * *", input=text, metadata={"n": 1})
    b = await sdk.crons.create(own["assistant_id"], schedule="* * * * *", input=text, metadata={"n": 2}, enabled=False)
    c = await sdk.crons.create_for_thread(thread, "echo", schedule="0 2 * * *", input=text, metadata={"n": 1})
    assert (c["thread_id"], c["on_run_completed"], a["on_run_completed"]) == (thread, None, "delete")
    assert await sdk.crons.search() == [c, b, a]
    assert await sdk.crons.search(sort_by="created_at", sort_order="asc", limit=2) == [a, b]
    assert await sdk.crons.search(sort_by="created_at", sort_order="asc", limit=2, offset=2) == [c]
    for by in ("cron_id", "assistant_id", "thread_id", "updated_at", "next_run_date", "end_time"):
        assert len(await sdk.crons.search(sort_by=by)) == 3
    assert await sdk.crons.search(thread_id=thread) == [c]
    assert await sdk.crons.search(assistant_id=own["assistant_id"]) == [b]
    assert await sdk.crons.search(metadata={"n": 1}, select=["cron_id"]) == [
        {"cron_id": c["cron_id"]},
        {"cron_id": a["cron_id"]},
    ]
    assert await sdk.crons.count(assistant_id="echo") == 2
    assert await sdk.crons.count(thread_id=thread, metadata={"n": 1}) == 1
    await sdk.assistants.delete(own["assistant_id"])
    await sdk.threads.delete(thread)
    assert await sdk.crons.search() == [a]
    other: Sdk = get_client(url=url, api_key=None, headers={"x-tenant": "umbrella"})
    async with other:
        assert (await other.crons.search(), await other.crons.count()) == ([], 0)
        for gone in (other.crons.delete(a["cron_id"]), other.crons.update(a["cron_id"], enabled=False)):
            with pytest.raises(NotFoundError):
                await gone


async def test_what_no_run_could_be_opened_with_is_refused_at_once(sdk: Sdk, url: str) -> None:
    text = {"text": "x"}
    for field, asked in (
        ("schedule", sdk.crons.create("echo", schedule="every day", input=text)),
        ("schedule", sdk.crons.create("echo", schedule="61 * * * *", input=text)),
        ("timezone", sdk.crons.create("echo", schedule="* * * * *", timezone="Mars/Base", input=text)),
        ("amount", sdk.crons.create("refund", schedule="* * * * *", input={"order_id": "7"})),
        ("stream_mode", sdk.crons.create("echo", schedule="* * * * *", input=text, stream_mode="film")),
        ("multitask_strategy", sdk.crons.create("echo", schedule="* * * * *", input=text, multitask_strategy="x")),
    ):
        with pytest.raises(UnprocessableEntityError, match=field):
            await asked
    with pytest.raises(NotFoundError, match="nobody"):
        await sdk.crons.create("nobody", schedule="* * * * *")
    with pytest.raises(NotFoundError):
        await sdk.crons.create_for_thread(str(uuid4()), "echo", schedule="* * * * *", input=text)
    assert await sdk.crons.count() == 0
    async with httpx.AsyncClient(base_url=url) as http:
        for answer in (
            await http.post("/runs/crons", json={"assistant_id": "echo"}),
            await http.post("/runs/crons", json={"assistant_id": "echo", "schedule": "* * * * *", "end_time": "soon"}),
            await http.post("/runs/crons/search", json={"sort_by": "size"}),
            await http.patch("/runs/crons/x", json={}),
        ):
            assert answer.status_code == 422
            assert "detail" in answer.json()


async def test_a_crons_run_is_as_one_that_a_client_opened(clock: Clock, engine: Engine, sdk: Sdk) -> None:
    await clock.put(datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC))
    own = await sdk.assistants.create("counter")
    cron = await sdk.crons.create(
        own["assistant_id"], schedule="* * * * *", input={"text": "x"}, metadata={"m": 1}, on_run_completed="keep"
    )
    assert cron["next_run_date"] == "2026-01-01T12:01:00.000000+00:00"
    for minute in (1, 2):
        await clock.put(datetime(2026, 1, 1, 12, minute, tzinfo=UTC))
    first, second = await runs_of(engine, cron["cron_id"])
    assert (first.output, second.output) == ("1:1", "1:1")
    assert first.thread_id != second.thread_id
    run = await sdk.runs.get(first.thread_id, first.id)
    assert (run["assistant_id"], run["metadata"]) == (own["assistant_id"], {"m": 1, "cron_id": cron["cron_id"]})
    thread = await sdk.threads.get(first.thread_id)
    assert thread["metadata"] == {
        "graph_id": "counter",
        "assistant_id": own["assistant_id"],
        "cron_id": cron["cron_id"],
    }


async def test_a_threads_cron_runs_on_its_thread(clock: Clock, engine: Engine, sdk: Sdk) -> None:
    await clock.put(datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC))
    thread = (await sdk.threads.create())["thread_id"]
    cron = await sdk.crons.create_for_thread(thread, "counter", schedule="* * * * *", input={"text": "x"})
    for _ in range(3):
        await clock.put(clock.at + timedelta(minutes=1))
    assert [run.output for run in await runs_of(engine, cron["cron_id"])] == ["1:1", "2:3", "3:5"]
    assert (await sdk.threads.get_state(thread))["values"]["times"] == 3


async def test_a_crons_threads_are_deleted_after_their_runs_unless_they_are_to_be_kept(
    clock: Clock, engine: Engine, sdk: Sdk
) -> None:
    await clock.put(datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC))
    setups: dict[str | None, bool] = {}
    for choice in (None, "delete", "keep"):
        cron = await sdk.crons.create("echo", schedule="* * * * *", input={"text": "x"}, on_run_completed=choice)
        await clock.put(clock.at + timedelta(minutes=1))
        [run, *_] = await runs_of(engine, cron["cron_id"])
        setups[choice] = run.setup is not None and run.setup.forget
    assert setups == {None: True, "delete": True, "keep": False}


async def test_a_crons_runs_are_configured_by_its_assistant_and_by_itself(
    clock: Clock, engine: Engine, sdk: Sdk
) -> None:
    await clock.put(datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC))
    own = await sdk.assistants.create("echo", {"configurable": {"a": 1, "b": 1}}, context={"model": "small"})
    cron = await sdk.crons.create(
        own["assistant_id"],
        schedule="* * * * *",
        input={"text": "x"},
        config={"configurable": {"b": 2}},
        context={"user": "ada"},
        on_run_completed="keep",
    )
    await sdk.assistants.update(own["assistant_id"], context={"model": "large"})
    await clock.put(clock.at + timedelta(minutes=1))
    [run] = await runs_of(engine, cron["cron_id"])
    assert run.setup is not None
    assert run.setup.config["configurable"] == {"a": 1, "b": 2}
    assert run.setup.context == {"model": "large", "user": "ada"}


async def test_the_sync_client_gets_the_same(sdk: Sdk, url: str) -> None:
    def all_of_it() -> None:
        with get_sync_client(url=url, api_key=None) as client:
            crons: Any = client.crons
            thread = client.threads.create()["thread_id"]
            made = crons.create("echo", schedule="@daily", input={"text": "x"}, timezone="UTC")
            other = crons.create_for_thread(thread, "echo", schedule="0 0 1 * *", input={"text": "x"})
            assert crons.search() == [other, made]
            assert crons.update(made["cron_id"], schedule="@hourly")["schedule"] == "@hourly"
            assert crons.count(thread_id=thread) == 1
            crons.delete(made["cron_id"])
            crons.delete(other["cron_id"])
            assert crons.count() == 0

    await asyncio.to_thread(all_of_it)
