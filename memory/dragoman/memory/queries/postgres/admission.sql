-- Whose turn it is, in Postgres's words.

-- :name lock_claimable
-- Threads that others are writing to are passed over: they are looked at again. JSON array of [kind, tenant], limit of each
SELECT due.ordinal, due.last_seq, due.checkpoint, due.status, due.tenant, due.id
FROM jsonb_array_elements(?1::jsonb) AS places (value) CROSS JOIN LATERAL (
    SELECT r.ordinal, t.last_seq, t.checkpoint, t.status, t.tenant, t.id
    FROM runs AS r JOIN threads AS t ON t.tenant = r.tenant AND t.id = r.thread_id
    WHERE r.status = 'queued' AND r.wake_at IS NULL AND r.blocked = 0
      AND r.agent || '@' || r.agent_version = places.value ->> 0 AND r.tenant = places.value ->> 1
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
