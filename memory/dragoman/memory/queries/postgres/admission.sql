-- Whose turn it is, in Postgres's words.

-- :name of_kind
-- The kind is ?1. Of the row there are plain columns alone: see the migration.
agent = split_part(?1, '@', 1) AND agent_version = substr(?1, strpos(?1, '@') + 1)

-- :name due_kinds
-- blocked
SELECT kinds.agent || '@' || kinds.agent_version FROM (WITH RECURSIVE kinds (agent, agent_version) AS (
    (SELECT agent, agent_version FROM runs WHERE {run_is_due} AND blocked = ?1 ORDER BY agent, agent_version LIMIT 1)
    UNION ALL SELECT next.agent, next.agent_version FROM kinds AS k CROSS JOIN LATERAL (
        SELECT r.agent, r.agent_version FROM runs AS r WHERE r.status = 'queued' AND r.wake_at IS NULL AND r.blocked = ?1
          AND (r.agent, r.agent_version) > (k.agent, k.agent_version) ORDER BY r.agent, r.agent_version LIMIT 1) AS next)
SELECT agent, agent_version FROM kinds) AS kinds;

-- :name due_tenants
-- kind, after, limit
SELECT tenant, (SELECT count(*) FROM runs AS o WHERE o.tenant = due.tenant AND o.status = 'running')
FROM (WITH RECURSIVE tenants (tenant, place) AS (
    SELECT (SELECT tenant FROM runs
        WHERE {run_is_due} AND blocked = 0 AND {of_kind} AND tenant > ?2 ORDER BY tenant LIMIT 1), 1
    UNION ALL SELECT (SELECT tenant FROM runs
        WHERE {run_is_due} AND blocked = 0 AND {of_kind} AND tenant > tenants.tenant ORDER BY tenant LIMIT 1), place + 1
    FROM tenants WHERE tenants.tenant IS NOT NULL AND place < ?3)
SELECT tenant FROM tenants) AS due WHERE tenant IS NOT NULL;

-- :name count_due_of_tenant
-- tenant, limit
SELECT count(*) FROM (SELECT 1 FROM runs WHERE {run_is_due} AND rank <> 0 AND tenant = ?1 LIMIT ?2) AS due;

-- :name count_due_of_kind
-- kind, limit
SELECT count(*), min(created_at) FROM (SELECT created_at FROM runs
    WHERE {run_is_due} AND blocked IN (0, 1) AND {of_kind} LIMIT ?2) AS due;

-- :name lock_claimable
-- Threads that others are writing to are passed over: they are looked at again. The first hundred are looked at, a number that the planner
-- knows: it reads them by the index then, in their order, and no more of them than are wanted. JSON array of [kind, tenant], limit of each
SELECT due.ordinal, due.last_seq, due.checkpoint, due.status, due.tenant, due.id
FROM jsonb_array_elements(?1::jsonb) AS places (value) CROSS JOIN LATERAL (
    SELECT r.ordinal, t.last_seq, t.checkpoint, t.status, t.tenant, t.id
    FROM (SELECT tenant, thread_id, rank, ordinal FROM runs
        WHERE {run_is_due} AND blocked = 0 AND agent = split_part(places.value ->> 0, '@', 1)
          AND agent_version = substr(places.value ->> 0, strpos(places.value ->> 0, '@') + 1) AND tenant = places.value ->> 1
        ORDER BY rank, ordinal LIMIT 100) AS r
    JOIN threads AS t ON t.tenant = r.tenant AND t.id = r.thread_id
    ORDER BY r.rank, r.ordinal LIMIT ?2 FOR UPDATE OF t SKIP LOCKED) AS due;

-- What is read under those locks takes the ordinals in place of the limit.

-- :name claimable
-- JSON array of [kind, tenant], ordinals
SELECT r.ordinal, r.tenant, r.thread_id, r.agent, r.rank, ({thread_is_free})::int FROM runs AS r
WHERE r.ordinal = ANY(?2::bigint[]) AND r.status = 'queued' AND r.wake_at IS NULL AND ?1::text IS NOT NULL;

-- :name thread_is_free
NOT EXISTS (SELECT 1 FROM runs AS o WHERE o.tenant = r.tenant AND o.thread_id = r.thread_id AND o.status = 'running')
AND NOT EXISTS (SELECT 1 FROM runs AS o WHERE o.tenant = r.tenant AND o.thread_id = r.thread_id AND o.ordinal < r.ordinal
    AND o.status IN ('queued', 'waiting') AND o.status = 'queued')

-- :name mark_blocked
-- JSON array of ordinals
UPDATE runs SET blocked = 1 WHERE ordinal IN (SELECT value::bigint FROM jsonb_array_elements_text(?1::jsonb) AS j (value));

-- :name lock_names
-- JSON array of what is locked, in their order
SELECT pg_advisory_xact_lock(hashtextextended(value, 1)) FROM jsonb_array_elements_text(?1::jsonb) AS j (value);

-- :name announce_worker
-- id, until, kinds, now
INSERT INTO workers (id, until, kinds) VALUES (?1, {micros} + (?2::bigint - ?4::bigint), ?3)
ON CONFLICT (id) DO UPDATE SET until = excluded.until, kinds = excluded.kinds;

-- :name drop_silent_workers
-- now
DELETE FROM workers WHERE until <= {micros} AND ?1::bigint > 0;

-- :name live_workers
-- now
SELECT kinds FROM workers WHERE until > {micros} AND ?1::bigint > 0;

-- :name any_due_of_agent
-- agent
SELECT 1 WHERE dragoman_due_of_agent(?1);
