"""The verb ``submit``: a run is opened whole (idempotency key, policy, queue limits, thread, run, first events) or not
at all."""

from __future__ import annotations

from dragoman.memory.admission import rank_of
from dragoman.memory.errors import QueueFull, ThreadBusy, ThreadNotFound
from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import Lease, Submission, Submitted
from dragoman.memory.model import Json, Run, RunStatus, ThreadPolicy, ThreadStatus
from dragoman.memory.setup import dump_setup
from dragoman.memory.statements import SQL
from dragoman.memory.verbs import branch, facets
from dragoman.memory.verbs.deliveries import add_delivery
from dragoman.memory.verbs.due import has_place
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.rows import RunRow, dump_mapping, dump_optional, load, run_of
from dragoman.memory.verbs.signals import cancel_row
from dragoman.memory.verbs.thread_log import ThreadLog
from dragoman.memory.verbs.tx import Tx

__all__ = ["add_opening", "insert_run", "new_row", "submit"]

_ACTIVE = SQL["active_runs_of_thread"]
_INSERT_RUN = RowsLater(SQL["insert_run"])
_COUNT_DUE = SQL["count_due"]
_COUNT_DUE_OF_TENANT = SQL["count_due_of_tenant"]

_BUSY = frozenset({"queued", "running"})


def submit(tx: Tx, s: Submission, worker: str | None, lease_s: float) -> Submitted:
    """See ``Ledger.submit``."""
    if s.idempotency_key is not None:
        known = tx.run_by_key(s.tenant, s.idempotency_key)
        if known is not None:
            return Submitted(run_of(known), (), created=False)
    now = now_micros()
    log, is_new = _thread(tx, s)
    active = [] if is_new else [RunRow(*row) for row in tx.execute(_ACTIVE, (s.tenant, log.id))]
    displaced = _apply_policy(tx, s.policy, active, log, now) if active else ()
    asleep = s.wake_at is not None and s.wake_at > now
    busy = any(row.status in _BUSY for row in active)
    born = worker is not None and not asleep and not busy
    born = born and has_place(tx, s.tenant, s.tenant_limit, s.agent, s.agent_limit, s.in_turn)
    if not born:
        _check_queues(tx, s, now)
    row = new_row(s, log, now, running=born, wake_at=s.wake_at if asleep else None)
    row.alone = not active
    for other in active:
        known = tx.running.get((other.tenant, other.id))
        if known is not None:
            known[1].alone = False
    holder = worker if born else None
    insert_run(tx, row, log.next_seq, s.idempotency_key, holder, now + int(lease_s * 1e6), s.priority, blocked=busy)
    add_opening(log, s, row.id, born=born)
    if born and row.setup is not None:
        branch.begin(tx, row, log, now)
    log.status = ThreadStatus.BUSY
    events = log.flush(now, insert=s.thread_metadata if is_new else None)
    for delivery in s.deliveries:
        add_delivery(tx, delivery, len(s.deliveries))
    lease = Lease(s.tenant, s.run_id, log.id, holder, 1) if holder is not None else None
    return Submitted(row.run(), events, lease, True, displaced)


def _thread(tx: Tx, s: Submission) -> tuple[ThreadLog, bool]:
    if s.thread_id is None or s.new_thread:
        return ThreadLog(tx, s.tenant, s.thread_id or uuid7()), True
    log = ThreadLog.find(tx, s.tenant, s.thread_id)
    if log is not None:
        return log, False
    if not s.create_thread:
        raise ThreadNotFound(f"No thread {s.thread_id!r}.")
    return ThreadLog(tx, s.tenant, s.thread_id), True


def _apply_policy(tx: Tx, policy: ThreadPolicy, active: list[RunRow], log: ThreadLog, now: int) -> tuple[Run, ...]:
    if policy is ThreadPolicy.ENQUEUE:
        return ()
    if policy is ThreadPolicy.REJECT:
        if any(row.status in _BUSY for row in active):
            raise ThreadBusy(f"The thread {log.id!r} has an active run, and the policy is to reject a second.")
        return ()
    rollback = policy is ThreadPolicy.ROLLBACK
    # Newest first: a rollback then ends with the values that the oldest began from.
    for row in reversed(active):
        cancel_row(tx, row, log, now, "Displaced by a newer run of the thread.", rollback=rollback)
    return tuple(row.run() for row in active)


