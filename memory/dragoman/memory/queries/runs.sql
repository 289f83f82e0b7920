-- Runs: opening, leases, status changes, lists. Status changes go through model.check_transition before they come here.

-- :name run_columns
-- In the order of the fields of model.Run.
tenant, id, thread_id, agent, agent_version, status, created_at, updated_at, input, message, output, failure, subject,
attempt, crashes, started_at, ended_at, wake_at, cancel_requested, parent_run_id, metadata, ordinal, interrupts, artifacts,
emitted, base_checkpoint, setup

-- :name run_state
-- The columns of a run and what only the ledger knows of it.
{run_columns}, (SELECT coalesce(max(position), 0) FROM steps AS s WHERE s.tenant = runs.tenant AND s.run_id = runs.id),
rollback, woken, cancel_reason

-- :name is_pending
-- Spelled as in the index runs_pending, which is used only for a condition that repeats its own.
status IN ('queued', 'waiting')

-- :name run_by_id
-- tenant, id
SELECT {run_columns} FROM runs WHERE tenant = ? AND id = ?;

-- :name run_state_by_id
-- tenant, id
SELECT {run_state} FROM runs WHERE tenant = ? AND id = ?;

-- :name run_by_idempotency_key
-- tenant, idempotency_key
SELECT {run_columns} FROM runs WHERE tenant = ? AND idempotency_key = ?;

-- :name run_under_lease
-- The fence: a row only while this attempt of this worker is the run's.
-- tenant, id, attempt, lease_owner
SELECT {run_state} FROM runs
WHERE tenant = ? AND id = ? AND status = 'running' AND attempt = ? AND lease_owner = ?;

-- :name insert_ended_run
-- ordinal, tenant, id, thread_id, agent, agent_version, status, created_at, updated_at, subject, started_at, ended_at,
-- idempotency_key, emitted, metadata, input, message, output, failure, setup
INSERT INTO runs (
    ordinal, tenant, id, thread_id, agent, agent_version, status, created_at, updated_at, subject, started_at, ended_at,
    idempotency_key, emitted, metadata, input, message, output, failure, setup, attempt, first_seq, base_checkpoint,
    interrupts, crashes, cancel_requested, cancel_reason, rollback, woken, artifacts)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, 0, 0, 0, 0, '', 0, 0, 0);

-- :name last_run_ordinal
SELECT coalesce(max(ordinal), 0) FROM runs;

-- :name insert_run
-- ordinal, tenant, id, thread_id, agent, agent_version, status, created_at, updated_at, subject, attempt, started_at, wake_at,
-- parent_run_id, idempotency_key, lease_owner, lease_until, first_seq, base_checkpoint, interrupts, metadata, input, message,
-- setup, rank, blocked
INSERT INTO runs (
    ordinal, tenant, id, thread_id, agent, agent_version, status, created_at, updated_at, subject, attempt, started_at, wake_at,
    parent_run_id, idempotency_key, lease_owner, lease_until, first_seq, base_checkpoint, interrupts, metadata,
    input, message, setup, rank, blocked, crashes, cancel_requested, cancel_reason, rollback, woken, artifacts, emitted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, '', 0, 0, 0, 0);

-- :name active_runs_of_thread
-- Oldest first. tenant, thread_id
SELECT {run_state} FROM runs INDEXED BY runs_pending WHERE tenant = ?1 AND thread_id = ?2 AND {is_pending}
UNION ALL
SELECT {run_state} FROM runs INDEXED BY runs_running WHERE tenant = ?1 AND thread_id = ?2 AND status = 'running'
ORDER BY ordinal;

-- :name other_active_statuses
-- tenant, thread_id, ordinal
SELECT status FROM runs INDEXED BY runs_pending
WHERE tenant = ?1 AND thread_id = ?2 AND {is_pending} AND ordinal <> ?3
UNION ALL SELECT status FROM runs INDEXED BY runs_running
WHERE tenant = ?1 AND thread_id = ?2 AND status = 'running' AND ordinal <> ?3;

-- :name promote_due
-- Sleepers whose time has come join the queue in the order of their submission. now
UPDATE runs SET wake_at = NULL WHERE status = 'queued' AND wake_at IS NOT NULL AND wake_at <= ?;

-- :name claim_run
-- now, worker, lease_until, the thread's checkpoint, ordinal
UPDATE runs SET status = 'running', attempt = attempt + 1, updated_at = ?1, started_at = coalesce(started_at, ?1),
    lease_owner = ?2, lease_until = ?3, woken = 0, wake_at = NULL,
    base_checkpoint = CASE attempt WHEN 0 THEN ?4 ELSE base_checkpoint END
WHERE ordinal = ?5 AND status = 'queued' RETURNING {run_state};

-- :name set_base_checkpoint
-- base_checkpoint, ordinal
UPDATE runs SET base_checkpoint = ? WHERE ordinal = ?;

-- :name renew_leases
-- lease_until, worker, JSON array of run ids
UPDATE runs SET lease_until = ? WHERE status = 'running' AND lease_owner = ?
  AND id IN (SELECT value FROM json_each(?)) RETURNING id, cancel_requested;

-- :name expire_leases
UPDATE runs SET lease_until = 0 WHERE status = 'running';

-- :name runs_with_overdue_lease
-- now, limit
SELECT {run_state} FROM runs WHERE status = 'running' AND lease_until <= ? LIMIT ?;

-- :name runs_with_expired_interrupt
-- now, limit
SELECT {run_state} FROM runs WHERE status = 'waiting' AND wake_at IS NOT NULL AND wake_at <= ? LIMIT ?;

