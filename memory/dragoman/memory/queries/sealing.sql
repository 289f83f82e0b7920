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

-- Whether all is sealed. A data key that says so is a byte longer.

-- :name any_whole_data_key
SELECT 1 FROM data_keys WHERE length(wrapped) > 60 LIMIT 1;

-- :name any_data_key
SELECT 1 FROM data_keys LIMIT 1;

-- :name data_keys_not_whole
-- limit
SELECT tenant, number, master, wrapped FROM data_keys WHERE length(wrapped) <= 60 ORDER BY tenant, number LIMIT ?;

-- :name any_sealed_run
SELECT 1 FROM runs WHERE substr(input, 1, 4) = x'01d76467' OR substr(message, 1, 4) = x'01d76467'
  OR substr(output, 1, 4) = x'01d76467' LIMIT 1;

-- :name nothing
(x'6e756c6c', x'7b7d', x'5b5d')

-- :name any_value_in_plain
-- What is kept unsealed on a ledger that is sealed does not count: see sealing/cells.py.
SELECT 1 FROM runs WHERE (length(input) > 0 AND input NOT IN {nothing}) OR (length(message) > 0 AND message NOT IN {nothing}) OR (length(output) > 0 AND output NOT IN {nothing}) OR (length(failure) > 0 AND failure NOT IN {nothing}) OR (length(setup) > 0 AND setup NOT IN {nothing}) OR cancel_reason <> ''
UNION ALL SELECT 1 FROM steps WHERE (length(result) > 0 AND result NOT IN {nothing}) OR (length(failure) > 0 AND failure NOT IN {nothing})
UNION ALL SELECT 1 FROM events WHERE (length(data) > 0 AND data NOT IN {nothing}) AND substr(data, 1, 11) NOT IN (x'7b22617474656d7074223a', x'7b227468726f756768223a')
UNION ALL SELECT 1 FROM checkpoints WHERE (length(content) > 0 AND content NOT IN {nothing})
UNION ALL SELECT 1 FROM interrupts WHERE (length(schema) > 0 AND schema NOT IN {nothing}) OR (length(payload) > 0 AND payload NOT IN {nothing}) OR (length(answer) > 0 AND answer NOT IN {nothing}) OR message <> ''
UNION ALL SELECT 1 FROM artifacts WHERE (length(data) > 0 AND data NOT IN {nothing})
UNION ALL SELECT 1 FROM store_items WHERE (length(value) > 0 AND value NOT IN {nothing})
UNION ALL SELECT 1 FROM facts WHERE (length(value) > 0 AND value NOT IN {nothing})
UNION ALL SELECT 1 FROM deliveries WHERE (length(options) > 0 AND options NOT IN {nothing}) OR error <> ''
UNION ALL SELECT 1 FROM delivery_secrets WHERE (length(secret) > 0 AND secret NOT IN {nothing})
UNION ALL SELECT 1 FROM dead_letters WHERE (length(body) > 0 AND body NOT IN {nothing}) OR error <> ''
UNION ALL SELECT 1 FROM assistant_versions WHERE (length(config) > 0 AND config NOT IN {nothing}) OR (length(context) > 0 AND context NOT IN {nothing}) OR description <> ''
UNION ALL SELECT 1 FROM crons WHERE (length(payload) > 0 AND payload NOT IN {nothing})
LIMIT 1;
