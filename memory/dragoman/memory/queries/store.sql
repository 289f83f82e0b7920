-- Store items and API keys.

-- :name item_columns
namespace, key, value, created_at, updated_at

-- :name item_lives
(expires_at IS NULL OR expires_at > ?4)

-- :name put_item
-- tenant, namespace, key, now, value, ttl or NULL
INSERT INTO store_items (tenant, namespace, key, created_at, updated_at, value, ttl, expires_at)
VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?4 + ?6)
ON CONFLICT (tenant, namespace, key) DO UPDATE SET updated_at = ?4, value = ?5, ttl = ?6, expires_at = ?4 + ?6,
    created_at = CASE WHEN expires_at <= ?4 THEN ?4 ELSE created_at END
RETURNING {item_columns};

-- :name get_item
-- tenant, namespace, key, now
SELECT {item_columns}, ttl FROM store_items WHERE tenant = ?1 AND namespace = ?2 AND key = ?3 AND {item_lives};

-- :name refresh_item
-- tenant, namespace, key, now
UPDATE store_items SET expires_at = ?4 + ttl
WHERE tenant = ?1 AND namespace = ?2 AND key = ?3 AND ttl IS NOT NULL AND {item_lives};

-- :name delete_item
-- tenant, namespace, key
DELETE FROM store_items WHERE tenant = ? AND namespace = ? AND key = ? RETURNING expires_at;

-- :name items_under
-- Everything from a prefix up to its end. tenant, prefix, end, now, a text that the value contains or NULL (one that is sealed or in a
-- blob does not begin as JSON does: it is for the reader to look into)
SELECT {item_columns}, ttl FROM store_items
WHERE tenant = ?1 AND namespace >= ?2 AND namespace < ?3 AND {item_lives} AND (?5 IS NULL OR instr(value, ?5) OR value < x'20')
ORDER BY namespace, key;

-- :name items_with_words
-- The words as FTS5 reads them; the tenant is one of them. tenant, prefix, end, now, words, limit
SELECT i.namespace, i.key, i.value, i.created_at, i.updated_at, i.ttl, w.text
FROM store_words AS w CROSS JOIN store_texts AS t ON t.id = w.rowid
CROSS JOIN store_items AS i ON i.tenant = t.tenant AND i.namespace = t.namespace AND i.key = t.key
WHERE store_words MATCH ?5 AND t.tenant = ?1 AND i.namespace >= ?2 AND i.namespace < ?3
  AND (i.expires_at IS NULL OR i.expires_at > ?4) LIMIT ?6;

-- :name put_item_text
-- tenant, namespace, key
INSERT INTO store_texts (tenant, namespace, key) VALUES (?, ?, ?)
ON CONFLICT (tenant, namespace, key) DO UPDATE SET key = excluded.key RETURNING id;

-- :name put_item_words
-- rowid, tenant, text
INSERT INTO store_words (rowid, tenant, text) VALUES (?, ?, ?);

-- :name delete_item_words
-- rowid
DELETE FROM store_words WHERE rowid = ?;

-- :name delete_item_text
-- tenant, namespace, key
DELETE FROM store_texts WHERE tenant = ? AND namespace = ? AND key = ? RETURNING id;

-- :name texts_after
-- id, limit
SELECT t.id, t.tenant, w.text FROM store_texts AS t CROSS JOIN store_words AS w ON w.rowid = t.id
WHERE t.id > ? ORDER BY t.id LIMIT ?;

-- :name expired_items
-- now, limit
SELECT tenant, namespace, key FROM store_items INDEXED BY store_items_expiring
WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?;

-- :name namespaces_under
-- tenant, prefix, end, now
SELECT DISTINCT namespace FROM store_items
WHERE tenant = ?1 AND namespace >= ?2 AND namespace < ?3 AND {item_lives} ORDER BY namespace;

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
