"""What the verbs of every run are known to read, asked at once: the lock first, then what is read under it."""

from __future__ import annotations

from dragoman.memory.ledger import Lease, Submission
from dragoman.memory.postgres.runner import Expect
from dragoman.memory.postgres.tx import PostgresTx

__all__ = ["for_commit", "for_submission"]


def for_commit(lease: Lease) -> Expect:
    """The thread's head, and the run under its fence."""

    def expect(tx: PostgresTx) -> None:
        tx.expect("thread_head", lease.tenant, lease.thread_id)
        tx.expect("run_under_lease", lease.tenant, lease.run_id, lease.attempt, lease.worker)

    return expect


def for_submission(submission: Submission) -> Expect:
    """The run that has the key, the thread's head and its active runs, and the new run's ordinal."""

    def expect(tx: PostgresTx) -> None:
        if submission.idempotency_key is not None:
            tx.expect("run_by_idempotency_key", submission.tenant, submission.idempotency_key)
        if submission.thread_id is not None and not submission.new_thread:
            tx.expect("thread_head", submission.tenant, submission.thread_id)
            tx.expect("active_runs_of_thread", submission.tenant, submission.thread_id)
        tx.expect_run_ordinal()

    return expect
