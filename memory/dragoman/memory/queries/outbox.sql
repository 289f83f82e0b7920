-- The outbox: deliveries, their secrets and dead letters.

-- :name delivery_columns
-- In the order of the fields of outbox.Delivery.
d.tenant, d.run_id, d.id, d.thread_id, d.kind, d.url, d.options, d.status, d.cursor, d.part, d.attempts, d.next_at, d.error,
d.created_at, d.updated_at, d.ordinal

-- :name is_due
-- Spelled as in the index deliveries_due, which is used only for a condition that repeats its own.
d.status = 'active' AND d.lease_owner IS NULL AND d.next_at IS NOT NULL

-- :name thread_of_run
-- tenant, id
SELECT thread_id FROM runs WHERE tenant = ? AND id = ?;

-- :name other_deliveries_of_run
-- tenant, run_id, id
SELECT count(*) FROM deliveries WHERE tenant = ? AND run_id = ? AND id <> ?;

-- :name put_delivery
-- tenant, run_id, id, thread_id, kind, url, options, after, now
INSERT INTO deliveries (tenant, run_id, id, thread_id, kind, url, options, status, cursor, part, attempts, next_at, error,
    turn, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', ?8, 0, 0, ?9, '', 0, ?9, ?9)
ON CONFLICT (tenant, run_id, id) DO UPDATE SET kind = ?5, url = ?6, options = ?7, status = 'active',
    part = CASE WHEN ?8 > cursor THEN 0 ELSE part END, cursor = max(cursor, ?8), attempts = 0, next_at = ?9, error = '',
    turn = turn + 1, lease_owner = NULL, lease_until = NULL, updated_at = ?9
RETURNING ordinal;

-- :name put_delivery_secret
-- delivery, tenant, secret
INSERT INTO delivery_secrets (delivery, tenant, secret) VALUES (?1, ?2, ?3)
ON CONFLICT (delivery) DO UPDATE SET secret = ?3;

-- :name delete_delivery_secret
-- delivery
DELETE FROM delivery_secrets WHERE delivery = ?;

-- :name delete_secret_of_done
-- While there are dead letters they may be sent again. delivery
DELETE FROM delivery_secrets WHERE delivery = ?1 AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE delivery = ?1);

-- :name secret_of_delivery
-- delivery
SELECT secret, tenant FROM delivery_secrets WHERE delivery = ?;

-- :name delivery_by_id
-- tenant, run_id, id
SELECT {delivery_columns} FROM deliveries AS d WHERE d.tenant = ? AND d.run_id = ? AND d.id = ?;

-- :name delivery_by_ordinal
-- ordinal
SELECT {delivery_columns} FROM deliveries AS d WHERE d.ordinal = ?;

-- :name deliveries_of_run
-- tenant, run_id, status or NULL, after, limit
SELECT {delivery_columns} FROM deliveries AS d
WHERE d.tenant = ?1 AND d.run_id = ?2 AND (?3 IS NULL OR d.status = ?3) AND d.ordinal > ?4 ORDER BY d.ordinal LIMIT ?5;

-- :name deliveries_after
-- tenant or NULL, after, limit
SELECT {delivery_columns} FROM deliveries AS d
WHERE d.ordinal > ?2 AND (?1 IS NULL OR d.tenant = ?1) ORDER BY d.ordinal LIMIT ?3;

-- :name deliveries_with_status
-- tenant or NULL, after, limit, status
SELECT {delivery_columns} FROM deliveries AS d
WHERE d.status = ?4 AND d.ordinal > ?2 AND (?1 IS NULL OR d.tenant = ?1) ORDER BY d.ordinal LIMIT ?3;

-- :name due_deliveries
-- now, JSON array of kinds, limit, JSON array of beginnings of URLs that are left out
SELECT {delivery_columns} FROM deliveries AS d INDEXED BY deliveries_due
WHERE {is_due} AND d.next_at <= ?1 AND d.kind IN (SELECT value FROM json_each(?2))
  AND NOT EXISTS (SELECT 1 FROM json_each(?4) WHERE substr(lower(d.url), 1, length(value)) = value)
ORDER BY d.next_at, d.ordinal LIMIT ?3;

-- :name next_delivery
-- now, JSON array of kinds
SELECT min(d.next_at) FROM deliveries AS d INDEXED BY deliveries_due
WHERE {is_due} AND d.next_at > ?1 AND d.kind IN (SELECT value FROM json_each(?2));

-- :name free_overdue_deliveries
-- now
UPDATE deliveries SET lease_owner = NULL, lease_until = NULL, next_at = ?1
WHERE status = 'active' AND lease_owner IS NOT NULL AND lease_until <= ?1;

-- :name free_deliveries_of_worker
-- now, worker
UPDATE deliveries SET lease_owner = NULL, lease_until = NULL, next_at = ?1
WHERE status = 'active' AND lease_owner IS NOT NULL AND lease_owner = ?2;

-- :name free_all_deliveries
-- now
UPDATE deliveries SET lease_owner = NULL, lease_until = NULL, next_at = ?1
WHERE status = 'active' AND lease_owner IS NOT NULL;