-- :name next_due
-- The earliest wake-up, expiry of an interrupt, and end of a lease.
SELECT min(at) FROM (
    SELECT min(wake_at) AS at FROM runs WHERE status = 'queued' AND wake_at IS NOT NULL
    UNION ALL SELECT min(wake_at) FROM runs WHERE status = 'waiting' AND wake_at IS NOT NULL
    UNION ALL SELECT min(lease_until) FROM runs WHERE status = 'running');

-- :name note_progress
-- updated_at, crashes, interrupts, artifacts, emitted, ordinal, tenant, id
UPDATE runs SET updated_at = ?, crashes = ?, interrupts = ?, artifacts = ?, emitted = ?
WHERE ordinal = ? AND tenant = ? AND id = ?;

-- :name set_input
-- Apart from what changes often: it may be large, and sealed. input, ordinal, tenant, id
UPDATE runs SET input = ? WHERE ordinal = ? AND tenant = ? AND id = ?;

-- :name change_status
-- Ends the lease: no status but running has one. woken is consumed. A queued one may be free to start: who takes runs looks.
-- status, updated_at, output, failure, crashes, ended_at, wake_at, interrupts, artifacts, emitted, ordinal, tenant, id
UPDATE runs SET status = ?, updated_at = ?, output = ?, failure = ?, crashes = ?, ended_at = ?, wake_at = ?,
    interrupts = ?, artifacts = ?, emitted = ?, lease_owner = NULL, lease_until = NULL, woken = 0, blocked = 0
WHERE ordinal = ? AND tenant = ? AND id = ?;

-- :name request_cancel
-- reason, rollback, updated_at, ordinal, tenant, id
UPDATE runs SET cancel_requested = 1, cancel_reason = ?, rollback = max(rollback, ?), updated_at = ?
WHERE ordinal = ? AND tenant = ? AND id = ?;

-- :name wake_run
-- now, tenant, id
UPDATE runs SET wake_at = ?1 WHERE tenant = ?2 AND id = ?3 AND status = 'queued' AND wake_at > ?1;

-- :name note_child_settled
-- tenant, id
UPDATE runs SET woken = 1 WHERE tenant = ? AND id = ? AND status = 'running';

-- :name delete_run
-- tenant, id
DELETE FROM runs WHERE tenant = ? AND id = ?;

-- :name delete_runs_of_thread
-- tenant, thread_id
DELETE FROM runs WHERE tenant = ? AND thread_id = ?;

-- :name last_ended_status
-- tenant, thread_id
SELECT status FROM runs WHERE tenant = ? AND thread_id = ? AND ended_at IS NOT NULL
ORDER BY ended_at DESC, ordinal DESC LIMIT 1;

-- :name count_interrupts
-- number, ordinal
UPDATE runs SET interrupts = ? WHERE ordinal = ?;

-- Lists, newest first, before an ordinal, each by one index. None has a limit: the reader stops when it has enough.
-- All take: tenant, what the list is of (NULL for the running ones), before, updated_after, a text that the metadata
-- contains or NULL, agent or NULL.

-- :name and_matches
AND updated_at > ?4 AND (?5 IS NULL OR instr(metadata, ?5)) AND (?6 IS NULL OR agent = ?6)

-- :name runs_of_thread_before
SELECT {run_columns} FROM runs INDEXED BY runs_by_thread
WHERE tenant = ?1 AND thread_id = ?2 AND ordinal < ?3 {and_matches} ORDER BY ordinal DESC;

-- :name runs_of_parent_before
SELECT {run_columns} FROM runs INDEXED BY runs_by_parent
WHERE tenant = ?1 AND parent_run_id = ?2 AND ordinal < ?3 {and_matches} ORDER BY ordinal DESC;

-- :name ended_runs_before
SELECT {run_columns} FROM runs INDEXED BY runs_ended
WHERE tenant = ?1 AND status = ?2 AND ordinal < ?3 AND ended_at IS NOT NULL {and_matches} ORDER BY ordinal DESC;

-- :name running_runs_before
-- The ordinals are sorted, not the rows.
SELECT {run_columns} FROM runs WHERE ordinal IN (
    SELECT ordinal FROM runs INDEXED BY runs_running WHERE tenant = ?1 AND status = 'running' AND ordinal < ?3)
{and_matches} ORDER BY ordinal DESC;

-- :name pending_runs_before
SELECT {run_columns} FROM runs WHERE ordinal IN (
    SELECT ordinal FROM runs INDEXED BY runs_pending
    WHERE tenant = ?1 AND {is_pending} AND status = ?2 AND ordinal < ?3)
{and_matches} ORDER BY ordinal DESC;

-- The latest change first, each status by one index.

-- :name latest_runs_before
-- tenant, agent, status, updated_at and ordinal of the last one seen, updated_after, limit
SELECT {run_columns} FROM runs INDEXED BY runs_changed
WHERE tenant = ?1 AND agent = ?2 AND status = ?3 AND (updated_at, ordinal) < (?4, ?5) AND updated_at > ?6
ORDER BY updated_at DESC, ordinal DESC LIMIT ?7;

-- :name count_latest_runs
-- tenant, agent, status, updated_after, most
SELECT count(*) FROM (
    SELECT 1 FROM runs INDEXED BY runs_changed
    WHERE tenant = ?1 AND agent = ?2 AND status = ?3 AND updated_at > ?4 LIMIT ?5) AS found;
