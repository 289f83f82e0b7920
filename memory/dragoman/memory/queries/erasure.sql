-- What goes because of whose it is.

-- :name delete_key
-- tenant, id
DELETE FROM api_keys WHERE tenant = ?1 AND id = ?2;
