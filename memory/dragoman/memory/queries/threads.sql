-- Threads and their checkpoints. A thread's values are those of its newest checkpoint.

-- :name insert_thread
-- tenant, id, ordinal, status, created_at, updated_at, checkpoint, metadata
INSERT INTO threads (tenant, id, ordinal, status, created_at, updated_at, checkpoint, metadata)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- :name last_seq
(SELECT coalesce(max(seq), 0) FROM events AS e WHERE e.tenant = t.tenant AND e.thread_id = t.id)

-- :name thread_columns
t.tenant, t.id, t.status, c.content, t.metadata, t.created_at, t.updated_at, {last_seq}, t.checkpoint, t.ordinal

-- :name thread_with_values
threads AS t LEFT JOIN checkpoints AS c ON c.tenant = t.tenant AND c.thread_id = t.id AND c.number = t.checkpoint

-- :name thread_by_id
-- tenant, id
SELECT {thread_columns} FROM {thread_with_values} WHERE t.tenant = ? AND t.id = ?;

-- :name thread_exists
-- tenant, id
SELECT 1 FROM threads WHERE tenant = ? AND id = ?;

-- :name thread_head
-- tenant, id
SELECT {last_seq}, checkpoint, status FROM threads AS t WHERE tenant = ? AND id = ?;

-- :name move_thread
-- checkpoint, status, updated_at, tenant, id
UPDATE threads SET checkpoint = ?, status = ?, updated_at = ? WHERE tenant = ? AND id = ?;

-- :name set_thread_status
-- status, tenant, id, status
UPDATE threads SET status = ?1 WHERE tenant = ?2 AND id = ?3 AND status <> ?1;

-- :name set_thread_metadata
-- metadata, updated_at, tenant, id
UPDATE threads SET metadata = ?, updated_at = ? WHERE tenant = ? AND id = ?;

-- :name delete_thread
-- tenant, id
DELETE FROM threads WHERE tenant = ? AND id = ?;

-- :name insert_checkpoint
-- tenant, thread_id, number, run_id, step, created_at, content
INSERT INTO checkpoints (tenant, thread_id, number, run_id, step, created_at, content) VALUES (?, ?, ?, ?, ?, ?, ?);

-- :name describe_checkpoint
-- parent, metadata, tenant, thread_id, number
UPDATE checkpoints SET parent = ?, metadata = ? WHERE tenant = ? AND thread_id = ? AND number = ?;

-- :name shrink_checkpoint
-- content, tenant, thread_id, number
UPDATE checkpoints SET content = ? WHERE tenant = ? AND thread_id = ? AND number = ?;

-- :name checkpoint_exists
-- tenant, thread_id, number
SELECT 1 FROM checkpoints WHERE tenant = ? AND thread_id = ? AND number = ?;

-- :name contents_from
-- Upwards: the reader stops at the first that is whole, which is at most 64 further. tenant, thread_id, number
SELECT content, number FROM checkpoints WHERE tenant = ? AND thread_id = ? AND number >= ? ORDER BY number;

-- :name checkpoints_before
-- Newest first. tenant, thread_id, before, limit
SELECT number, run_id, content, created_at, step, parent, metadata FROM checkpoints
WHERE tenant = ? AND thread_id = ? AND number < ? ORDER BY number DESC LIMIT ?;

-- :name all_checkpoints
-- tenant, thread_id
SELECT number, run_id, step, created_at, content, parent, metadata FROM checkpoints
WHERE tenant = ? AND thread_id = ? ORDER BY number;

-- :name insert_copied_checkpoint
-- tenant, thread_id, number, run_id, step, created_at, content, parent, metadata
INSERT INTO checkpoints (tenant, thread_id, number, run_id, step, created_at, content, parent, metadata)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- :name delete_checkpoints_before
-- tenant, thread_id, number
DELETE FROM checkpoints WHERE tenant = ? AND thread_id = ? AND number < ?;

-- :name delete_checkpoints_of_thread
-- tenant, thread_id
DELETE FROM checkpoints WHERE tenant = ? AND thread_id = ?;
