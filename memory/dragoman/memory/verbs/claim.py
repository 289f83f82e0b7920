"""The verbs of leases: ``claim``, ``renew``, ``sweep``.

The clock is this host's, and that is the database's: there is one process.
"""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.memory.admission import ANY_RUN, ClaimTerms
from dragoman.memory.codec import dumps
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import Lease, Renewed
from dragoman.memory.model import Event, Failure, FailureKind, Run, RunStatus
from dragoman.memory.sealing.errors import Unreadable
from dragoman.memory.statements import SQL
from dragoman.memory.verbs import branch, deliveries, facts, store_items
from dragoman.memory.verbs.due import Candidate, next_runs
from dragoman.memory.verbs.rows import RunRow
from dragoman.memory.verbs.thread_log import ThreadLog
from dragoman.memory.verbs.transition import end, requeue, store
from dragoman.memory.verbs.tx import Tx

__all__ = ["claim", "expire_leases", "renew", "sweep"]

_PROMOTE = SQL["promote_due"]
_CLAIM = SQL["claim_run"]
_RENEW = SQL["renew_leases"]
_EXPIRE_LEASES = SQL["expire_leases"]
_OVERDUE = SQL["runs_with_overdue_lease"]
_EXPIRED = SQL["runs_with_expired_interrupt"]
_EXPIRE_INTERRUPTS = SQL["expire_interrupts"]

# What one sweep takes back; the next one takes the rest.
_SWEEP_LIMIT = 500


def claim(
    tx: Tx, worker: str, limit: int, lease_s: float, terms: ClaimTerms = ANY_RUN
) -> Sequence[tuple[Lease, Run, tuple[Event, ...]]]:
    """See ``Ledger.claim``."""
    now = now_micros()
    until = now + int(lease_s * 1e6)
    tx.execute(_PROMOTE, (now,))
    claimed: list[tuple[Lease, Run, tuple[Event, ...]]] = []
    for candidate in next_runs(tx, limit, terms):
        try:
            claimed.append(_claim_one(tx, worker, candidate, now, until))
        except Unreadable:  # it holds up its own thread, until its row is brought back, and no other run
            continue
    return claimed


def _claim_one(tx: Tx, worker: str, candidate: Candidate, now: int, until: int) -> tuple[Lease, Run, tuple[Event, ...]]:
    ordinal, tenant, thread_id = candidate
    log = ThreadLog.of_run(tx, tenant, thread_id)
    row = RunRow(*tx.execute(_CLAIM, (now, worker, until, log.checkpoint, ordinal)).fetchone())
    tx.running[tenant, row.id] = worker, row
    log.add(row.id, "run.started", {"attempt": row.attempt})
    if row.setup is not None and row.attempt == 1:
        branch.begin(tx, row, log, now)
    run = row.run()
    return Lease(tenant, run.id, thread_id, worker, run.attempt), run, log.flush(now)


def renew(tx: Tx, worker: str, held: Sequence[str], lease_s: float) -> Renewed:
    """See ``Ledger.renew``. Only what is held is renewed: a run that nobody drives must come back to the queue."""
    until = now_micros() + int(lease_s * 1e6)
    found: dict[str, int] = dict(tx.execute(_RENEW, (until, worker, dumps(list(held)).decode())).fetchall())
    return Renewed(
        lost=tuple(run_id for run_id in held if run_id not in found),
        cancel=tuple(run_id for run_id in held if found.get(run_id)),
    )


def expire_leases(tx: Tx) -> None:
    """End all leases at once: this process has just opened the ledger, so that no other one holds any."""
    tx.execute(_EXPIRE_LEASES)
    deliveries.free_all(tx)


def sweep(tx: Tx, max_crashes: int) -> Sequence[tuple[Run, tuple[Event, ...]]]:
    """See ``Ledger.sweep``."""
    now = now_micros()
    facts.drop_expired(tx, now)
    store_items.sweep_items(tx, _SWEEP_LIMIT)
    # Expiries first: a run that is taken back may end, which wakes its parent before its own question has expired.
    expired = [_expire(tx, RunRow(*row), now) for row in tx.execute(_EXPIRED, (now, _SWEEP_LIMIT)).fetchall()]
    overdue = tx.execute(_OVERDUE, (now, _SWEEP_LIMIT)).fetchall()
    return expired + [_take_back(tx, RunRow(*row), now, max_crashes) for row in overdue]


def _take_back(tx: Tx, row: RunRow, now: int, max_crashes: int) -> tuple[Run, tuple[Event, ...]]:
    log = ThreadLog.of_run(tx, row.tenant, row.thread_id)
    row.crashes += 1
    if row.cancel_requested:
        end(tx, row, log, now, RunStatus.CANCELLED, reason=row.cancel_reason)
    elif row.crashes >= max_crashes:
        times = "once" if row.crashes == 1 else f"{row.crashes} times"
        message = f"The run lost its worker {times} without finishing a step in between; it is not tried again."
        end(tx, row, log, now, RunStatus.FAILED, failure=Failure(FailureKind.ERROR, message, "WorkerLost"))
    else:
        requeue(row, now)
    store(tx, row, log)
    return row.run(), log.flush(now)


def _expire(tx: Tx, row: RunRow, now: int) -> tuple[Run, tuple[Event, ...]]:
    log = ThreadLog.of_run(tx, row.tenant, row.thread_id)
    keys = [key for (key,) in tx.execute(_EXPIRE_INTERRUPTS, (row.tenant, row.id, now)).fetchall()]
    if keys:
        log.add(row.id, "run.resumed", {"keys": keys, "by": "", "expired": True})
    requeue(row, now)
    store(tx, row, log)
    return row.run(), log.flush(now)
