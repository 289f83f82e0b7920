-- Crons.

-- :name cron_columns
-- In the order of the fields of crons.Cron.
tenant, id, kind, assistant_id, schedule, thread_id, subject, timezone, end_at, enabled, on_run_completed, payload, metadata,
next_at, wake_at, revision, created_at, updated_at

-- :name insert_cron
-- cron_columns
INSERT INTO crons ({cron_columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- :name cron_by_id
-- tenant, id
SELECT {cron_columns} FROM crons WHERE tenant = ? AND id = ?;

-- :name count_all_crons
-- tenant
SELECT count(*) FROM crons WHERE tenant = ?;

-- :name replace_cron
-- assistant_id, schedule, timezone, end_at, enabled, on_run_completed, payload, metadata, next_at, now, tenant, id, revision
UPDATE crons SET assistant_id = ?1, schedule = ?2, timezone = ?3, end_at = ?4, enabled = ?5, on_run_completed = ?6,
    payload = ?7, metadata = ?8, next_at = ?9, wake_at = ?9, updated_at = max(?10, updated_at + 1), revision = revision + 1
WHERE tenant = ?11 AND id = ?12 AND revision = ?13;

-- :name delete_cron
-- tenant, id
DELETE FROM crons WHERE tenant = ? AND id = ?;

-- :name delete_crons_of_thread
-- tenant, thread_id
DELETE FROM crons WHERE tenant = ? AND thread_id = ?;

-- :name delete_crons_of_assistant
-- tenant, assistant_id
DELETE FROM crons WHERE tenant = ? AND assistant_id = ?;

-- :name due_crons
-- now, JSON array of kinds, limit
SELECT {cron_columns} FROM crons INDEXED BY crons_due
WHERE wake_at IS NOT NULL AND wake_at <= ?1 AND kind IN (SELECT value FROM json_each(?2)) ORDER BY wake_at LIMIT ?3;

-- :name next_cron
-- JSON array of kinds
SELECT wake_at FROM crons INDEXED BY crons_due
WHERE wake_at IS NOT NULL AND kind IN (SELECT value FROM json_each(?1)) ORDER BY wake_at LIMIT 1;

-- :name move_cron
-- next_at, tenant, id, next_at as it was, revision
UPDATE crons SET next_at = ?1, wake_at = ?1 WHERE tenant = ?2 AND id = ?3 AND next_at = ?4 AND revision = ?5;

-- :name postpone_cron
-- wake_at, tenant, id, next_at, revision
UPDATE crons SET wake_at = ?1 WHERE tenant = ?2 AND id = ?3 AND next_at = ?4 AND revision = ?5;

-- Lists, without a limit: the reader stops when it has enough.
-- All take: tenant, assistant_id or NULL, thread_id or NULL, enabled or NULL, a text that the metadata contains or NULL.

-- :name matching_crons
SELECT {cron_columns} FROM crons
WHERE tenant = ?1 AND (?2 IS NULL OR assistant_id = ?2) AND (?3 IS NULL OR thread_id = ?3)
  AND (?4 IS NULL OR enabled = ?4) AND (?5 IS NULL OR instr(metadata, ?5))

-- :name crons_by_id
{matching_crons} ORDER BY id;

-- :name crons_by_id_descending
{matching_crons} ORDER BY id DESC;

-- :name crons_by_assistant_id
{matching_crons} ORDER BY assistant_id, id;

-- :name crons_by_assistant_id_descending
{matching_crons} ORDER BY assistant_id DESC, id DESC;

-- :name crons_by_thread_id
{matching_crons} ORDER BY thread_id, id;

-- :name crons_by_thread_id_descending
{matching_crons} ORDER BY thread_id DESC, id DESC;

-- :name crons_by_created_at
{matching_crons} ORDER BY created_at, id;

-- :name crons_by_created_at_descending
{matching_crons} ORDER BY created_at DESC, id DESC;

-- :name crons_by_updated_at
{matching_crons} ORDER BY updated_at, id;

-- :name crons_by_updated_at_descending
{matching_crons} ORDER BY updated_at DESC, id DESC;

-- :name crons_by_next_at
{matching_crons} ORDER BY next_at, id;

-- :name crons_by_next_at_descending
{matching_crons} ORDER BY next_at DESC, id DESC;

-- :name crons_by_end_at
{matching_crons} ORDER BY end_at, id;

-- :name crons_by_end_at_descending
{matching_crons} ORDER BY end_at DESC, id DESC;
