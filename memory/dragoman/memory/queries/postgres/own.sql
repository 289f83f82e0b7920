-- Statements that Postgres needs in its own words; every other one is the shared one, put into its dialect by postgres/dialect.py. Names and
-- parameters are those of the shared files. Leases and what expires go by the database's clock: of the times that a verb gives, the
-- difference alone is taken.

-- :name micros
dragoman_now()

-- Locks. Each is sent before the statement that it is for, which then sees what the last holder of the lock has committed.

-- :name lock_thread
-- tenant, id
SELECT last_seq, checkpoint, status, tenant, id FROM threads WHERE tenant = ?1 AND id = ?2 FOR UPDATE;

-- :name lock_thread_of_run
-- tenant, run_id
SELECT t.last_seq, t.checkpoint, t.status, t.tenant, t.id FROM threads AS t
WHERE t.tenant = ?1 AND t.id = (SELECT r.thread_id FROM runs AS r WHERE r.tenant = ?1 AND r.id = ?2) FOR UPDATE;

-- :name lock_tenant
-- tenant
SELECT 1 FROM pg_advisory_xact_lock(hashtextextended(?1, 0));

-- :name lock_runs_with_overdue_lease
-- now, limit
SELECT r.ordinal, t.last_seq, t.checkpoint, t.status, t.tenant, t.id
FROM runs AS r JOIN threads AS t ON t.tenant = r.tenant AND t.id = r.thread_id
WHERE r.status = 'running' AND r.lease_until <= {micros} AND ?1::bigint > 0 ORDER BY r.ordinal LIMIT ?2 FOR UPDATE OF t SKIP LOCKED;

-- :name lock_runs_with_expired_interrupt
-- now, limit
SELECT r.ordinal, t.last_seq, t.checkpoint, t.status, t.tenant, t.id
FROM runs AS r JOIN threads AS t ON t.tenant = r.tenant AND t.id = r.thread_id
WHERE r.status = 'waiting' AND r.wake_at IS NOT NULL AND r.wake_at <= {micros} AND ?1::bigint > 0 ORDER BY r.ordinal LIMIT ?2 FOR UPDATE OF t SKIP LOCKED;

-- What this process remembers of running runs and their threads is checked by two statements, under the threads' locks: the second one
-- sees what the last holder of a lock has committed. A thread that someone is writing to counts as changed, so that nothing is waited for
-- with other locks in hand. What has changed is refused. Each is looked up by its id (LATERAL, and OFFSET 0 against the index of what is
-- running, which looks short in the statistics and need not be).

-- :name hold_threads
-- tenant, and arrays: ids, last_seqs, checkpoints, statuses
SELECT CASE WHEN count(*) = cardinality(?2::text[]) THEN 0 ELSE dragoman_refuse('A thread has moved') END
FROM unnest(?2::text[], ?3::bigint[], ?4::bigint[], ?5::text[]) AS w (id, last_seq, checkpoint, status)
CROSS JOIN LATERAL (
    SELECT 1 FROM threads AS t
    WHERE t.tenant = ?1 AND t.id = w.id AND t.last_seq = w.last_seq AND t.checkpoint = w.checkpoint AND t.status = w.status
    FOR UPDATE SKIP LOCKED) AS held;

-- :name hold_runs
-- tenant, and arrays: ids, attempts, workers, cancel_requested, rollback, woken
SELECT CASE WHEN count(*) = cardinality(?2::text[]) THEN 0 ELSE dragoman_refuse('A run has moved') END
FROM unnest(?2::text[], ?3::bigint[], ?4::text[], ?5::bigint[], ?6::bigint[], ?7::bigint[])
    AS w (id, attempt, lease_owner, cancel_requested, rollback, woken)
CROSS JOIN LATERAL (
    SELECT status, attempt, lease_owner, cancel_requested, rollback, woken FROM runs WHERE tenant = ?1 AND id = w.id OFFSET 0) AS r
WHERE r.status = 'running' AND r.attempt = w.attempt AND r.lease_owner = w.lease_owner
    AND r.cancel_requested = w.cancel_requested AND r.rollback = w.rollback AND r.woken = w.woken;

