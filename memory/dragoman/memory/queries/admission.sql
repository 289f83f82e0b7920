-- Whose turn it is. A kind is an agent and a version of it; what is due is walked from kind to kind and from tenant to tenant, a step of
-- the index for each, so that it costs nothing how many runs a tenant has queued.

-- :name run_is_due
-- Spelled as in the indexes.
status = 'queued' AND wake_at IS NULL

-- :name run_kind
agent || '@' || agent_version

-- :name due_kinds
-- Which kinds have runs that are due. blocked
SELECT kind FROM (WITH RECURSIVE kinds (kind) AS (
    SELECT (SELECT {run_kind} FROM runs INDEXED BY runs_due WHERE {run_is_due} AND blocked = ?1 ORDER BY {run_kind} LIMIT 1)
    UNION ALL SELECT (SELECT {run_kind} FROM runs INDEXED BY runs_due
        WHERE {run_is_due} AND blocked = ?1 AND {run_kind} > kinds.kind ORDER BY {run_kind} LIMIT 1)
    FROM kinds WHERE kinds.kind IS NOT NULL)
SELECT kind FROM kinds) AS due WHERE kind IS NOT NULL;

-- :name due_tenants
-- The next tenants that have runs due of a kind, by name, each with how many runs it has at work. kind, after, limit
SELECT tenant, (SELECT count(*) FROM runs AS o INDEXED BY runs_running WHERE o.tenant = due.tenant AND o.status = 'running')
FROM (WITH RECURSIVE tenants (tenant, place) AS (
    SELECT (SELECT tenant FROM runs INDEXED BY runs_due
        WHERE {run_is_due} AND blocked = 0 AND {run_kind} = ?1 AND tenant > ?2 ORDER BY tenant LIMIT 1), 1
    UNION ALL SELECT (SELECT tenant FROM runs INDEXED BY runs_due
        WHERE {run_is_due} AND blocked = 0 AND {run_kind} = ?1 AND tenant > tenants.tenant ORDER BY tenant LIMIT 1), place + 1
    FROM tenants WHERE tenants.tenant IS NOT NULL AND place < ?3)
SELECT tenant FROM tenants) AS due WHERE tenant IS NOT NULL;

-- :name claimable
-- The next runs of some tenants of some kinds, and whether their thread is free: no running run, no older queued one.
-- JSON array of [kind, tenant], limit of each
SELECT r.ordinal, r.tenant, r.thread_id, r.agent, r.rank, {thread_is_free}
FROM json_each(?1) AS places CROSS JOIN runs AS r ON r.ordinal IN (
    SELECT ordinal FROM runs INDEXED BY runs_due
    WHERE {run_is_due} AND blocked = 0 AND {run_kind} = json_extract(places.value, '$[0]') AND tenant = json_extract(places.value, '$[1]')
    ORDER BY rank, ordinal LIMIT ?2);

-- :name thread_is_free
NOT EXISTS (SELECT 1 FROM runs AS o INDEXED BY runs_running
    WHERE o.tenant = r.tenant AND o.thread_id = r.thread_id AND o.status = 'running')
AND NOT EXISTS (SELECT 1 FROM runs AS o INDEXED BY runs_pending
    WHERE o.tenant = r.tenant AND o.thread_id = r.thread_id AND o.ordinal < r.ordinal
      AND o.status IN ('queued', 'waiting') AND o.status = 'queued')

-- :name mark_blocked
-- JSON array of ordinals
UPDATE runs SET blocked = 1 WHERE ordinal IN (SELECT value FROM json_each(?));

-- :name unblock_next
-- The oldest queued run of a thread may start. tenant, thread_id
UPDATE runs SET blocked = 0 WHERE blocked = 1 AND ordinal = (
    SELECT min(ordinal) FROM runs INDEXED BY runs_pending
    WHERE tenant = ?1 AND thread_id = ?2 AND {is_pending} AND status = 'queued');

-- :name running_of_tenant
-- tenant
SELECT count(*) FROM runs INDEXED BY runs_running WHERE tenant = ? AND status = 'running';

-- :name running_of_agent
-- agent
SELECT count(*) FROM runs INDEXED BY runs_running WHERE status = 'running' AND agent = ?;

-- :name count_due
-- How many runs are queued and due, counted up to a limit. now, limit
SELECT (SELECT count(*) FROM (SELECT 1 FROM runs INDEXED BY runs_due_by_tenant WHERE {run_is_due} LIMIT ?2) AS due)
     + (SELECT count(*) FROM (SELECT 1 FROM runs INDEXED BY runs_asleep
        WHERE status = 'queued' AND wake_at IS NOT NULL AND wake_at <= ?1 LIMIT ?2) AS woken);

-- :name count_due_of_tenant
-- tenant, limit
SELECT count(*) FROM (SELECT 1 FROM runs INDEXED BY runs_due_by_tenant WHERE {run_is_due} AND tenant = ?1 LIMIT ?2) AS due;

-- :name any_due_of_agent
-- Of whatever version: kinds that begin with the agent's name. agent
SELECT 1 FROM runs INDEXED BY runs_due
WHERE {run_is_due} AND blocked = 0 AND {run_kind} > ?1 || '@' AND {run_kind} < ?1 || 'A' LIMIT 1;

-- :name count_due_of_kind
-- How many runs wait of a kind, up to a limit, and since when. kind, limit
SELECT count(*), min(created_at) FROM (SELECT created_at FROM runs INDEXED BY runs_due
    WHERE {run_is_due} AND blocked IN (0, 1) AND {run_kind} = ?1 LIMIT ?2) AS due;

-- :name announce_worker
-- id, until, kinds, now
INSERT INTO workers (id, until, kinds) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET until = excluded.until, kinds = excluded.kinds WHERE ?4 > 0;

-- :name withdraw_worker
-- id
DELETE FROM workers WHERE id = ?;

-- :name drop_silent_workers
-- now
DELETE FROM workers WHERE until <= ?;

-- :name live_workers
-- now
SELECT kinds FROM workers WHERE until > ?;
