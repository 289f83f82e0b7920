-- What belongs to a run: steps, interrupts, artifacts.

-- :name insert_started_step
-- A step that is started again keeps its row; the result of a started one is what it needs to go on (a sleep's end).
-- tenant, run_id, key, digest, at, result
INSERT INTO steps (tenant, run_id, key, status, digest, position, checkpoint, at, result)
VALUES (?, ?, ?, 'started', ?, 0, 0, ?, ?)
ON CONFLICT (tenant, run_id, key) DO UPDATE SET digest = excluded.digest, at = excluded.at, result = excluded.result
WHERE status = 'started';

-- :name insert_final_step
-- Final: a second one does nothing, which the caller sees by the row count.
-- tenant, run_id, key, status, digest, position, checkpoint, at, result, failure
INSERT INTO steps (tenant, run_id, key, status, digest, position, checkpoint, at, result, failure)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, run_id, key) DO UPDATE SET status = excluded.status, digest = excluded.digest,
    position = excluded.position, checkpoint = excluded.checkpoint, at = excluded.at, result = excluded.result,
    failure = excluded.failure
WHERE status = 'started';

-- :name steps_of_run
-- tenant, run_id
SELECT run_id, key, status, digest, result, failure, position, at FROM steps
WHERE tenant = ? AND run_id = ? ORDER BY position, at;

-- :name step_at_position
-- tenant, run_id, position
SELECT checkpoint, at FROM steps WHERE tenant = ? AND run_id = ? AND position = ?;

-- :name steps_until
-- tenant, run_id, position
SELECT key, status, digest, position, at, result, failure FROM steps
WHERE tenant = ? AND run_id = ? AND position BETWEEN 1 AND ?;

-- :name delete_steps_of_run
-- tenant, run_id
DELETE FROM steps WHERE tenant = ? AND run_id = ?;

-- :name delete_steps_of_thread
-- tenant, thread_id
DELETE FROM steps WHERE tenant = ?1 AND run_id IN (SELECT id FROM runs WHERE tenant = ?1 AND thread_id = ?2);

-- :name interrupt_columns
-- In the order of the fields of model.Interrupt.
run_id, thread_id, key, id, kind, message, schema, payload, status, answer, answered_by, created_at, answered_at, expires_at

-- :name interrupts_of_run
-- Oldest first. tenant, run_id
SELECT {interrupt_columns} FROM interrupts WHERE tenant = ? AND run_id = ? ORDER BY position;

-- :name interrupt_statuses_of_run
-- tenant, run_id
SELECT key, status FROM interrupts WHERE tenant = ? AND run_id = ?;

-- :name insert_interrupt
-- tenant, run_id, key, thread_id, id, kind, message, position, created_at, expires_at, schema, payload
INSERT INTO interrupts (tenant, run_id, key, thread_id, id, kind, message, status, position, created_at, answered_by,
    expires_at, schema, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, '', ?, ?, ?);

-- :name reopen_interrupt
-- A withdrawn question that is asked again. message, expires_at, schema, payload, tenant, run_id, key
UPDATE interrupts SET status = 'open', message = ?, expires_at = ?, schema = ?, payload = ?
WHERE tenant = ? AND run_id = ? AND key = ? AND status = 'withdrawn';

-- :name answer_interrupt
-- answer, answered_by, answered_at, tenant, run_id, key
UPDATE interrupts SET status = 'answered', answer = ?, answered_by = ?, answered_at = ?
WHERE tenant = ? AND run_id = ? AND key = ? AND status = 'open';

-- :name expire_interrupts
-- tenant, run_id, now
UPDATE interrupts SET status = 'expired' WHERE tenant = ? AND run_id = ? AND status = 'open' AND expires_at <= ?
RETURNING key;

-- :name withdraw_interrupts
-- tenant, run_id
UPDATE interrupts SET status = 'withdrawn' WHERE tenant = ? AND run_id = ? AND status = 'open';

-- :name withdraw_interrupt
-- tenant, run_id, key
UPDATE interrupts SET status = 'withdrawn' WHERE tenant = ? AND run_id = ? AND key = ? AND status = 'open';

-- :name answered_until
-- In the order in which they were opened. tenant, run_id, until
SELECT {interrupt_columns} FROM interrupts
WHERE tenant = ? AND run_id = ? AND status = 'answered' AND answered_at <= ? ORDER BY position;

-- :name insert_answered_interrupt
-- tenant, interrupt_columns, position
INSERT INTO interrupts (tenant, {interrupt_columns}, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- :name delete_interrupts_of_run
-- tenant, run_id
DELETE FROM interrupts WHERE tenant = ? AND run_id = ?;

-- :name delete_interrupts_of_thread
-- tenant, thread_id
DELETE FROM interrupts WHERE tenant = ?1 AND run_id IN (SELECT id FROM runs WHERE tenant = ?1 AND thread_id = ?2);

-- :name replace_artifact
-- A later version of the same file keeps its place. name, mime_type, created_at, data, tenant, run_id, id
UPDATE artifacts SET name = ?, mime_type = ?, created_at = ?, data = ? WHERE tenant = ? AND run_id = ? AND id = ?;

-- :name insert_artifact
-- name, mime_type, created_at, data, tenant, run_id, id
INSERT INTO artifacts (name, mime_type, created_at, data, tenant, run_id, id) VALUES (?, ?, ?, ?, ?, ?, ?);

-- :name artifacts_of_run
-- Oldest first. tenant, run_id
SELECT run_id, id, name, mime_type, data, created_at FROM artifacts WHERE tenant = ? AND run_id = ? ORDER BY ordinal;

-- :name delete_artifacts_of_run
-- tenant, run_id
DELETE FROM artifacts WHERE tenant = ? AND run_id = ?;

-- :name delete_artifacts_of_thread
-- tenant, thread_id
DELETE FROM artifacts WHERE tenant = ?1 AND run_id IN (SELECT id FROM runs WHERE tenant = ?1 AND thread_id = ?2);
