-- Rows that are taken to be looked at are those of threads that nobody is writing to; the lock lasts until what nothing needs is gone.

-- :name ended_runs_after
-- tenant, status, after, limit
SELECT r.ordinal, r.id, r.created_at FROM runs AS r JOIN threads AS t ON t.tenant = r.tenant AND t.id = r.thread_id
WHERE r.tenant = ?1 AND r.status = ?2 AND r.ordinal > ?3 AND r.ended_at IS NOT NULL ORDER BY r.ordinal LIMIT ?4
FOR UPDATE OF t SKIP LOCKED;

-- :name threads_unused_after
-- tenant, updated_at, ordinal, before, limit
SELECT t.updated_at, t.ordinal, t.id FROM threads AS t
WHERE t.tenant = ?1 AND (t.updated_at, t.ordinal) > (?2, ?3) AND t.updated_at < ?4
ORDER BY t.updated_at, t.ordinal LIMIT ?5 FOR UPDATE SKIP LOCKED;

-- :name threads_after
-- tenant, id, limit
SELECT t.id FROM threads AS t WHERE t.tenant = ?1 AND t.id > ?2 ORDER BY t.id LIMIT ?3 FOR UPDATE SKIP LOCKED;
