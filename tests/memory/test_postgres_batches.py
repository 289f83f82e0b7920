"""Verbs that share transactions on Postgres: what they leave is what they leave in transactions of their own."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, LiteralString
from unittest import mock

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.memory.errors import DragomanError
from dragoman.memory.ledger import (
    Batch,
    Change,
    Committed,
    Lease,
    NewArtifact,
    NewEvent,
    NewStep,
    Submission,
    Submitted,
)
from dragoman.memory.model import Failure, FailureKind, RunStatus, StepStatus
from dragoman.memory.postgres.ledger import PostgresLedger
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.verbs import commit, record, submit

from . import helpers
from .conftest import MASTERS
from .helpers import WORKER, question
from .postgres_ledgers import url_of

NOW_NS = 1_900_000_000_000_000_000
EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "25"))
THREADS = 12
# Without what differs whoever writes: ordinals, and times by the database's clock.
_ROWS: dict[str, LiteralString] = {
    "runs": "SELECT to_jsonb(r) - '{tenant,ordinal,lease_until}'::text[] FROM runs AS r WHERE tenant = %s",
    "threads": "SELECT to_jsonb(r) - '{tenant,ordinal}'::text[] FROM threads AS r WHERE tenant = %s",
    "events": "SELECT to_jsonb(r) - 'tenant' FROM events AS r WHERE tenant = %s",
    "steps": "SELECT to_jsonb(r) - 'tenant' FROM steps AS r WHERE tenant = %s",
    "checkpoints": "SELECT to_jsonb(r) - 'tenant' FROM checkpoints AS r WHERE tenant = %s",
    "interrupts": "SELECT to_jsonb(r) - 'tenant' FROM interrupts AS r WHERE tenant = %s",
    "facets": "SELECT to_jsonb(r) - '{tenant,ordinal}'::text[] FROM facets AS r WHERE tenant = %s",
}

Verb = tuple[int, str, Any]
"""The thread, what is done to its run, and with which values."""

_KINDS = ("step", "step", "note", "note", "end", "end", "end", "fail", "ask", "requeue", "record")
_VALUE = st.sampled_from((None, 0, 1, 2.5, "x", "ü\\", True, [1], {"k": 1}))
_VALUES = st.none() | st.dictionaries(st.sampled_from("abcde"), _VALUE, max_size=5)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Verb]]:
    """Rounds of verbs that come at once, each on another thread."""
    numbers = st.lists(st.integers(0, THREADS - 1), min_size=1, max_size=THREADS, unique=True)
    return [
        [(n, draw(st.sampled_from(_KINDS)), draw(_VALUES)) for n in draw(numbers)]
        for _ in range(draw(st.integers(2, 8)))
    ]


class _Alone(PostgresLedger):
    """Each verb in a transaction of its own, by the statements of one row."""

    async def submit(self, submission: Submission, claim_for: str | None = None, lease_s: float = 30.0) -> Submitted:
        """See ``Ledger.submit``."""
        return await self._runner.write(submit.submit, submission, claim_for, lease_s)

    async def record(self, submission: Submission, batch: Batch, began: int) -> Submitted:
        """See ``Ledger.record``."""
        return await self._runner.write(record.record, submission, batch, began)

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        """See ``Ledger.commit``."""
        return await self._runner.write(commit.commit, lease, batch)


class _Player:
    """Plays a history for one tenant."""

    def __init__(self, ledger: PostgresLedger, tenant: str) -> None:
        self._ledger = ledger
        self._tenant = tenant
        self._leases: dict[int, Lease] = {}
        self._generation: Counter[int] = Counter()
        self._runs: Counter[int] = Counter()
        self._threads: set[str] = set()
        self._names: list[str] = []

    async def play(self, rounds: list[list[Verb]], *, at_once: bool) -> list[Any]:
        """What each verb answered; ``at_once`` all of a round."""
        answers: list[Any] = []
        for each in rounds:
            calls = [self._answer(*verb) for verb in each]
            answers += await asyncio.gather(*calls) if at_once else [await call for call in calls]
        return answers

    async def views(self) -> list[Any]:
        """What is read of each run."""
        found = [await self._ledger.load(self._tenant, run) for run in self._names]
        return [replace(view, run=replace(view.run, tenant="", ordinal=0)) for view in found]

    async def _answer(self, thread: int, kind: str, values: Any) -> Any:
        try:
            done = await self._called(thread, kind, values)
        except DragomanError as error:
            return type(error)
        return replace(done.run, tenant="", ordinal=0), done.events

    def _called(self, thread: int, kind: str, values: Any) -> Coroutine[Any, Any, Any]:
        lease = self._leases.get(thread)
        if kind == "record":
            ended = Batch(values=values, change=Change(RunStatus.SUCCEEDED, output=values))
            name = f"th-{thread}-{self._runs[thread]}-recorded"
            return self._ledger.record(self._submission(thread, thread_id=name), ended, NOW_NS // 1000)
        if lease is None:
            return self._opened(thread)
        if kind not in ("step", "note"):
            del self._leases[thread]
            if kind in ("ask", "requeue"):  # that run stays with its thread
                self._generation[thread] += 1
        return self._ledger.commit(lease, _batch(kind, values))

    async def _opened(self, thread: int) -> Any:
        name = f"th-{thread}-{self._generation[thread]}"
        new = name not in self._threads
        self._threads.add(name)
        done = await self._ledger.submit(self._submission(thread, thread_id=name, new_thread=new), WORKER)
        assert done.lease is not None
        self._leases[thread] = done.lease
        return done

    def _submission(self, thread: int, **fields: Any) -> Any:
        self._runs[thread] += 1
        name = f"r-{thread}-{self._runs[thread]}"
        self._names.append(name)
        return helpers.submission(tenant=self._tenant, run_id=name, input={"of": thread}, **fields)


def _batch(kind: str, values: Any) -> Batch:
    """What a verb writes to a running run."""
    match kind:
        case "step":
            return Batch(steps=[NewStep("s", StepStatus.FINISHED, result=values)], values=values)
        case "note":
            files = [NewArtifact("f", "f.txt", "text/plain", b"kept")] if values else []
            return Batch(events=[NewEvent("note", {"of": values})], emitted=1, values=values, artifacts=files)
        case "ask":
            return Batch(interrupts=[question("sure")], values=values, change=Change(RunStatus.WAITING))
        case "fail":
            failure = Failure(FailureKind.ERROR, "it broke", "ValueError")
            return Batch(values=values, change=Change(RunStatus.FAILED, failure=failure))
        case "requeue":
            return Batch(values=values, change=Change(RunStatus.QUEUED, wake_at=NOW_NS // 500))
        case _:
            return Batch(values=values, change=Change(RunStatus.SUCCEEDED, output=values), emitted=2)


class _Pair:
    """The ledger and the one that it is compared with, on a loop of their own. Examples share them: each has a tenant
    of its own in both."""

    def __init__(self, url: str, masters: MasterKeys | None) -> None:
        self._url = url
        self._sealed = masters is not None
        self._numbers = itertools.count()
        self._runner = asyncio.Runner()
        self._ledgers = [kind(url, masters=masters, connections=6) for kind in (PostgresLedger, _Alone)]
        for ledger in self._ledgers:
            self._runner.run(ledger.open())

    def close(self) -> None:
        """Close them and their loop."""
        for ledger in self._ledgers:
            self._runner.run(ledger.close())
        self._runner.close()

    def played(self, rounds: list[list[Verb]]) -> list[tuple[list[Any], list[Any]]]:
        """Of each, what the verbs answered and what there is then; the first was asked all of a round at once."""
        return [self._played(ledger, rounds) for ledger in self._ledgers]

    def _played(self, ledger: PostgresLedger, rounds: list[list[Verb]]) -> tuple[list[Any], list[Any]]:
        tenant = f"tenant-{next(self._numbers)}"
        player = _Player(ledger, tenant)
        with mock.patch.object(time, "time_ns", return_value=NOW_NS):
            answers = self._runner.run(player.play(rounds, at_once=type(ledger) is PostgresLedger))
            views = self._runner.run(player.views())
        return answers, views if self._sealed else self._rows(tenant)

    def _rows(self, tenant: str) -> list[Any]:
        with psycopg.connect(self._url) as db:
            return [sorted(map(repr, db.execute(rows, (tenant,)))) for rows in _ROWS.values()]


@pytest.fixture(params=[None, MASTERS], ids=["plain", "sealed"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[_Pair]:
    """Two ledgers for all examples."""
    made = _Pair(url_of(tmp_path), request.param)
    yield made
    made.close()


@given(rounds=histories())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_verbs_that_come_at_once_leave_what_they_leave_alone(pair: _Pair, rounds: list[list[Verb]]) -> None:
    together, alone = pair.played(rounds)
    assert together == alone