-- What is read under those locks takes the ordinals in place of the limit.

-- :name runs_with_overdue_lease
-- now, ordinals
SELECT {run_state} FROM runs
WHERE ordinal = ANY(?2::bigint[]) AND status = 'running' AND lease_until <= {micros} AND ?1::bigint > 0 ORDER BY ordinal;

-- :name runs_with_expired_interrupt
-- now, ordinals
SELECT {run_state} FROM runs
WHERE ordinal = ANY(?2::bigint[]) AND status = 'waiting' AND wake_at IS NOT NULL AND wake_at <= {micros} AND ?1::bigint > 0
ORDER BY ordinal;

-- :name expiring_threads
-- now, limit
SELECT tenant, id, ttl, expires_at, updated_at FROM threads WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2
FOR UPDATE SKIP LOCKED;

-- Threads.

-- :name thread_head
-- tenant, id
SELECT last_seq, checkpoint, status FROM threads WHERE tenant = ?1 AND id = ?2 FOR UPDATE;

-- :name last_seq
t.last_seq

-- :name thread_by_id
-- tenant, id
SELECT {thread_columns} FROM {thread_with_values} WHERE t.tenant = ?1 AND t.id = ?2;

-- :name thread_columns
t.tenant, t.id, t.status, c.content, t.metadata, t.created_at, t.updated_at, {last_seq}, t.checkpoint, t.ordinal

-- :name insert_thread
-- tenant, id, ordinal, status, created_at, updated_at, checkpoint, metadata, last_seq
INSERT INTO threads (tenant, id, ordinal, status, created_at, updated_at, checkpoint, metadata, last_seq, first_at, last_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?5, ?5);

-- :name set_last_seq
-- last_seq, tenant, id, the time of the events
UPDATE threads SET last_seq = ?1, first_at = least(first_at, ?4), last_at = greatest(last_at, ?4) WHERE tenant = ?2 AND id = ?3;

-- Many rows changed by one statement. A condition that is always true has the planner take them to be one: it looks each up by its key then,
-- as it does for a statement of one row, and does not go through a table that its statistics say is short.

-- :name move_threads
-- tenant, and arrays: ids, last_seqs, checkpoints, statuses, times of a change or NULLs, times
UPDATE threads AS t SET last_seq = w.last_seq, checkpoint = w.checkpoint, status = w.status,
    updated_at = coalesce(w.updated_at, t.updated_at), first_at = least(t.first_at, w.at), last_at = greatest(t.last_at, w.at)
FROM unnest(?2::text[], ?3::bigint[], ?4::bigint[], ?5::text[], ?6::bigint[], ?7::bigint[])
    AS w (id, last_seq, checkpoint, status, updated_at, at)
WHERE t.tenant = ?1 AND t.id = w.id AND w.at + 0 = w.at;

-- :name change_statuses
-- As change_status. status, updated_at, output, failure, crashes, ended_at, wake_at, interrupts, artifacts, emitted, ordinal, tenant, id
UPDATE runs AS r SET status = w.status, updated_at = w.updated_at, output = w.output, failure = w.failure, crashes = w.crashes,
    ended_at = w.ended_at, wake_at = w.wake_at, interrupts = w.interrupts, artifacts = w.artifacts, emitted = w.emitted,
    lease_owner = NULL, lease_until = NULL, woken = 0, blocked = 0
FROM (VALUES (?1::text, ?2::bigint, ?3::bytea, ?4::bytea, ?5::bigint, ?6::bigint, ?7::bigint, ?8::bigint, ?9::bigint, ?10::bigint, ?11::bigint,
    ?12::text, ?13::text)) AS w (status, updated_at, output, failure, crashes, ended_at, wake_at, interrupts, artifacts, emitted, ordinal, tenant, id)
WHERE r.ordinal = w.ordinal AND r.tenant = w.tenant AND r.id = w.id AND w.ordinal + 0 = w.ordinal;

