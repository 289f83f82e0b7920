-- Data keys, wrapped by a master key that is not in the ledger.

-- :name data_key
-- tenant, number
SELECT number, master, wrapped FROM data_keys WHERE tenant = ? AND number = ?;

-- :name newest_data_key
-- tenant
SELECT number, master, wrapped FROM data_keys WHERE tenant = ? ORDER BY number DESC LIMIT 1;

-- :name insert_data_key
-- One that is there stays. tenant, number, master, wrapped, created_at
INSERT INTO data_keys (tenant, number, master, wrapped, created_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (tenant, number) DO NOTHING;

-- :name master_keys_used
SELECT master, count(*) FROM data_keys GROUP BY master ORDER BY master;

-- :name data_keys_under_others
-- Those that another master key wraps. master, limit
SELECT tenant, number, master, wrapped FROM data_keys WHERE master <> ? ORDER BY tenant, number LIMIT ?;

-- :name rewrap_data_key
-- As long as it is as it was read. master, wrapped, tenant, number, master as it was
UPDATE data_keys SET master = ?1, wrapped = ?2 WHERE tenant = ?3 AND number = ?4 AND master = ?5;

-- :name newest_data_keys_after
-- The tenants whose newest key was made before a time, in their order. tenant, time, limit
SELECT tenant, max(number) FROM data_keys WHERE tenant > ? GROUP BY tenant HAVING max(created_at) < ? ORDER BY tenant LIMIT ?;
