-- Facts: small things that are known for a while.

-- :name remember_fact
-- One that is there stays where only_new is 1 and its time is not over. tenant, kind, key, expires_at, value, now, only_new
INSERT INTO facts (tenant, kind, key, expires_at, value) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, kind, key) DO UPDATE SET expires_at = excluded.expires_at, value = excluded.value
WHERE ?7 = 0 OR facts.expires_at <= ?6;

-- :name recall_fact
-- tenant, kind, key, now
SELECT value FROM facts WHERE tenant = ? AND kind = ? AND key = ? AND expires_at > ?;

-- :name prolong_fact
-- expires_at, tenant, kind, key, now
UPDATE facts SET expires_at = ? WHERE tenant = ? AND kind = ? AND key = ? AND expires_at > ?;

-- :name forget_fact
-- tenant, kind, key
DELETE FROM facts WHERE tenant = ? AND kind = ? AND key = ? RETURNING expires_at;

-- :name drop_expired_facts
-- now, limit
DELETE FROM facts WHERE (tenant, kind, key) IN (
    SELECT tenant, kind, key FROM facts WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
);
