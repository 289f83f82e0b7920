"""The contract of reading: runs in pages, events after a number, and nothing of another tenant."""

from __future__ import annotations

import base64
from collections.abc import Awaitable

import pytest

from dragoman.memory.errors import InputInvalid, RunNotFound, ThreadNotFound
from dragoman.memory.ids import now_micros
from dragoman.memory.latest import Latest
from dragoman.memory.ledger import Batch, Ledger, NewArtifact, NewEvent, RunFilter, ThreadFilter
from dragoman.memory.model import RunStatus

from .helpers import FAR, TENANT, ask, assert_gapless, change, emit, finish_step, start, submit

pytestmark = pytest.mark.anyio


async def ids(ledger: Ledger, where: RunFilter, limit: int = 50) -> list[str]:
    """The ids of all runs that match, gathered page by page."""
    found: list[str] = []
    cursor = None
    while True:
        page = await ledger.runs(TENANT, where, limit, cursor)
        assert len(page.items) <= limit
        found += [view.run.id for view in page.items]
        cursor = page.cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
async def test_pages_show_every_run_once_newest_first(ledger: Ledger, limit: int) -> None:
    made = [(await submit(ledger, wake_at=FAR if n % 3 else None)).id for n in range(7)]
    assert await ids(ledger, RunFilter(), limit) == made[::-1]


async def test_a_run_added_between_two_pages_does_not_shift_them(ledger: Ledger) -> None:
    made = [(await submit(ledger)).id for _ in range(4)]
    page = await ledger.runs(TENANT, RunFilter(), 2)
    await submit(ledger)
    rest = await ledger.runs(TENANT, RunFilter(), 2, page.cursor)
    assert [v.run.id for v in (*page.items, *rest.items)] == made[::-1]
    assert rest.cursor is None


async def test_runs_are_found_by_what_they_are(ledger: Ledger) -> None:
    parent, parent_lease = await start(ledger, agent="a", thread_id="t", metadata={"k": 1, "team": "x"})
    child = await submit(ledger, agent="b", parent_run_id=parent.id, metadata={"k": True})
    waiting, lease = await start(ledger, agent="a", metadata={"k": 1})
    await ask(ledger, lease, "ok")
    failed, lease = await start(ledger, agent="b")
    await change(ledger, lease, RunStatus.FAILED)
    done, lease = await start(ledger, agent="a")
    await change(ledger, lease, RunStatus.SUCCEEDED)
    for where, expected in (
        (RunFilter(agent="a"), [done, waiting, parent]),
        (RunFilter(agent="b", statuses=frozenset({RunStatus.FAILED})), [failed]),
        (RunFilter(agent="nobody"), []),
        (RunFilter(thread_id="t"), [parent]),
        (RunFilter(thread_id="t", agent="b"), []),
        (RunFilter(parent_run_id=parent.id), [child]),
        (RunFilter(statuses=frozenset({RunStatus.RUNNING})), [parent]),
        (RunFilter(statuses=frozenset({RunStatus.QUEUED, RunStatus.WAITING})), [waiting, child]),
        (RunFilter(statuses=frozenset({RunStatus.WAITING, RunStatus.SUCCEEDED})), [done, waiting]),
        (RunFilter(statuses=frozenset()), []),
        (RunFilter(metadata={"k": 1}), [waiting, parent]),
        (RunFilter(metadata={"k": 1, "team": "x"}), [parent]),
        (RunFilter(metadata={"k": True}), [child]),
        (RunFilter(metadata={"missing": None}), []),
    ):
        assert await ids(ledger, where, 1) == [run.id for run in expected], where
    mark = now_micros()
    await emit(ledger, parent_lease, "note")
    assert await ids(ledger, RunFilter(updated_after=mark)) == [parent.id]


async def test_a_list_shows_questions_and_artifacts(ledger: Ledger) -> None:
    run, lease = await start(ledger)
    await ledger.commit(lease, Batch(artifacts=[NewArtifact("a", "a", "text/plain", b"x")]))
    await ask(ledger, lease, "ok")
    [view] = (await ledger.runs(TENANT, RunFilter())).items
    assert view == await ledger.load(TENANT, run.id)
    assert [i.key for i in view.open_interrupts] == ["ok"]
    assert [a.data for a in view.artifacts] == [b"x"]
    [bare] = (await ledger.runs(TENANT, RunFilter(), bare=True)).items
    assert (bare.run, bare.interrupts, bare.artifacts) == (view.run, (), ())


