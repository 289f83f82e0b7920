-- Pairs of metadata by which threads and runs are found, and of values by which threads are.

-- :name insert_facet
-- tenant, kind, key, value, ordinal, id
INSERT INTO facets (tenant, kind, key, value, ordinal, id) VALUES (?, ?, ?, ?, ?, ?);

-- :name delete_facet
-- tenant, kind, key, value, ordinal
DELETE FROM facets WHERE tenant = ? AND kind = ? AND key = ? AND value = ? AND ordinal = ?;

-- :name count_facets
-- Up to a limit. tenant, kind, key, value, limit
SELECT count(*) FROM (SELECT 1 FROM facets WHERE tenant = ? AND kind = ? AND key = ? AND value = ? LIMIT ?);

-- :name add_thread_value
-- tenant, id of the thread, key, value
INSERT INTO facets (tenant, kind, key, value, ordinal, id)
SELECT t.tenant, 'value', ?3, ?4, t.ordinal, t.id FROM threads AS t WHERE t.tenant = ?1 AND t.id = ?2 ON CONFLICT DO NOTHING;

-- :name drop_thread_value
-- While the thread is there. tenant, id of the thread, key, value
DELETE FROM facets WHERE tenant = ?1 AND kind = 'value' AND key = ?3 AND value = ?4
AND ordinal = (SELECT t.ordinal FROM threads AS t WHERE t.tenant = ?1 AND t.id = ?2) AND id = ?2;

-- Several at once, for which a statement each would cost more.

-- :name add_thread_values
-- tenant, id of the thread, JSON list of [key, value]
INSERT INTO facets (tenant, kind, key, value, ordinal, id)
SELECT ?1, 'value', json_extract(json_each.value, '$[0]'), json_extract(json_each.value, '$[1]'), t.ordinal, t.id
FROM threads AS t CROSS JOIN json_each(?3) WHERE t.tenant = ?1 AND t.id = ?2 ON CONFLICT DO NOTHING;

-- :name drop_thread_values
-- While the thread is there. tenant, id of the thread, JSON list of [key, value]
DELETE FROM facets WHERE (tenant, kind, key, value, ordinal, id) IN (
    SELECT ?1, 'value', json_extract(json_each.value, '$[0]'), json_extract(json_each.value, '$[1]'), t.ordinal, t.id
    FROM threads AS t CROSS JOIN json_each(?3) WHERE t.tenant = ?1 AND t.id = ?2);

-- :name has_data_key
-- tenant
SELECT 1 FROM data_keys WHERE tenant = ? LIMIT 1;

-- :name runs_with_metadata
-- What delete_thread looks through. tenant, thread_id
SELECT ordinal, metadata FROM runs INDEXED BY runs_by_thread
WHERE tenant = ? AND thread_id = ? AND metadata <> x'7b7d';

-- :name runs_of_facet_before
-- For a pair that few have: the ordinals are sorted, not the rows.
-- tenant, key, before, updated_after, text of the metadata, agent, value
SELECT {run_columns} FROM runs WHERE ordinal IN (
    SELECT ordinal FROM facets WHERE tenant = ?1 AND kind = 'run' AND key = ?2 AND value = ?7 AND ordinal < ?3)
{and_matches} ORDER BY ordinal DESC;