def _check_queues(tx: Tx, s: Submission, now: int) -> None:
    limit, own = s.queue_limit, s.tenant_queue_limit
    if own is not None and not tx.pace.takes_room(s.tenant, own):
        (depth,) = tx.execute(_COUNT_DUE_OF_TENANT, (s.tenant, own)).fetchone()
        _check_depth(tx, s.tenant, own, depth, f"{own} runs of this tenant wait", now)
    if limit is not None and not tx.pace.takes_room("", limit):
        (depth,) = tx.execute(_COUNT_DUE, (now, limit)).fetchone()
        _check_depth(tx, "", limit, depth, f"{limit} runs wait", now)


def _check_depth(tx: Tx, queue: str, limit: int, depth: int, told: str, now: int) -> None:
    if depth >= limit:
        wait = tx.pace.wait_for(depth, now)
        raise QueueFull(f"The queue is full ({told}); try again in {max(wait, 1):.0f} s.", retry_after=wait)
    tx.pace.counted(queue, limit, depth)


def add_opening(log: ThreadLog, s: Submission, run_id: str, *, born: bool) -> None:
    """The first events of a run; ``born`` is one that is claimed as it is opened."""
    opened: dict[str, Json] = {"agent": s.agent}
    if s.message is not None:
        opened["message"] = s.message
    log.add(run_id, "run.queued", opened)
    if born:
        log.add(run_id, "run.started", {"attempt": 1})


def new_row(s: Submission, log: ThreadLog, now: int, *, running: bool, wake_at: int | None) -> RunRow:
    """A submission as a row, not inserted yet."""
    return RunRow(
        tenant=s.tenant,
        id=s.run_id,
        thread_id=log.id,
        agent=s.agent,
        agent_version=s.agent_version,
        status=RunStatus.RUNNING if running else RunStatus.QUEUED,
        created_at=now,
        updated_at=now,
        input=dump_optional(s.input),
        message=dump_optional(s.message if s.message is None else dict(s.message)),
        output=None,
        failure=None,
        subject=s.subject,
        attempt=1 if running else 0,
        crashes=0,
        started_at=now if running else None,
        ended_at=None,
        wake_at=wake_at,
        cancel_requested=0,
        parent_run_id=s.parent_run_id,
        metadata=dump_mapping(s.metadata),
        ordinal=0,
        interrupts=0,
        artifacts=0,
        emitted=0,
        base_checkpoint=log.checkpoint,
        setup=None if s.setup is None else dump_optional(dump_setup(s.setup)),
    )


def insert_run(
    tx: Tx,
    row: RunRow,
    first_seq: int,
    idempotency_key: str | None,
    worker: str | None,
    lease_until: int,
    priority: int = 0,
    *,
    blocked: bool = False,
) -> None:
    """Insert a run and give the row its ordinal. ``blocked``: it waits for another run of its thread."""
    until = lease_until if worker is not None else None
    row.ordinal = tx.next_run_ordinal()
    tx.put(
        _INSERT_RUN,
        (
            row.ordinal,
            row.tenant,
            row.id,
            row.thread_id,
            row.agent,
            row.agent_version,
            str(row.status),
            row.created_at,
            row.updated_at,
            row.subject,
            row.attempt,
            row.started_at,
            row.wake_at,
            row.parent_run_id,
            idempotency_key,
            worker,
            until,
            first_seq,
            row.base_checkpoint,
            row.interrupts,
            row.metadata,
            row.input,
            row.message,
            row.setup,
            rank_of(row.created_at, priority),
            int(blocked),
        ),
    )
    if row.metadata != b"{}":
        facets.add(tx, row.tenant, "run", load(row.metadata), row.ordinal)
    if worker is not None:
        tx.running[row.tenant, row.id] = worker, row
