-- The log of a thread. Numbers are given by the writer from the thread's last_seq, in the transaction of the rows.

-- :name insert_event
-- tenant, thread_id, seq, run_id, type, at, data
-- OR FAIL: a failed statement need not undo its rows, the verb is rolled back anyway.
INSERT OR FAIL INTO events (tenant, thread_id, seq, run_id, type, at, data) VALUES (?, ?, ?, ?, ?, ?, ?);

-- :name events_of_thread
-- tenant, thread_id, after, limit
SELECT run_id, seq, type, data, at FROM events
WHERE tenant = ? AND thread_id = ? AND seq > ? ORDER BY seq LIMIT ?;

-- :name events_of_run
-- A run's events lie between its first one and the thread's end; the reader stops at its terminal one.
-- tenant, run_id, tenant, thread_id, after, run_id
SELECT run_id, seq, type, data, at FROM events
WHERE tenant = ?1 AND thread_id = ?3
  AND seq > max(?4, coalesce((SELECT first_seq - 1 FROM runs WHERE tenant = ?1 AND id = ?2), 0))
  AND run_id = ?2
ORDER BY seq LIMIT ?5;

-- :name delete_events_of_thread
-- tenant, thread_id
DELETE FROM events WHERE tenant = ? AND thread_id = ?;