-- :name claim_delivery
-- worker, lease_until, tenant, run_id, id, now
UPDATE deliveries AS d SET lease_owner = ?1, lease_until = ?2, turn = turn + 1, next_at = NULL
WHERE d.tenant = ?3 AND d.run_id = ?4 AND d.id = ?5 AND d.status = 'active'
  AND (d.lease_owner IS NULL OR d.lease_until <= ?6) AND (d.next_at IS NULL OR d.next_at <= ?6)
RETURNING turn, ordinal;

-- :name move_delivery
-- The fence: a row only while this turn is the delivery's. lease_until is NULL for a lease that ends.
-- cursor, part, status, attempts, next_at, error, now, lease_until, tenant, run_id, id, turn, lease_owner
UPDATE deliveries SET cursor = ?1, part = ?2, status = ?3, attempts = ?4, next_at = ?5, error = ?6, updated_at = ?7,
    lease_until = ?8, lease_owner = CASE WHEN ?8 IS NULL THEN NULL ELSE lease_owner END
WHERE tenant = ?9 AND run_id = ?10 AND id = ?11 AND turn = ?12 AND lease_owner = ?13
RETURNING ordinal;

-- :name announce_overdue_deliveries
-- now
UPDATE deliveries AS d SET next_at = ?1
WHERE d.status = 'active' AND d.lease_owner IS NULL AND d.next_at IS NULL
  AND EXISTS (SELECT 1 FROM events AS e
    WHERE e.tenant = d.tenant AND e.thread_id = d.thread_id AND e.seq > d.cursor AND e.run_id = d.run_id);

-- :name set_delivery_place
-- cursor, part, now, ordinal
UPDATE deliveries SET cursor = ?1, part = ?2, status = 'active', attempts = 0, next_at = ?3, error = '', turn = turn + 1,
    lease_owner = NULL, lease_until = NULL, updated_at = ?3
WHERE ordinal = ?4;

-- :name delete_delivery
-- ordinal
DELETE FROM deliveries WHERE ordinal = ?;

-- :name delete_letters_of_delivery
-- delivery
DELETE FROM dead_letters WHERE delivery = ?;

-- :name delete_dead_letters_of_run
-- tenant, run_id
DELETE FROM dead_letters WHERE delivery IN (SELECT ordinal FROM deliveries WHERE tenant = ? AND run_id = ?);

-- :name delete_delivery_secrets_of_run
-- tenant, run_id
DELETE FROM delivery_secrets WHERE delivery IN (SELECT ordinal FROM deliveries WHERE tenant = ? AND run_id = ?);

-- :name delete_deliveries_of_run
-- tenant, run_id
DELETE FROM deliveries WHERE tenant = ? AND run_id = ?;

-- :name runs_of_thread
(SELECT id FROM runs WHERE tenant = ?1 AND thread_id = ?2)

-- :name delete_dead_letters_of_thread
-- tenant, thread_id
DELETE FROM dead_letters WHERE delivery IN (SELECT ordinal FROM deliveries WHERE tenant = ?1 AND run_id IN {runs_of_thread});

-- :name delete_delivery_secrets_of_thread
-- tenant, thread_id
DELETE FROM delivery_secrets
WHERE delivery IN (SELECT ordinal FROM deliveries WHERE tenant = ?1 AND run_id IN {runs_of_thread});

-- :name delete_deliveries_of_thread
-- tenant, thread_id
DELETE FROM deliveries WHERE tenant = ?1 AND run_id IN {runs_of_thread};

-- :name insert_dead_letter
-- tenant, delivery, seq, part, attempts, error, at, stopped, body
INSERT INTO dead_letters (tenant, delivery, seq, part, attempts, error, at, stopped, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- :name dead_letters_after
-- tenant or NULL, after, limit
SELECT l.number, l.tenant, d.run_id, d.id, d.kind, d.url, l.seq, l.part, l.attempts, l.error, l.at, l.stopped, l.body, l.delivery
FROM dead_letters AS l CROSS JOIN deliveries AS d ON d.ordinal = l.delivery
WHERE l.number > ?2 AND (?1 IS NULL OR l.tenant = ?1) ORDER BY l.number LIMIT ?3;

-- :name dead_letter
-- number, tenant or NULL
SELECT delivery, seq, part, stopped FROM dead_letters WHERE number = ?1 AND (?2 IS NULL OR tenant = ?2);

-- :name delete_dead_letter
-- number
DELETE FROM dead_letters WHERE number = ?;

-- :name delete_letters_from
-- delivery, seq, part
DELETE FROM dead_letters WHERE delivery = ?1 AND (seq, part) >= (?2, ?3);

-- :name count_deliveries
-- status, tenant or NULL
SELECT count(*) FROM deliveries WHERE status = ?1 AND (?2 IS NULL OR tenant = ?2);

-- :name count_dead_letters
-- tenant or NULL
SELECT count(*) FROM dead_letters WHERE ?1 IS NULL OR tenant = ?1;