-- :name note_progresses
-- As note_progress. updated_at, crashes, interrupts, artifacts, emitted, ordinal, tenant, id
UPDATE runs AS r SET updated_at = w.updated_at, crashes = w.crashes, interrupts = w.interrupts, artifacts = w.artifacts, emitted = w.emitted
FROM (VALUES (?1::bigint, ?2::bigint, ?3::bigint, ?4::bigint, ?5::bigint, ?6::bigint, ?7::text, ?8::text))
    AS w (updated_at, crashes, interrupts, artifacts, emitted, ordinal, tenant, id)
WHERE r.ordinal = w.ordinal AND r.tenant = w.tenant AND r.id = w.id AND w.ordinal + 0 = w.ordinal;

-- :name contents_from
-- At most 64 stand before one that is whole. tenant, thread_id, number
SELECT content, number FROM checkpoints WHERE tenant = ?1 AND thread_id = ?2 AND number >= ?3 ORDER BY number LIMIT 65;

-- Runs.

-- :name next_run_ordinal
SELECT nextval('run_ordinals');

-- :name next_run_ordinals
-- how many
SELECT nextval('run_ordinals') FROM generate_series(1, ?1::bigint);

-- :name insert_run
-- As the shared one; updated_at (?9) is now.
INSERT INTO runs (
    ordinal, tenant, id, thread_id, agent, agent_version, status, created_at, updated_at, subject, attempt, started_at, wake_at,
    parent_run_id, idempotency_key, lease_owner, lease_until, first_seq, base_checkpoint, interrupts, metadata,
    input, message, setup, rank, blocked, crashes, cancel_requested, cancel_reason, rollback, woken, artifacts, emitted)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, {micros} + (?17::bigint - ?9::bigint), ?18, ?19, ?20, ?21, ?22,
    ?23, ?24, ?25, ?26, 0, 0, '', 0, 0, 0, 0);

-- :name promote_due
-- now
UPDATE runs SET wake_at = NULL WHERE ordinal IN (
    SELECT ordinal FROM runs
    WHERE status = 'queued' AND wake_at IS NOT NULL AND wake_at <= {micros} AND ?1::bigint > 0 ORDER BY wake_at LIMIT 1000
    FOR UPDATE SKIP LOCKED);

-- :name claim_run
-- now, worker, lease_until, the thread's checkpoint, ordinal
UPDATE runs SET status = 'running', attempt = attempt + 1, updated_at = ?1, started_at = coalesce(started_at, ?1),
    lease_owner = ?2, lease_until = {micros} + (?3::bigint - ?1::bigint), woken = 0, wake_at = NULL,
    base_checkpoint = CASE attempt WHEN 0 THEN ?4 ELSE base_checkpoint END
WHERE ordinal = ?5 AND status = 'queued' RETURNING {run_state};

-- :name expire_interrupts
-- tenant, run_id, now
UPDATE interrupts SET status = 'expired'
WHERE tenant = ?1 AND run_id = ?2 AND status = 'open' AND expires_at <= {micros} AND ?3::bigint > 0 RETURNING key;

-- :name count_due
-- now, limit
SELECT dragoman_count_due(?1, ?2);

-- :name running_of_agent
-- agent
SELECT dragoman_running_of_agent(?1);

-- :name renew_leases
-- Those that are being written at this moment are told and not waited for: many writes side by side would take the lease's time, and two
-- transactions with many rows each could wait for one another. Length of the lease in microseconds, worker, JSON array of run ids
WITH held AS (
    SELECT ordinal, id, cancel_requested FROM runs
    WHERE status = 'running' AND lease_owner = ?2 AND id IN (SELECT jsonb_array_elements_text(?3::jsonb))
), free AS (
    SELECT ordinal FROM runs WHERE ordinal IN (SELECT ordinal FROM held) AND status = 'running' AND lease_owner = ?2
    FOR UPDATE SKIP LOCKED
), renewed AS (
    UPDATE runs SET lease_until = {micros} + ?1 WHERE ordinal IN (SELECT ordinal FROM free) RETURNING ordinal
)
SELECT held.id, held.cancel_requested, renewed.ordinal IS NOT NULL FROM held LEFT JOIN renewed ON renewed.ordinal = held.ordinal;

