-- Lists of threads: which ones, in which order. The reader stops when it has enough, and then reads those it shows.

-- :name thread_matches
-- tenant, status or NULL, a text that the metadata contains or NULL, one that the values contain or NULL. Values that are sealed or in
-- a blob do not begin as JSON does: those are for the reader to look into.
t.tenant = ?1 AND (?2 IS NULL OR t.status = ?2) AND (?3 IS NULL OR instr(t.metadata, ?3))
AND (?4 IS NULL OR EXISTS (SELECT 1 FROM checkpoints AS c WHERE c.tenant = t.tenant AND c.thread_id = t.id
    AND c.number = t.checkpoint AND (instr(c.content, ?4) OR c.content < x'20')))

-- :name thread_row
t.id, t.metadata, t.updated_at, t.ordinal, t.status

-- :name threads_by_created_at_down
SELECT {thread_row} FROM threads AS t INDEXED BY threads_newest WHERE {thread_matches} ORDER BY t.ordinal DESC;

-- :name threads_by_created_at_up
SELECT {thread_row} FROM threads AS t INDEXED BY threads_newest WHERE {thread_matches} ORDER BY t.ordinal;

-- :name threads_by_updated_at_down
SELECT {thread_row} FROM threads AS t INDEXED BY threads_updated WHERE {thread_matches} ORDER BY t.updated_at DESC, t.ordinal DESC;

-- :name threads_by_updated_at_up
SELECT {thread_row} FROM threads AS t INDEXED BY threads_updated WHERE {thread_matches} ORDER BY t.updated_at, t.ordinal;

-- :name threads_by_thread_id_down
SELECT {thread_row} FROM threads AS t WHERE {thread_matches} ORDER BY t.id DESC;

-- :name threads_by_thread_id_up
SELECT {thread_row} FROM threads AS t WHERE {thread_matches} ORDER BY t.id;

-- :name of_facet
FROM facets AS f CROSS JOIN threads AS t
WHERE f.tenant = ?1 AND f.kind = ?5 AND f.key = ?6 AND f.value = ?7 AND t.id = f.id AND {thread_matches}

-- :name threads_of_facet_by_created_at_down
-- tenant, status, text of the metadata, text of the values, kind, key, value
SELECT {thread_row} {of_facet} ORDER BY f.ordinal DESC;

-- :name threads_of_facet_by_created_at_up
SELECT {thread_row} {of_facet} ORDER BY f.ordinal;

-- In another order: for a pair that not too many have.

-- :name threads_of_facet_by_updated_at_down
SELECT {thread_row} {of_facet} ORDER BY t.updated_at DESC, t.ordinal DESC;

-- :name threads_of_facet_by_updated_at_up
SELECT {thread_row} {of_facet} ORDER BY t.updated_at, t.ordinal;

-- :name threads_of_facet_by_thread_id_down
SELECT {thread_row} {of_facet} ORDER BY t.id DESC;

-- :name threads_of_facet_by_thread_id_up
SELECT {thread_row} {of_facet} ORDER BY t.id;

-- For a pair that very many have: in the order of the last change by that index alone, and asked of each whether it has the pair; but
-- of none that is older or newer than all who have it (by a + that no index is to take for a range).

-- :name facet_from
(SELECT f.ordinal FROM facets AS f WHERE f.tenant = ?1 AND f.kind = ?5 AND f.key = ?6 AND f.value = ?7 ORDER BY f.ordinal LIMIT 1)

-- :name facet_until
(SELECT f.ordinal FROM facets AS f WHERE f.tenant = ?1 AND f.kind = ?5 AND f.key = ?6 AND f.value = ?7 ORDER BY f.ordinal DESC LIMIT 1)

-- :name walked_for_facet
FROM threads AS u INDEXED BY threads_updated CROSS JOIN facets AS f CROSS JOIN threads AS t
WHERE u.tenant = ?1 AND +u.ordinal BETWEEN {facet_from} AND {facet_until} AND f.tenant = ?1 AND f.kind = ?5 AND f.key = ?6 AND f.value = ?7 AND f.ordinal = u.ordinal
  AND t.id = f.id AND t.updated_at = u.updated_at AND {thread_matches}

-- :name threads_of_facet_walked_down
SELECT {thread_row} {walked_for_facet} ORDER BY u.updated_at DESC, u.ordinal DESC;

-- :name threads_of_facet_walked_up
SELECT {thread_row} {walked_for_facet} ORDER BY u.updated_at, u.ordinal;

-- :name threads_needing_attention_down
-- By the index threads_attention, whose condition is repeated.
SELECT {thread_row} FROM threads AS t INDEXED BY threads_attention
WHERE t.status IN ('interrupted', 'error') AND t.status = ?2 AND {thread_matches} ORDER BY t.ordinal DESC;

-- :name threads_needing_attention_up
SELECT {thread_row} FROM threads AS t INDEXED BY threads_attention
WHERE t.status IN ('interrupted', 'error') AND t.status = ?2 AND {thread_matches} ORDER BY t.ordinal;

-- :name busy_threads
-- Through their runs, of which few are active.
SELECT {thread_row} FROM (
    SELECT thread_id FROM runs INDEXED BY runs_running WHERE tenant = ?1 AND status = 'running'
    UNION SELECT thread_id FROM runs INDEXED BY runs_pending
    WHERE tenant = ?1 AND {is_pending} AND status = 'queued') AS active
CROSS JOIN threads AS t WHERE t.id = active.thread_id AND {thread_matches};

-- Pages of all threads: the index alone is read as far as the offset. tenant, limit, offset

-- :name page_by_created_at_down
SELECT id FROM threads INDEXED BY threads_newest WHERE tenant = ? ORDER BY ordinal DESC LIMIT ? OFFSET ?;

-- :name page_by_created_at_up
SELECT id FROM threads INDEXED BY threads_newest WHERE tenant = ? ORDER BY ordinal LIMIT ? OFFSET ?;

-- :name page_by_updated_at_down
SELECT id FROM threads INDEXED BY threads_updated WHERE tenant = ?
ORDER BY updated_at DESC, ordinal DESC LIMIT ? OFFSET ?;

-- :name page_by_updated_at_up
SELECT id FROM threads INDEXED BY threads_updated WHERE tenant = ? ORDER BY updated_at, ordinal LIMIT ? OFFSET ?;

-- :name count_threads
-- tenant
SELECT count(*) FROM threads INDEXED BY threads_newest WHERE tenant = ?;

-- :name set_thread_ttl
-- ttl, expires_at, tenant, id
UPDATE threads SET ttl = ?, expires_at = ? WHERE tenant = ? AND id = ?;

-- :name thread_expiry
-- tenant, id
SELECT ttl, expires_at FROM threads WHERE tenant = ? AND id = ?;

-- :name expiring_threads
-- now, limit
SELECT tenant, id, ttl, expires_at, updated_at FROM threads WHERE expires_at <= ? ORDER BY expires_at LIMIT ?;

-- :name next_thread_expiry
SELECT min(expires_at) FROM threads WHERE expires_at IS NOT NULL;
