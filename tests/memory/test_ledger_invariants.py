"""A state machine over the ledger: whatever is asked of it, in whatever order, the rules of ``ledger.py`` hold.

The machine does not predict the ledger's every answer. It asks at random, keeps what was acknowledged and what was
shown live, and after each step compares that with what the ledger now holds. ``LEDGER_EXAMPLES`` says how many
histories to try (40; fewer where a history takes its time).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from dragoman.memory.errors import Conflict, LeaseLost, RunEnded, ThreadBusy
from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import (
    Batch,
    Change,
    Lease,
    NewArtifact,
    NewEvent,
    NewStep,
    RunFilter,
    ThreadFilter,
)
from dragoman.memory.model import (
    TERMINAL,
    TRANSITIONS,
    Event,
    InterruptStatus,
    Run,
    RunStatus,
    RunView,
    StepStatus,
    Thread,
    ThreadPolicy,
    ThreadStatus,
)

from .conftest import LEDGERS
from .helpers import FAR, TENANT, assert_gapless, question, submission

T = TypeVar("T")
# Thousands of commits, none of which has to outlive a power failure: a real file, on a file system in memory.
MEMORY = Path("/dev/shm")
PAST = 1
MAX_CRASHES = 3
THREADS = ("a", "b", "c")
WORKERS = ("w1", "w2")
KEYS = ("x", "y", "z")
LATE = st.sampled_from((0, 0, 0, 1, 2, 3, 5, 8))  # mostly the newest leases, which are those that still hold
ENDS = ("run.succeeded", "run.failed", "run.cancelled")
BUSY = (RunStatus.QUEUED, RunStatus.RUNNING)


def rewrites(steps: Sequence[NewStep], known: Iterable[str]) -> bool:
    """Whether a batch writes a step that is final, before it or within it."""
    final = set(known)
    for step in steps:
        if step.key in final:
            return True
        if step.status is not StepStatus.STARTED:
            final.add(step.key)
    return False


class LedgerMachine(RuleBasedStateMachine):
    """One history of one ledger."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-", dir=MEMORY if MEMORY.is_dir() else None))
        self.loop = asyncio.new_event_loop()
        self.ledger = LEDGERS[self.kind](self.folder)
        self.wait(self.ledger.open())
        self.leases: list[Lease] = []
        self.overdue: set[str] = set()
        self.log: dict[str, list[Event]] = {}
        self.views: dict[str, RunView] = {}
        self.final: dict[str, dict[str, Any]] = {}
        self.answers: dict[tuple[str, str], Any] = {}

    def wait(self, verb: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(verb)

    def teardown(self) -> None:
        try:
            self.everything_pending_ends_or_waits()
        finally:
            self.wait(self.ledger.close())
            self.loop.close()
            shutil.rmtree(self.folder)

    def show(self, events: Sequence[Event]) -> None:
        """Keep what was shown live, for the comparison with the replay."""
        for event in events:
            self.log.setdefault(event.thread_id, []).append(event)

    @property
    def runs(self) -> list[Run]:
        """The runs as they were after the last step, oldest first."""
        return sorted((view.run for view in self.views.values()), key=lambda run: run.ordinal)

    def current(self, lease: Lease) -> bool:
        view = self.views.get(lease.run_id)
        return view is not None and view.run.status is RunStatus.RUNNING and view.run.attempt == lease.attempt

    # -- what may happen ----------------------------------------------------------------------------------------------

    @rule(
        thread=st.sampled_from((*THREADS, None)),
        policy=st.sampled_from(ThreadPolicy),
        worker=st.sampled_from((*WORKERS, None)),
        wake_at=st.sampled_from((None, None, PAST, FAR)),
        overdue=st.booleans(),
        child=st.booleans(),
    )
    def submit(
        self,
        thread: str | None,
        policy: ThreadPolicy,
        worker: str | None,
        wake_at: int | None,
        overdue: bool,
        child: bool,
    ) -> None:
        parent = self.runs[-1].id if child and self.runs else None
        wanted = submission(thread_id=thread, policy=policy, wake_at=wake_at, parent_run_id=parent)
        busy = any(run.thread_id == thread and run.status in BUSY for run in self.runs)
        try:
            made = self.wait(self.ledger.submit(wanted, worker, 0.0 if overdue else 60.0))
        except ThreadBusy:
            assert policy is ThreadPolicy.REJECT
            assert busy
            return
        assert not (policy is ThreadPolicy.REJECT and busy)
        if policy is ThreadPolicy.ENQUEUE:
            assert (made.lease is not None) == (worker is not None and not busy and wake_at != FAR)
        self.show(made.events)
        self.views[made.run.id] = RunView(made.run)
        if made.lease is not None:
            self.taken(made.lease, overdue)

    def taken(self, lease: Lease, overdue: bool) -> None:
        self.leases.append(lease)
        self.overdue.discard(lease.run_id)
        if overdue:
            self.overdue.add(lease.run_id)

    @rule(key=st.sampled_from(KEYS), thread=st.sampled_from(THREADS))
    def submit_with_a_key(self, key: str, thread: str) -> None:
        made = self.wait(self.ledger.submit(submission(thread_id=thread, idempotency_key=key)))
        if made.created:
            self.show(made.events)
            self.views[made.run.id] = RunView(made.run)
        else:
            assert (made.run.id in self.views, made.events) == (True, ())

    @rule(status=st.sampled_from(sorted(TERMINAL)), key=st.sampled_from((*KEYS, None)), note=st.integers(0, 2))
    def record(self, status: RunStatus, key: str | None, note: int) -> None:
        batch = Batch(events=[NewEvent("note")] * note, values={"n": note} if note else None, change=Change(status))
        made = self.wait(self.ledger.record(submission(idempotency_key=key), batch, now_micros()))
        if made.created:
            assert made.run.status is status
            self.show(made.events)
            self.views[made.run.id] = RunView(made.run)
        else:
            assert (made.run.id in self.views, made.events) == (True, ())

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 4), overdue=st.booleans())
    def claim(self, worker: str, limit: int, overdue: bool) -> None:
        due: list[str] = []
        held = {run.thread_id for run in self.runs if run.status is RunStatus.RUNNING}
        for run in self.runs:
            if run.status is RunStatus.QUEUED and run.thread_id not in held:
                held.add(run.thread_id)  # the younger ones wait for this one, even while it sleeps
                if run.wake_at != FAR:
                    due.append(run.id)
        claimed = self.wait(self.ledger.claim(worker, limit, 0.0 if overdue else 60.0))
        assert [run.id for _, run, _ in claimed] == due[:limit]
        for lease, run, events in claimed:
            assert run.attempt == lease.attempt == self.views[run.id].run.attempt + 1
            self.show(events)
            self.taken(lease, overdue)

    @precondition(lambda self: self.leases)
    @rule(
        pick=LATE,
        note=st.integers(0, 3),
        steps=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(StepStatus)), max_size=3),
        values=st.none() | st.dictionaries(st.sampled_from(KEYS), st.none() | st.integers(0, 9), max_size=2),
        artifact=st.booleans(),
        deltas=st.booleans(),
        status=st.sampled_from((None, None, *RunStatus)),
        asked=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from((None, PAST, FAR))), max_size=2),
        wake_at=st.sampled_from((None, None, PAST, FAR)),
    )
    def commit(
        self,
        pick: int,
        note: int,
        steps: list[tuple[str, StepStatus]],
        values: dict[str, int | None] | None,
        artifact: bool,
        deltas: bool,
        status: RunStatus | None,
        asked: list[tuple[str, int | None]],
        wake_at: int | None,
    ) -> None:
        lease = self.leases[-1 - pick % len(self.leases)]
        events = [NewEvent("note", {"n": n}) for n in range(note)]
        batch = Batch(
            events=events,
            steps=[NewStep(key, of, result=uuid7()) for key, of in steps],
            values=values,
            artifacts=[NewArtifact("file", "file", "text/plain", b"x")] if artifact else [],
            interrupts=[question(key, expires) for key, expires in dict(asked).items()],
            change=None if status is None else Change(status, wake_at=wake_at),
            emitted=note,
        )
        if deltas:
            batch = Batch(events=events, deltas_only=True, emitted=note)
        known = self.final.setdefault(lease.run_id, {})
        refused = rewrites(batch.steps, known) or (not deltas and status is RunStatus.RUNNING)
        try:
            done = self.wait(self.ledger.commit(lease, batch))
        except LeaseLost:
            assert not self.current(lease)
            return
        except Conflict:
            assert refused
            return
        assert not refused
        assert self.current(lease), "a stale lease has written"
        self.show(done.events)
        for step in batch.steps:
            if step.status is not StepStatus.STARTED:
                assert step.key not in known, "a final step was written twice"
                known[step.key] = step.result

    @precondition(lambda self: any(map(self.current, self.leases)))
    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1), expires=st.sampled_from((None, None, PAST)))
    def park(self, keys: set[str], expires: int | None) -> None:
        lease = next(filter(self.current, reversed(self.leases)))
        batch = Batch(interrupts=[question(key, expires) for key in keys], change=Change(RunStatus.WAITING))
        self.show(self.wait(self.ledger.commit(lease, batch)).events)

    @rule(worker=st.sampled_from(WORKERS))
    def lose_and_take_again(self, worker: str) -> None:
        """The worker that hung takes its own run again: only the attempt tells its old lease from the new one."""
        self.sweep()
        self.the_rules_hold()
        self.claim(worker, 4, False)

    @rule(pick=st.integers(0, 100), keys=st.sets(st.sampled_from(KEYS), max_size=2))
    def answer(self, pick: int, keys: set[str]) -> None:
        if not self.views:
            return
        asking = [view for view in self.views.values() if view.interrupts and not view.run.ended]
        asking = asking or list(self.views.values())
        view = asking[pick % len(asking)]
        given = {key: uuid7() for key in sorted(keys)}
        asked = {i.key for i in view.interrupts if i.status is InterruptStatus.OPEN}
        try:
            _, events = self.wait(self.ledger.answer(TENANT, view.run.id, given, "ada"))
        except (RunEnded, Conflict):
            assert view.run.ended or not keys or not keys <= asked
            return
        assert keys <= asked
        for key, value in given.items():
            assert (view.run.id, key) not in self.answers, "an interrupt was answered twice"
            self.answers[view.run.id, key] = value
        self.show(events)

    @rule(pick=st.integers(0, 100))
    def cancel(self, pick: int) -> None:
        if not self.views:
            return
        run = list(self.views.values())[pick % len(self.views)].run
        try:
            after, events = self.wait(self.ledger.cancel(TENANT, run.id, "because"))
        except RunEnded:
            assert run.status in (RunStatus.SUCCEEDED, RunStatus.FAILED)
            return
        assert after.cancel_requested if run.status is RunStatus.RUNNING else after.status is RunStatus.CANCELLED
        self.show(events)

    @rule()
    def sweep(self) -> None:
        overdue = {run.id for run in self.runs if run.status is RunStatus.RUNNING and run.id in self.overdue}
        expired = {run.id for run in self.runs if run.status is RunStatus.WAITING and run.wake_at == PAST}
        swept = self.wait(self.ledger.sweep(MAX_CRASHES))
        assert {run.id for run, _ in swept} == overdue | expired
        for _, events in swept:
            self.show(events)

    @rule(pick=st.integers(0, 100))
    def wake(self, pick: int) -> None:
        if self.views:
            self.wait(self.ledger.wake(TENANT, list(self.views)[pick % len(self.views)]))

    @rule(worker=st.sampled_from(WORKERS))
    def renew(self, worker: str) -> None:
        held = {lease.run_id for lease in self.leases if lease.worker == worker}
        mine = {lease.run_id for lease in self.leases if lease.worker == worker and self.current(lease)}
        renewed = self.wait(self.ledger.renew(worker, sorted(held), 60.0))
        assert set(renewed.lost) == held - mine
        assert set(renewed.cancel) == {i for i in mine if self.views[i].run.cancel_requested}
        self.overdue -= mine

    @rule(pick=st.integers(0, 100))
    def delete_run(self, pick: int) -> None:
        if not self.views:
            return
        run = list(self.views.values())[pick % len(self.views)].run
        try:
            self.wait(self.ledger.delete_run(TENANT, run.id))
        except Conflict:
            assert not run.ended
            return
        assert run.ended
        del self.views[run.id]
        self.forget(run.id)

    def forget(self, run_id: str) -> None:
        self.final.pop(run_id, None)
        self.answers = {key: value for key, value in self.answers.items() if key[0] != run_id}

    @rule(pick=st.integers(0, 100), at=st.integers(0, 2))
    def fork(self, pick: int, at: int) -> None:
        if not self.views:
            return
        run = list(self.views.values())[pick % len(self.views)].run
        journal = self.wait(self.ledger.journal(TENANT, run.id))
        kept = {step.key: step.result for step in journal.values() if 0 < step.position <= at}
        if len(kept) < at:
            return
        made = self.wait(self.ledger.fork(TENANT, run.id, at, uuid7()))
        self.show(made.events)
        self.views[made.run.id] = RunView(made.run)
        self.final[made.run.id] = kept
        view = self.wait(self.ledger.load(TENANT, made.run.id))
        self.answers |= {(made.run.id, i.key): i.answer for i in view.interrupts}

    @rule()
    def restart(self) -> None:
        self.wait(self.ledger.close())
        self.ledger = LEDGERS[self.kind](self.folder)
        self.wait(self.ledger.open())
        self.overdue = {run.id for run in self.runs}

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def the_rules_hold(self) -> None:
        page = self.wait(self.ledger.runs(TENANT, RunFilter(), 1000))
        now = {view.run.id: view for view in page.items}
        for run_id, before in list(self.views.items()):
            if run_id in now:
                self.moved_legally(before.run, now[run_id].run)
            else:  # the policy rollback has taken it
                assert any(e.run_id == run_id and e.type in ENDS for e in self.log[before.run.thread_id])
                del self.views[run_id]
                self.forget(run_id)
        assert now.keys() == self.views.keys()
        self.views = {view.run.id: view for view in reversed(page.items)}
        running = [run.thread_id for run in self.runs if run.status is RunStatus.RUNNING]
        assert len(running) == len(set(running)), "two running runs on a thread"
        for view in page.items:
            self.answered_as_acknowledged(view)
        for thread in self.wait(self.ledger.threads(TENANT, ThreadFilter(), 1000)):
            self.holds_for_thread(thread)
        self.final_steps_are_as_acknowledged()

    def moved_legally(self, before: Run, after: Run) -> None:
        same = before.status is after.status
        assert same or after.status in TRANSITIONS[before.status], f"{before.status} became {after.status}"
        assert after.attempt - before.attempt in (0, 1)
        if before.ended:
            assert before == after
        if after.status is RunStatus.WAITING:
            assert after.interrupts >= before.interrupts

    def answered_as_acknowledged(self, view: RunView) -> None:
        answered = {i.key: i.answer for i in view.interrupts if i.status is InterruptStatus.ANSWERED}
        assert answered == {key: value for (run_id, key), value in self.answers.items() if run_id == view.run.id}
        if view.run.ended:
            assert all(i.status is not InterruptStatus.OPEN for i in view.interrupts)

    def holds_for_thread(self, thread: Thread) -> None:
        events = self.wait(self.ledger.events(TENANT, thread.id, limit=10_000))
        assert_gapless(events)
        assert events == self.log.get(thread.id, []), "the replay differs from what was shown live"
        assert thread.last_seq == len(events)
        here = {run.status for run in self.runs if run.thread_id == thread.id}
        if here & {RunStatus.QUEUED, RunStatus.RUNNING}:
            assert thread.status is ThreadStatus.BUSY
        elif RunStatus.WAITING in here:
            assert thread.status is ThreadStatus.INTERRUPTED
        else:
            assert thread.status in (ThreadStatus.IDLE, ThreadStatus.ERROR)
            assert thread.status is ThreadStatus.IDLE or RunStatus.FAILED in here
        checkpoints = self.wait(self.ledger.checkpoints(TENANT, thread.id, 1000))
        assert [c.number for c in checkpoints] == list(range(thread.checkpoint, 0, -1))
        assert thread.values == (checkpoints[0].values if checkpoints else {})

    def final_steps_are_as_acknowledged(self) -> None:
        for run_id, known in self.final.items():
            journal = self.wait(self.ledger.journal(TENANT, run_id))
            final = [step for step in journal.values() if step.status is not StepStatus.STARTED]
            assert {step.key: step.result for step in final} == known
            assert [step.position for step in final] == list(range(1, len(final) + 1))

    def everything_pending_ends_or_waits(self) -> None:
        """Drive what is left: sweep and claim until nothing is queued or running."""
        self.restart()
        for _ in range(200):
            for run in self.runs:
                self.wait(self.ledger.wake(TENANT, run.id))
            self.wait(self.ledger.sweep(MAX_CRASHES))
            claimed = self.wait(self.ledger.claim("last", 50))
            for lease, _, _ in claimed:
                self.wait(self.ledger.commit(lease, Batch(change=Change(RunStatus.SUCCEEDED))))
            page = self.wait(self.ledger.runs(TENANT, RunFilter(statuses=frozenset(BUSY)), 1000))
            if not page.items:
                return
        raise AssertionError("a run never ends")


def try_histories(kind: str, examples: int) -> None:
    machine = type(f"{kind.title()}Machine", (LedgerMachine,), {"kind": kind})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
        ),
    )


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 40), ("postgres", 10)])
def test_the_rules_of_the_ledger_hold_in_every_history(kind: str, examples: int) -> None:
    try_histories(kind, int(os.environ.get("LEDGER_EXAMPLES", examples)))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", LEDGERS)
def test_the_rules_hold_in_thousands_of_histories(kind: str) -> None:
    try_histories(kind, 2000)