-- :name request_cancel
-- reason, rollback, updated_at, ordinal, tenant, id
UPDATE runs SET cancel_requested = 1, cancel_reason = ?1, rollback = greatest(rollback, ?2), updated_at = ?3
WHERE ordinal = ?4 AND tenant = ?5 AND id = ?6;

-- :name next_due
SELECT min(at) FROM (
    SELECT min(wake_at) AS at FROM runs WHERE status IN ('queued', 'waiting') AND wake_at IS NOT NULL
    UNION ALL SELECT min(lease_until) FROM runs WHERE status = 'running') AS due;

-- Journal and events.

-- :name insert_started_step
-- tenant, run_id, key, digest, at, result
INSERT INTO steps (tenant, run_id, key, status, digest, position, checkpoint, at, result)
VALUES (?1, ?2, ?3, 'started', ?4, 0, 0, ?5, ?6)
ON CONFLICT (tenant, run_id, key) DO UPDATE SET digest = excluded.digest, at = excluded.at, result = excluded.result
WHERE steps.status = 'started';

-- :name insert_final_step
-- tenant, run_id, key, status, digest, position, checkpoint, at, result, failure
INSERT INTO steps (tenant, run_id, key, status, digest, position, checkpoint, at, result, failure)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, run_id, key) DO UPDATE SET status = excluded.status, digest = excluded.digest,
    position = CASE WHEN steps.status = 'started' THEN excluded.position ELSE dragoman_refuse(steps.key) END,
    checkpoint = excluded.checkpoint, at = excluded.at, result = excluded.result, failure = excluded.failure;

-- :name insert_event
-- tenant, thread_id, seq, run_id, type, at, data
INSERT INTO events (tenant, thread_id, seq, run_id, type, at, data) VALUES (?, ?, ?, ?, ?, ?, ?);

-- :name on_days_of
-- Which partitions a thread's events are in, told by its row.
at >= (SELECT t.first_at FROM threads AS t WHERE t.tenant = ?1 AND t.id = ?2)
AND at <= (SELECT t.last_at FROM threads AS t WHERE t.tenant = ?1 AND t.id = ?2)

-- :name events_of_thread
-- tenant, thread_id, after, limit
SELECT run_id, seq, type, data, at FROM events WHERE tenant = ?1 AND thread_id = ?2 AND seq > ?3 AND {on_days_of} ORDER BY seq LIMIT ?4;

-- :name delete_events_of_thread
-- tenant, thread_id
DELETE FROM events WHERE tenant = ?1 AND thread_id = ?2 AND {on_days_of};

-- :name first_events
-- tenant, thread_id, limit
SELECT seq, at, type FROM events WHERE tenant = ?1 AND thread_id = ?2 AND {on_days_of} ORDER BY seq LIMIT ?3;

-- :name delete_events_before
-- tenant, thread_id, seq
DELETE FROM events WHERE tenant = ?1 AND thread_id = ?2 AND seq < ?3 AND {on_days_of};

-- :name announce_overdue_deliveries
-- now
UPDATE deliveries AS d SET next_at = ?1
WHERE d.status = 'active' AND d.lease_owner IS NULL AND d.next_at IS NULL
  AND EXISTS (SELECT 1 FROM threads AS t JOIN events AS e ON e.tenant = t.tenant AND e.thread_id = t.id
    WHERE t.tenant = d.tenant AND t.id = d.thread_id AND t.last_seq > d.cursor AND e.at BETWEEN t.first_at AND t.last_at
      AND e.seq > d.cursor AND e.run_id = d.run_id);

-- :name make_days
-- how many ahead
SELECT dragoman_make_days(?1);

-- :name days_before
-- before
SELECT dragoman_days_before(?1);

-- :name begin_day
-- day
SELECT dragoman_begin_day(?1);

-- :name keep_of_day
-- day, token, JSON array of tenants that are kept, tenant, thread_id, limit
SELECT tenant, thread_id
FROM dragoman_keep_of_day(?1, ?2, ARRAY(SELECT jsonb_array_elements_text(?3::jsonb)), ?4, ?5, ?6);

-- :name fence_day
-- day
SELECT dragoman_fence_day(?1);

