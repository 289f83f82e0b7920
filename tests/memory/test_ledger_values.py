"""The contract of threads found by their values: those of their newest state, whoever made it and however. What the
index has is looked at too, for the exact test of a search would hide what is too much of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import Batch, Change, Ledger, NewStep
from dragoman.memory.model import Json, RunStatus, StepStatus, ThreadPolicy, ThreadStatus
from dragoman.memory.setup import RunSetup
from dragoman.memory.threads import Revision, ThreadFilter, ThreadOrder, ThreadTtl
from dragoman.memory.verbs import thread_lists

from .helpers import TENANT, WORKER, change, start, submission
from .value_index import index_of, wanted

pytestmark = pytest.mark.anyio

Checked = Callable[[], Awaitable[None]]


async def found(ledger: Ledger, order: str = "created_at", **values: Json) -> str:
    threads = await ledger.threads(TENANT, ThreadFilter(values=values), 50, order=ThreadOrder(order))
    assert await ledger.count_threads(TENANT, ThreadFilter(values=values)) == len(threads)
    return " ".join(thread.id for thread in threads)


@pytest.fixture
def checked(ledger: Ledger, tmp_path: Path, request: pytest.FixtureRequest) -> Checked:
    """The index has just what the threads have now; of sealed values nothing."""

    async def check() -> None:
        sealed = "sealed" in request.node.callspec.params["stored"]
        assert index_of(ledger, tmp_path) == (set() if sealed else await wanted(ledger))

    return check


async def test_each_kind_of_value_is_found(ledger: Ledger, checked: Checked) -> None:
    kinds = {
        "text": "x" * 500,
        "n": 7,
        "part": 7.5,
        "big": 2**60,
        "yes": True,
        "list": [1],
        "within": {"a": 1},
        "nul": "a\0b",
    }
    await ledger.create_thread(TENANT, "t", {}, {**kinds, "k" * 200: 1, "traceparent": "00-1"})
    await ledger.create_thread(
        TENANT, "other", {}, {"text": "x" * 499 + "y", "n": 8, "part": 7.25, "yes": 1, "nul": "a\0c"}
    )
    for key, value in {**kinds, "k" * 200: 1, "traceparent": "00-1"}.items():
        for order in ThreadOrder:
            assert await found(ledger, order, **{key: value}) == "t", key
    assert await found(ledger, n=7.0) == "t"
    assert await found(ledger, n=7, yes=True) == "t"
    assert await found(ledger, n=7, yes=1) == ""
    assert await found(ledger, n=7, text="nobody's") == ""
    assert await found(ledger, none=None) == ""
    await checked()


async def test_a_changed_value_is_found_and_the_old_one_is_not(ledger: Ledger, checked: Checked) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"stage": "new", "kept": 1})
    _, lease = await start(ledger, thread_id="t")
    await ledger.commit(lease, Batch(values={"stage": "paid", "kept": 1, "more": True}))
    assert (await found(ledger, stage="new"), await found(ledger, stage="paid")) == ("", "t")
    await checked()
    await ledger.commit(lease, Batch(values={"stage": ["paid"]}, messages=[{"role": "user", "content": "x"}]))
    assert (await found(ledger, stage="paid"), await found(ledger, stage=["paid"])) == ("", "t")
    await change(ledger, lease, RunStatus.SUCCEEDED)
    await ledger.update_thread(TENANT, "t", values={"stage": "paid", "kept": 1.0})
    assert await found(ledger, stage="paid", kept=1) == "t"
    await checked()


async def test_a_deleted_key_is_not_found(ledger: Ledger, checked: Checked) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"stage": "new", "kept": 1})
    await ledger.update_thread(TENANT, "t", values={"stage": None})
    assert (await found(ledger, stage="new"), await found(ledger, kept=1)) == ("", "t")
    await checked()


async def test_keys_that_begin_alike_are_found_while_one_of_them_is_there(ledger: Ledger, checked: Checked) -> None:
    one, two = "k" * 128 + "1", "k" * 128 + "2"
    await ledger.create_thread(TENANT, "t", {}, {one: "v", two: "v"})
    await ledger.update_thread(TENANT, "t", values={one: None})
    assert (await found(ledger, **{one: "v"}), await found(ledger, **{two: "v"})) == ("", "t")
    await checked()


async def test_values_of_a_run_on_a_new_thread_are_found(ledger: Ledger, checked: Checked) -> None:
    done = Batch(values={"stage": "done"}, change=Change(RunStatus.SUCCEEDED))
    made = await ledger.record(submission(), done, now_micros())
    assert await found(ledger, stage="done") == made.run.thread_id
    await checked()


async def test_a_copy_is_found_beside_the_first_and_after_it(ledger: Ledger, checked: Checked) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"stage": "new"})
    await ledger.update_thread(TENANT, "t", values={"stage": "paid"})
    copy = await ledger.copy_thread(TENANT, "t")
    assert (await found(ledger, stage="paid"), await found(ledger, stage="new")) == (f"{copy.id} t", "")
    await checked()
    await ledger.delete_thread(TENANT, "t")
    assert await found(ledger, stage="paid") == copy.id
    await checked()


async def test_nothing_is_left_of_a_deleted_thread(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"stage": "new", "n": 1})
    await ledger.create_thread(TENANT, "expired", {}, {"stage": "new"}, ttl=ThreadTtl(1e-9))
    await ledger.delete_thread(TENANT, "t")
    await ledger.expire_threads()
    assert await found(ledger, stage="new") == ""
    assert index_of(ledger, tmp_path) == set()


async def test_a_run_that_is_rolled_back_leaves_the_values_of_before(ledger: Ledger, checked: Checked) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"stage": "new", "n": 1})
    _, lease = await start(ledger, thread_id="t")
    await ledger.commit(lease, Batch(values={"stage": "paid", "n": None, "more": 1}))
    assert await found(ledger, stage="paid") == "t"
    await ledger.submit(submission(thread_id="t", policy=ThreadPolicy.ROLLBACK))
    await change(ledger, lease, RunStatus.CANCELLED)
    assert (await found(ledger, stage="paid"), await found(ledger, stage="new", n=1)) == ("", "t")
    await checked()


async def test_a_pruned_thread_is_found_by_its_newest_values(ledger: Ledger, checked: Checked) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"n": 1})
    for n in range(2, 70):
        await ledger.update_thread(TENANT, "t", values={"n": n})
    await ledger.prune_thread(TENANT, "t")
    assert (await found(ledger, n=69), await found(ledger, n=1)) == ("t", "")
    await checked()


async def test_a_state_revised_from_an_older_one_is_found(ledger: Ledger, checked: Checked) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"n": 0, "first": True})
    for n in range(1, 64):  # the 64th checkpoint is kept whole, and not read when the next one is made of another
        await ledger.update_thread(TENANT, "t", values={"n": n, "first": None})
    await ledger.revise_thread(TENANT, "t", [Revision({"m": 1})], base=1)
    assert (await found(ledger, n=63), await found(ledger, n=0, first=True, m=1)) == ("", "t")
    await checked()
    await ledger.submit(submission(thread_id="t", setup=RunSetup(from_checkpoint=2)), WORKER)
    assert (await found(ledger, m=1), await found(ledger, n=1)) == ("", "t")
    await checked()


async def test_a_fork_is_found_by_the_values_it_begins_with(ledger: Ledger, checked: Checked) -> None:
    run, lease = await start(ledger, thread_id="t")
    step = NewStep("a", StepStatus.FINISHED, result=1)
    await ledger.commit(lease, Batch(steps=[step], values={"stage": "a"}))
    await ledger.commit(lease, Batch(values={"stage": "b"}))
    forked = await ledger.fork(TENANT, run.id, 1, uuid7(), {"patched": 1})
    assert await found(ledger, stage="a", patched=1) == forked.run.thread_id
    assert await found(ledger, stage="b") == "t"
    await checked()


@pytest.mark.parametrize("many", [3, 10_000])
async def test_values_and_other_conditions_hold_together(
    ledger: Ledger, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.memory.verbs.thread_lists._MANY", many)
    for n in range(30):
        await ledger.create_thread(TENANT, f"t{n:02}", {"team": n % 3}, {"even": n % 2 == 0, "n": n % 5})
    for order in ThreadOrder:
        for down in (True, False):
            where = ThreadFilter(metadata={"team": 0}, values={"even": True, "n": 0}, status=ThreadStatus.IDLE)
            threads = await ledger.threads(TENANT, where, 50, order=order, descending=down)
            assert sorted(thread.id for thread in threads) == ["t00"]
            where = ThreadFilter(values={"even": True})
            pages = [await ledger.threads(TENANT, where, 4, at, order=order, descending=down) for at in range(0, 16, 4)]
            expected = [f"t{n:02}" for n in range(0, 30, 2)]
            assert [thread.id for page in pages for thread in page] == (expected[::-1] if down else expected)
    assert await ledger.threads("umbrella", ThreadFilter(values={"even": True}), 50) == []


@pytest.mark.parametrize("many", [1, 100])
@pytest.mark.parametrize("descending", [True, False])
async def test_those_who_have_a_common_pair_are_in_order_however_they_are_looked_for(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, many: int, descending: bool
) -> None:
    monkeypatch.setattr(thread_lists, "_MANY", many)
    made = [f"t{n}" for n in range(12)]
    for n, name in enumerate(made):
        await ledger.create_thread(TENANT, name, {"team": "red"}, {"colour": "red", "parity": n % 2})
    for name in made[::3]:
        await ledger.update_thread(TENANT, name, values={"seen": True})
    await ledger.create_thread(TENANT, "newest", {}, {"colour": "blue"})
    expected = [name for name in made if name not in made[::3]] + made[::3]
    expected = expected[::-1] if descending else expected
    for where in (
        ThreadFilter(values={"colour": "red"}),
        ThreadFilter(metadata={"team": "red"}),
        ThreadFilter(metadata={"team": "red"}, values={"colour": "red"}),
    ):
        threads = await ledger.threads(TENANT, where, 50, order=ThreadOrder.UPDATED_AT, descending=descending)
        assert [thread.id for thread in threads] == expected
        page = await ledger.threads(TENANT, where, 3, 4, order=ThreadOrder.UPDATED_AT, descending=descending)
        assert [thread.id for thread in page] == expected[4:7]
    odd = ThreadFilter(values={"colour": "red", "parity": 1})
    threads = await ledger.threads(TENANT, odd, 50, order=ThreadOrder.UPDATED_AT, descending=descending)
    assert [thread.id for thread in threads] == [name for name in expected if int(name[1:]) % 2]


async def test_a_batch_that_fails_leaves_the_index_as_it_was(ledger: Ledger, checked: Checked) -> None:
    await ledger.create_thread(TENANT, "t", {}, {"stage": "new"})
    _, lease = await start(ledger, thread_id="t")
    step = NewStep("a", StepStatus.FINISHED, result=1)
    await ledger.commit(lease, Batch(steps=[step]))
    with pytest.raises(Exception, match="final"):
        await ledger.commit(lease, Batch(steps=[step], values={"stage": "paid"}))
    assert (await found(ledger, stage="new"), await found(ledger, stage="paid")) == ("t", "")
    await checked()