@pytest.mark.parametrize(
    "cursor", ["", "x", "r5", "%%%", base64.urlsafe_b64encode(b"r-1").decode(), "9" * 100, "\ud800", "cjU=", "ć"]
)
async def test_a_cursor_that_is_not_ours_is_refused(ledger: Ledger, cursor: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        await ledger.runs(TENANT, RunFilter(), 5, cursor)
    assert caught.value.problems[0]["field"] == "cursor"


@pytest.mark.parametrize("count", [3, 31, 32, 33, 64, 100])
async def test_events_after_a_number_are_all_there_in_order(ledger: Ledger, count: int) -> None:
    run, lease = await start(ledger)
    await ledger.commit(lease, Batch(events=[NewEvent("note", {"n": n}) for n in range(count)]))
    events = await ledger.events(TENANT, run.thread_id, after=2)
    assert_gapless(events, after=2)
    assert [e.data["n"] for e in events] == list(range(count))
    for limit in (1, 32, 40):
        assert await ledger.events(TENANT, run.thread_id, after=2, limit=limit) == events[:limit]
    assert await ledger.events(TENANT, run.thread_id, after=2 + count) == []
    assert await ledger.events(TENANT, "nowhere") == []


async def test_the_events_of_one_run_are_told_from_those_of_its_thread(ledger: Ledger) -> None:
    first, lease = await start(ledger, thread_id="t")
    second = await submit(ledger, thread_id="t")
    await emit(ledger, lease, "note")
    await change(ledger, lease, RunStatus.SUCCEEDED)
    await ledger.cancel(TENANT, second.id)
    of = {run.id: await ledger.events(TENANT, "t", run_id=run.id) for run in (first, second)}
    assert [(e.seq, e.type) for e in of[first.id]] == [
        (1, "run.queued"),
        (2, "run.started"),
        (4, "note"),
        (5, "run.succeeded"),
    ]
    assert [(e.seq, e.type) for e in of[second.id]] == [(3, "run.queued"), (6, "run.cancelled")]
    assert await ledger.events(TENANT, "t", after=4, run_id=first.id) == of[first.id][3:]
    assert await ledger.events(TENANT, "t", limit=2, run_id=first.id) == of[first.id][:2]


async def test_another_tenant_sees_nothing(ledger: Ledger) -> None:
    run, lease = await start(ledger, thread_id="t", metadata={"k": 1})
    await finish_step(ledger, lease, "look")
    await ask(ledger, lease, "ok")
    await ledger.put_item(TENANT, ("n",), "k", {"v": 1})
    other = "umbrella"
    hidden: tuple[Awaitable[object], ...] = (
        ledger.load(other, run.id),
        ledger.cancel(other, run.id),
        ledger.delete_run(other, run.id),
    )
    for missing in hidden:
        with pytest.raises(RunNotFound):
            await missing
    hidden = (ledger.thread(other, "t"), ledger.checkpoints(other, "t"), ledger.delete_thread(other, "t"))
    for missing in hidden:
        with pytest.raises(ThreadNotFound):
            await missing
    assert await ledger.journal(other, run.id) == {}
    assert await ledger.events(other, "t") == []
    assert await ledger.events(other, "t", run_id=run.id) == []
    for where in (
        RunFilter(),
        RunFilter(thread_id="t"),
        RunFilter(agent="refunds"),
        RunFilter(statuses=frozenset({RunStatus.WAITING})),
    ):
        assert (await ledger.runs(other, where)).items == ()
    assert await ledger.threads(other, ThreadFilter()) == []
    assert await ledger.get_item(other, ("n",), "k") is None
    assert await ledger.search_items(other, ()) == []
    assert await ledger.namespaces(other) == []
    assert await ledger.delete_item(other, ("n",), "k") is False


async def test_an_agents_runs_are_listed_and_counted_by_their_last_change(ledger: Ledger) -> None:
    waiting, lease = await start(ledger, agent="a")
    done, done_lease = await start(ledger, agent="a")
    await start(ledger, agent="b")
    queued = await submit(ledger, agent="a", wake_at=FAR)
    await ask(ledger, lease, "ok")
    await change(ledger, done_lease, RunStatus.SUCCEEDED)
    expected = [done.id, waiting.id, queued.id]
    seen: list[str] = []
    before = None
    while page := await ledger.latest_runs(TENANT, Latest("a"), 1, before):
        (view,) = page
        seen.append(view.run.id)
        before = view.run.updated_at, view.run.ordinal
    assert seen == expected
    assert [v.run.id for v in await ledger.latest_runs(TENANT, Latest("a"), 2)] == expected[:2]
    (view,) = await ledger.latest_runs(TENANT, Latest("a", frozenset({RunStatus.WAITING})))
    assert [interrupt.key for interrupt in view.interrupts] == ["ok"]
    after = Latest("a", updated_after=view.run.updated_at)
    assert [v.run.id for v in await ledger.latest_runs(TENANT, after)] == [done.id]
    assert [await ledger.count_latest(TENANT, which) for which in (Latest("a"), after, Latest("c"))] == [3, 1, 0]
    assert await ledger.count_latest(TENANT, Latest("a", frozenset({RunStatus.QUEUED})), 1) == 1
    assert await ledger.latest_runs("other", Latest("a")) == []