-- :name prove_fence
SELECT dragoman_prove_fence();

-- :name end_day
-- day, token, limit
SELECT state, dropped, kept FROM dragoman_end_day(?1, ?2, ?3);

-- :name leave_day
-- day, token
SELECT dragoman_leave_day(?1, ?2);

-- :name drop_marks
-- day, tenant, thread_id, limit
SELECT tenant, thread_id FROM dragoman_drop_marks(?1, ?2, ?3, ?4);

-- :name events_of_run
-- tenant, run_id, thread_id, after, limit
SELECT run_id, seq, type, data, at FROM events
WHERE tenant = ?1 AND thread_id = ?3
  AND seq > greatest(?4::bigint, coalesce((SELECT first_seq - 1 FROM runs WHERE tenant = ?1 AND id = ?2), 0))
  AND run_id = ?2
  AND at >= (SELECT t.first_at FROM threads AS t WHERE t.tenant = ?1 AND t.id = ?3)
  AND at <= (SELECT t.last_at FROM threads AS t WHERE t.tenant = ?1 AND t.id = ?3)
ORDER BY seq LIMIT ?5;

-- Facets and facts.

-- :name count_facets
-- tenant, kind, key, value, limit
SELECT count(*) FROM (SELECT 1 FROM facets WHERE tenant = ?1 AND kind = ?2 AND key = ?3 AND value = ?4 LIMIT ?5) AS few;

-- :name add_thread_value
-- tenant, id of the thread, key, value
INSERT INTO facets (tenant, kind, key, value, ordinal, id)
SELECT t.tenant, 'value', w.key, w.value, t.ordinal, t.id
FROM (VALUES (?1::text, ?2::text, ?3::text, ?4::text)) AS w (tenant, id, key, value)
CROSS JOIN LATERAL (SELECT t.tenant, t.ordinal, t.id FROM threads AS t WHERE t.tenant = w.tenant AND t.id = w.id OFFSET 0) AS t
ON CONFLICT DO NOTHING;

-- :name add_thread_values
-- tenant, id of the thread, JSON list of [key, value]
INSERT INTO facets (tenant, kind, key, value, ordinal, id)
SELECT t.tenant, 'value', pair ->> 0, pair ->> 1, t.ordinal, t.id FROM threads AS t, jsonb_array_elements(?3::jsonb) AS pair
WHERE t.tenant = ?1 AND t.id = ?2 ON CONFLICT DO NOTHING;

-- :name drop_thread_values
-- While the thread is there. tenant, id of the thread, JSON list of [key, value]
DELETE FROM facets AS f USING threads AS t, jsonb_array_elements(?3::jsonb) AS pair
WHERE t.tenant = ?1 AND t.id = ?2 AND f.tenant = t.tenant AND f.kind = 'value' AND f.key = (pair ->> 0) COLLATE "C"
  AND f.value = (pair ->> 1) COLLATE "C" AND f.ordinal = t.ordinal AND f.id = t.id;

-- :name remember_fact
-- tenant, kind, key, expires_at, value, now, only_new
INSERT INTO facts (tenant, kind, key, expires_at, value) VALUES (?1, ?2, ?3, {micros} + (?4::bigint - ?6::bigint), ?5)
ON CONFLICT (tenant, kind, key) DO UPDATE SET expires_at = excluded.expires_at, value = excluded.value
WHERE ?7::bigint = 0 OR facts.expires_at <= {micros};

-- :name recall_fact
-- tenant, kind, key, now
SELECT value FROM facts WHERE tenant = ?1 AND kind = ?2 AND key = ?3 AND expires_at > {micros} AND ?4::bigint > 0;

-- :name prolong_fact
-- expires_at, tenant, kind, key, now
UPDATE facts SET expires_at = {micros} + (?1::bigint - ?5::bigint) WHERE tenant = ?2 AND kind = ?3 AND key = ?4 AND expires_at > {micros};

-- :name drop_expired_facts
-- now, limit
DELETE FROM facts WHERE (tenant, kind, key) IN (
    SELECT tenant, kind, key FROM facts
    WHERE expires_at <= {micros} AND ?1::bigint > 0 ORDER BY expires_at LIMIT ?2 FOR UPDATE SKIP LOCKED);

