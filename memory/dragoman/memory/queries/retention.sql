-- What is forgotten when its time is over. First some rows are taken, in order and locked where others write; then is read which of them
-- nothing needs; then those go.

-- :name next_tenant
-- tenant
SELECT min(tenant) FROM threads WHERE tenant > ?;

-- :name ended_runs_after
-- tenant, status, after, limit
SELECT r.ordinal, r.id, r.created_at FROM runs AS r INDEXED BY runs_ended
WHERE r.tenant = ?1 AND r.status = ?2 AND r.ordinal > ?3 AND r.ended_at IS NOT NULL ORDER BY r.ordinal LIMIT ?4;

-- :name threads_unused_after
-- tenant, updated_at, ordinal, before, limit
SELECT t.updated_at, t.ordinal, t.id FROM threads AS t INDEXED BY threads_updated
WHERE t.tenant = ?1 AND (t.updated_at, t.ordinal) > (?2, ?3) AND t.updated_at < ?4
ORDER BY t.updated_at, t.ordinal LIMIT ?5;

-- :name threads_after
-- tenant, id, limit
SELECT t.id FROM threads AS t WHERE t.tenant = ?1 AND t.id > ?2 ORDER BY t.id LIMIT ?3;

-- :name run_is_needed
-- By its parent, which reads what its children gave, or by a child that is at work for it, or by who is still to be told of it.
EXISTS (SELECT 1 FROM runs AS p WHERE p.tenant = r.tenant AND p.id = r.parent_run_id AND p.ended_at IS NULL)
OR EXISTS (SELECT 1 FROM runs AS c INDEXED BY runs_by_parent
    WHERE c.tenant = r.tenant AND c.parent_run_id = r.id AND c.parent_run_id IS NOT NULL AND c.ended_at IS NULL)
OR EXISTS (SELECT 1 FROM deliveries AS d INDEXED BY sqlite_autoindex_deliveries_1
    WHERE d.tenant = r.tenant AND d.run_id = r.id AND d.status = 'active')

-- :name run_of_active_thread
EXISTS (SELECT 1 FROM runs AS o INDEXED BY runs_running
    WHERE o.tenant = r.tenant AND o.thread_id = r.thread_id AND o.status = 'running')
OR EXISTS (SELECT 1 FROM runs AS o INDEXED BY runs_pending
    WHERE o.tenant = r.tenant AND o.thread_id = r.thread_id AND o.status IN ('queued', 'waiting'))

-- :name thread_is_active
EXISTS (SELECT 1 FROM runs AS o INDEXED BY runs_running
    WHERE o.tenant = t.tenant AND o.thread_id = t.id AND o.status = 'running')
OR EXISTS (SELECT 1 FROM runs AS o INDEXED BY runs_pending
    WHERE o.tenant = t.tenant AND o.thread_id = t.id AND o.status IN ('queued', 'waiting'))

-- :name free_runs
-- tenant, JSON array of ids
SELECT r.id, r.ordinal, r.ended_at, r.artifacts, r.metadata FROM runs AS r INDEXED BY sqlite_autoindex_runs_1
WHERE r.tenant = ?1 AND r.id IN (SELECT value FROM json_each(?2)) AND r.ended_at IS NOT NULL
  AND NOT ({run_is_needed}) AND NOT ({run_of_active_thread});

-- :name free_threads
-- The plus keeps it from being read by all that are as old. tenant, JSON array of ids, before
SELECT t.id FROM threads AS t
WHERE t.tenant = ?1 AND t.id IN (SELECT value FROM json_each(?2)) AND +t.updated_at < ?3
  AND NOT EXISTS (SELECT 1 FROM crons AS k WHERE k.tenant = t.tenant AND k.thread_id = t.id AND k.thread_id IS NOT NULL)
  AND NOT ({thread_is_active})
  AND NOT EXISTS (SELECT 1 FROM runs AS r INDEXED BY runs_by_thread
    WHERE r.tenant = t.tenant AND r.thread_id = t.id AND ({run_is_needed}));

-- :name quiet_logs
-- tenant, JSON array of ids
SELECT t.id, t.checkpoint FROM threads AS t
WHERE t.tenant = ?1 AND t.id IN (SELECT value FROM json_each(?2)) AND NOT ({thread_is_active})
  AND NOT EXISTS (SELECT 1 FROM runs AS r INDEXED BY runs_by_thread
    WHERE r.tenant = t.tenant AND r.thread_id = t.id AND ({run_is_needed}));

-- Of runs. tenant, JSON array of ids

-- :name run_ids
(SELECT value FROM json_each(?2))

-- :name deliveries_of_runs
(SELECT ordinal FROM deliveries WHERE tenant = ?1 AND run_id IN {run_ids})

-- :name purge_steps
DELETE FROM steps WHERE tenant = ?1 AND run_id IN {run_ids};

-- :name purge_interrupts
DELETE FROM interrupts WHERE tenant = ?1 AND run_id IN {run_ids};

-- :name purge_artifacts
DELETE FROM artifacts WHERE tenant = ?1 AND run_id IN {run_ids};

-- :name purge_dead_letters
DELETE FROM dead_letters WHERE delivery IN {deliveries_of_runs};

-- :name purge_delivery_secrets
DELETE FROM delivery_secrets WHERE delivery IN {deliveries_of_runs};

-- :name purge_deliveries
DELETE FROM deliveries WHERE tenant = ?1 AND run_id IN {run_ids};

-- :name purge_runs
DELETE FROM runs WHERE tenant = ?1 AND id IN {run_ids};

-- :name forget_artifacts_of_runs
UPDATE runs SET artifacts = 0 WHERE tenant = ?1 AND id IN {run_ids};

-- :name old_deliveries
-- tenant, JSON array of ids, done before, dead before
SELECT ordinal FROM deliveries INDEXED BY sqlite_autoindex_deliveries_1 WHERE tenant = ?1 AND run_id IN {run_ids}
  AND ((status = 'done' AND updated_at < ?3) OR (status = 'dead' AND updated_at < ?4));

-- :name purge_passed_letters
-- Those that their deliveries went on without. tenant, JSON array of ids, before
DELETE FROM dead_letters WHERE stopped = 0 AND at < ?3 AND delivery IN {deliveries_of_runs};

-- Of a thread.

-- :name first_events
-- tenant, thread_id, limit
SELECT seq, at, type FROM events WHERE tenant = ? AND thread_id = ? ORDER BY seq LIMIT ?;

-- :name delete_events_before
-- tenant, thread_id, seq
DELETE FROM events WHERE tenant = ? AND thread_id = ? AND seq < ?;

-- :name mark_purged
-- type, data, tenant, thread_id, seq
UPDATE events SET type = ?, data = ? WHERE tenant = ? AND thread_id = ? AND seq = ?;

-- :name first_checkpoints
-- tenant, thread_id, number, limit
SELECT number, created_at FROM checkpoints WHERE tenant = ? AND thread_id = ? AND number < ? ORDER BY number LIMIT ?;
