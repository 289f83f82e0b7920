"""The verbs of runs, as a part of ``PostgresLedger``. What each does is in the modules of the embedded ledger.

``expect`` says what a verb is known to read, so that it goes out with the lock before it. The verbs that every run
needs go through ``lanes.py``: those that come at once share a transaction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from dragoman.memory.admission import ANY_RUN, ClaimTerms
from dragoman.memory.ledger import Batch, Committed, Lease, Renewed, RunFilter, Submission, Submitted
from dragoman.memory.model import Event, Json, Page, Run, RunView, Step
from dragoman.memory.postgres.days import Days
from dragoman.memory.postgres.expected import for_submission
from dragoman.memory.postgres.keeper import Keeper
from dragoman.memory.postgres.lanes import Lanes
from dragoman.memory.postgres.runner import Runner
from dragoman.memory.verbs import claim, commit, fork, listing, reading, record, signals, submit

__all__ = ["RunVerbs"]


class RunVerbs(ABC):
    """See ``Ledger``."""

    _keeper: Keeper
    _days: Days

    @property
    @abstractmethod
    def _runner(self) -> Runner: ...

    @property
    @abstractmethod
    def _lanes(self) -> Lanes: ...

    # -- runs: the write path -----------------------------------------------------------------------------------------

    async def submit(self, submission: Submission, claim_for: str | None = None, lease_s: float = 30.0) -> Submitted:
        """See ``Ledger.submit``."""
        if claim_for is not None and _shares(submission):
            return await self._lanes.open(submit.submit, submission, claim_for, lease_s)
        return await self._runner.write(
            submit.submit, submission, claim_for, lease_s, expect=for_submission(submission)
        )

    async def record(self, submission: Submission, batch: Batch, began: int) -> Submitted:
        """See ``Ledger.record``."""
        return await self._lanes.open(record.record, submission, batch, began)

    async def claim(
        self, worker: str, limit: int, lease_s: float = 30.0, terms: ClaimTerms = ANY_RUN
    ) -> Sequence[tuple[Lease, Run, tuple[Event, ...]]]:
        """See ``Ledger.claim``."""
        return await self._runner.write(claim.claim, worker, limit, lease_s, terms)

    async def renew(self, worker: str, held: Iterable[str], lease_s: float = 30.0) -> Renewed:
        """See ``Ledger.renew``."""
        names = list(held)
        if not names:
            await self._lanes.settle()
            await self._runner.settle()  # a renewal comes after the writes that were begun before it
        return await self._keeper.renew(worker, names, lease_s)

    async def sweep(self, max_crashes: int) -> Sequence[tuple[Run, tuple[Event, ...]]]:
        """See ``Ledger.sweep``."""
        # Not when a database is back that was away: who was at work then has to renew first.
        swept = await self._runner.write(claim.sweep, max_crashes, patience=0)
        await self._days.make_ahead(self._runner)
        return swept

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        """See ``Ledger.commit``."""
        return await self._lanes.commit(commit.commit, lease, batch)

    async def cancel(
        self, tenant: str, run_id: str, reason: str = "", *, rollback: bool = False
    ) -> tuple[Run, tuple[Event, ...]]:
        """See ``Ledger.cancel``."""
        return await self._runner.write(signals.cancel, tenant, run_id, reason, rollback)

    async def answer(
        self, tenant: str, run_id: str, answers: Mapping[str, Json], by: str
    ) -> tuple[Run, tuple[Event, ...]]:
        """See ``Ledger.answer``."""
        return await self._runner.write(signals.answer, tenant, run_id, answers, by)

    async def wake(self, tenant: str, run_id: str) -> None:
        """See ``Ledger.wake``."""
        await self._runner.write(signals.wake, tenant, run_id)

    async def fork(
        self, tenant: str, run_id: str, at_step: int, new_run_id: str, patch: Mapping[str, Json] | None = None
    ) -> Submitted:
        """See ``Ledger.fork``."""
        return await self._runner.write(fork.fork, tenant, run_id, at_step, new_run_id, patch)

    async def delete_run(self, tenant: str, run_id: str) -> None:
        """See ``Ledger.delete_run``."""
        await self._runner.write(signals.delete_run, tenant, run_id)

    # -- runs: reading ------------------------------------------------------------------------------------------------

    async def load(self, tenant: str, run_id: str) -> RunView:
        """See ``Ledger.load``."""
        return await self._runner.read(reading.read_view, tenant, run_id)

    async def find_run(self, tenant: str, idempotency_key: str) -> Run | None:
        """See ``Ledger.find_run``."""
        return await self._runner.read(reading.read_run_by_key, tenant, idempotency_key)

    async def journal(self, tenant: str, run_id: str) -> Mapping[str, Step]:
        """See ``Ledger.journal``."""
        return await self._runner.read(reading.read_journal, tenant, run_id)

    async def runs(
        self, tenant: str, where: RunFilter, limit: int = 50, cursor: str | None = None, *, bare: bool = False
    ) -> Page[RunView]:
        """See ``Ledger.runs``."""
        return await self._runner.read(listing.read_runs, tenant, where, limit, cursor, bare)

    async def events(
        self, tenant: str, thread_id: str, after: int = 0, limit: int = 1000, run_id: str | None = None
    ) -> Sequence[Event]:
        """See ``Ledger.events``."""
        return await self._runner.read(reading.read_events, tenant, thread_id, after, limit, run_id)

    async def next_due(self) -> int | None:
        """See ``Ledger.next_due``."""
        return await self._runner.read(reading.read_next_due)

    async def queue_depth(self) -> int:
        """See ``Ledger.queue_depth``."""
        return await self._runner.read(reading.read_depth)


def _shares(s: Submission) -> bool:
    """Whether a run that is born claimed needs nothing but a thread of its own: no lock, and no count of what waits or
    runs, in which those that go with it would be missing."""
    free = s.agent_limit is None and s.tenant_limit is None and not s.in_turn and s.wake_at is None
    return free and (s.thread_id is None or s.new_thread) and s.setup is None and not s.deliveries