-- Deliveries.

-- :name put_delivery
-- tenant, run_id, id, thread_id, kind, url, options, after, now
INSERT INTO deliveries AS d (tenant, run_id, id, thread_id, kind, url, options, status, cursor, part, attempts, next_at, error,
    turn, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'active', ?8, 0, 0, ?9, '', 0, ?9, ?9)
ON CONFLICT (tenant, run_id, id) DO UPDATE SET kind = excluded.kind, url = excluded.url, options = excluded.options,
    status = 'active', part = CASE WHEN excluded.cursor > d.cursor THEN 0 ELSE d.part END,
    cursor = greatest(d.cursor, excluded.cursor), attempts = 0, next_at = excluded.next_at, error = '', turn = d.turn + 1,
    lease_owner = NULL, lease_until = NULL, updated_at = excluded.updated_at
RETURNING ordinal;

-- :name put_delivery_secret
-- delivery, tenant, secret
INSERT INTO delivery_secrets (delivery, tenant, secret) VALUES (?1, ?2, ?3)
ON CONFLICT (tenant, delivery) DO UPDATE SET secret = excluded.secret;

-- :name free_overdue_deliveries
-- now
UPDATE deliveries SET lease_owner = NULL, lease_until = NULL, next_at = ?1
WHERE status = 'active' AND lease_owner IS NOT NULL AND lease_until <= {micros};

-- :name claim_delivery
-- worker, lease_until, tenant, run_id, id, now
UPDATE deliveries AS d SET lease_owner = ?1, lease_until = {micros} + (?2::bigint - ?6::bigint), turn = turn + 1, next_at = NULL
WHERE d.tenant = ?3 AND d.run_id = ?4 AND d.id = ?5 AND d.status = 'active'
  AND (d.lease_owner IS NULL OR d.lease_until <= {micros}) AND (d.next_at IS NULL OR d.next_at <= ?6)
RETURNING turn, ordinal;

-- :name move_delivery
-- cursor, part, status, attempts, next_at, error, now, lease_until, tenant, run_id, id, turn, lease_owner
UPDATE deliveries SET cursor = ?1, part = ?2, status = ?3, attempts = ?4, next_at = ?5, error = ?6, updated_at = ?7,
    lease_until = {micros} + (?8::bigint - ?7::bigint), lease_owner = CASE WHEN ?8::bigint IS NULL THEN NULL ELSE lease_owner END
WHERE tenant = ?9 AND run_id = ?10 AND id = ?11 AND turn = ?12 AND lease_owner = ?13
RETURNING ordinal;

-- :name insert_dead_letter
-- tenant, delivery, seq, part, attempts, error, at, stopped, body
INSERT INTO dead_letters (tenant, delivery, seq, part, attempts, error, at, stopped, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);

-- :name transaction_id
SELECT pg_current_xact_id()::text;

-- :name transaction_status
-- transaction_id
SELECT pg_xact_status(?1::text::xid8), ({life_of_server});

-- :name life_of_server
-- A server begins to count anew when it has crashed, and so does the one that takes its place.
SELECT stats_reset::text FROM pg_stat_get_wal()

-- :name move_thread
-- checkpoint, status, updated_at, tenant, id, last_seq
UPDATE threads SET checkpoint = ?1, status = ?2, updated_at = ?3, last_seq = ?6, first_at = least(first_at, ?3),
    last_at = greatest(last_at, ?3) WHERE tenant = ?4 AND id = ?5;

-- :name count_dead_letters
-- tenant or NULL
SELECT count(*) FROM dead_letters WHERE tenant = ?1 OR ?1 IS NULL;

-- :name running_runs_before
SELECT {run_columns} FROM runs
WHERE tenant = ?1 AND status = coalesce(?2, 'running') AND status = 'running' AND ordinal < ?3 {and_matches} ORDER BY ordinal DESC;

-- The store.

