-- Store items and API keys.

-- :name put_item
-- tenant, namespace, key, now, value
INSERT INTO store_items (tenant, namespace, key, created_at, updated_at, value) VALUES (?1, ?2, ?3, ?4, ?4, ?5)
ON CONFLICT (tenant, namespace, key) DO UPDATE SET updated_at = excluded.updated_at, value = excluded.value
RETURNING namespace, key, value, created_at, updated_at;

-- :name get_item
-- tenant, namespace, key
SELECT namespace, key, value, created_at, updated_at FROM store_items WHERE tenant = ? AND namespace = ? AND key = ?;

-- :name delete_item
-- tenant, namespace, key
DELETE FROM store_items WHERE tenant = ? AND namespace = ? AND key = ?;

-- :name items_under
-- Everything from a prefix up to its end. tenant, prefix, end, a text that the value contains or NULL
SELECT namespace, key, value, created_at, updated_at FROM store_items
WHERE tenant = ?1 AND namespace >= ?2 AND namespace < ?3 AND (?4 IS NULL OR instr(value, ?4))
ORDER BY namespace, key;

-- :name namespaces_under
-- tenant, prefix, end
SELECT DISTINCT namespace FROM store_items WHERE tenant = ? AND namespace >= ? AND namespace < ? ORDER BY namespace;

-- :name key_columns
id, tenant, subject, scopes, created_at, revoked_at

-- :name insert_key
-- id, tenant, subject, scopes, created_at, revoked_at, secret_hash
INSERT INTO api_keys (id, tenant, subject, scopes, created_at, revoked_at, secret_hash) VALUES (?, ?, ?, ?, ?, ?, ?);

-- :name key_by_hash
-- secret_hash
SELECT {key_columns} FROM api_keys WHERE secret_hash = ? AND revoked_at IS NULL;

-- :name all_keys
SELECT {key_columns} FROM api_keys ORDER BY ordinal;

-- :name keys_of_tenant
-- tenant
SELECT {key_columns} FROM api_keys WHERE tenant = ? ORDER BY ordinal;

-- :name revoke_key
-- now, id
UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL;