-- :name put_item
-- tenant, namespace, key, now, value, ttl or NULL
INSERT INTO store_items AS i (tenant, namespace, key, created_at, updated_at, value, ttl, expires_at)
VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?4::bigint + ?6::bigint)
ON CONFLICT (tenant, namespace, key) DO UPDATE SET updated_at = excluded.updated_at, value = excluded.value,
    ttl = excluded.ttl, expires_at = excluded.expires_at,
    created_at = CASE WHEN i.expires_at <= excluded.created_at THEN excluded.created_at ELSE i.created_at END
RETURNING {item_columns};

-- :name items_with_words
-- tenant, prefix, end, now, JSON array of words, limit
SELECT namespace, key, value, created_at, updated_at, ttl, words
FROM dragoman_items_with_words(?2, ?3, ?4, ARRAY(SELECT jsonb_array_elements_text(?5::jsonb)), ?6) WHERE ?1::text = dragoman_tenant();

-- :name put_item_text
-- tenant, namespace, key
INSERT INTO store_texts (tenant, namespace, key) VALUES (?1, ?2, ?3)
ON CONFLICT (tenant, namespace, key) DO UPDATE SET key = excluded.key RETURNING id;

-- :name put_item_words
-- id, text, JSON array of words
INSERT INTO store_words (id, text, words) VALUES (?1, ?2, ARRAY(SELECT jsonb_array_elements_text(?3::jsonb)));

-- :name delete_item_words
-- id
DELETE FROM store_words WHERE id = ?1;

-- :name delete_item_text
-- With its words, which are the tenant's as long as their text is there. tenant, namespace, key
WITH words AS (DELETE FROM store_words
    WHERE id IN (SELECT t.id FROM store_texts AS t WHERE t.tenant = ?1 AND t.namespace = ?2 AND t.key = ?3))
DELETE FROM store_texts WHERE tenant = ?1 AND namespace = ?2 AND key = ?3 RETURNING id;

-- :name texts_after
-- id, limit
SELECT t.id, t.tenant, w.text FROM store_texts AS t JOIN store_words AS w ON w.id = t.id
WHERE t.id > ?1 ORDER BY t.id LIMIT ?2;

-- :name expired_items
-- now, limit
SELECT tenant, namespace, key FROM store_items
WHERE expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2 FOR UPDATE SKIP LOCKED;

-- :name event_is_there
-- tenant, thread_id, seq, run_id, at
SELECT 1 FROM events WHERE tenant = ?1 AND thread_id = ?2 AND seq = ?3 AND run_id = ?4 AND at = ?5;

-- Each is looked up, in this order, whatever the statistics say (LATERAL, OFFSET 0).

-- Those that are newer (or older) than all who have the pair are passed over in the index, without a look at the rows. Compared with
-- one of an array, for a database takes that to leave most, and goes by the order.

-- :name walked_for_facet
CROSS JOIN LATERAL (SELECT f.id FROM facets AS f
    WHERE f.tenant = ?1 AND f.kind = ?5 AND f.key = ?6 AND f.value = ?7 AND f.ordinal = u.ordinal OFFSET 0) AS f
CROSS JOIN LATERAL (SELECT t.id, t.metadata, t.updated_at, t.ordinal, t.status FROM threads AS t
    WHERE t.id = f.id AND t.updated_at = u.updated_at AND {thread_matches} OFFSET 0) AS t
WHERE u.ordinal BETWEEN {facet_from} AND {facet_until}

-- :name threads_of_facet_walked_down
SELECT {thread_row} FROM (SELECT updated_at, ordinal FROM threads WHERE tenant = ?1 AND ordinal <= ANY(ARRAY{facet_until})
    ORDER BY updated_at DESC, ordinal DESC OFFSET 0) AS u
{walked_for_facet} ORDER BY u.updated_at DESC, u.ordinal DESC;

-- :name threads_of_facet_walked_up
SELECT {thread_row} FROM (SELECT updated_at, ordinal FROM threads WHERE tenant = ?1 AND ordinal >= ANY(ARRAY{facet_from})
    ORDER BY updated_at, ordinal OFFSET 0) AS u
{walked_for_facet} ORDER BY u.updated_at, u.ordinal;
