-- Assistants and their versions.

-- :name assistant_columns
-- In the order of the fields of assistants.Assistant.
a.tenant, a.id, v.agent, v.version, v.name, v.description, v.config, v.context, v.metadata, a.created_at, a.updated_at

-- :name assistant_with_version
assistants AS a CROSS JOIN assistant_versions AS v ON v.tenant = a.tenant AND v.assistant_id = a.id AND v.version = a.version

-- :name assistant_by_id
-- tenant, id
SELECT {assistant_columns} FROM {assistant_with_version} WHERE a.tenant = ? AND a.id = ?;

-- :name insert_assistant
-- tenant, id, version, agent, name, folded, now
INSERT INTO assistants (tenant, id, version, agent, name, folded, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7);

-- :name move_assistant
-- version, agent, name, folded, now, tenant, id
UPDATE assistants SET version = ?1, agent = ?2, name = ?3, folded = ?4, updated_at = max(?5, updated_at + 1)
WHERE tenant = ?6 AND id = ?7;

-- :name insert_assistant_version
-- tenant, assistant_id, version, agent, name, description, created_at, config, context, metadata
INSERT INTO assistant_versions
    (tenant, assistant_id, version, agent, name, description, created_at, config, context, metadata)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- :name last_assistant_version
-- tenant, assistant_id
SELECT max(version) FROM assistant_versions WHERE tenant = ? AND assistant_id = ?;

-- :name assistant_version
-- tenant, assistant_id, version
SELECT agent, name FROM assistant_versions WHERE tenant = ? AND assistant_id = ? AND version = ?;

-- :name assistant_versions
-- Newest first. tenant, assistant_id, a text that the metadata contains or NULL
SELECT v.tenant, v.assistant_id, v.agent, v.version, v.name, v.description, v.config, v.context, v.metadata, a.created_at,
    v.created_at
FROM assistants AS a CROSS JOIN assistant_versions AS v ON v.tenant = a.tenant AND v.assistant_id = a.id
WHERE a.tenant = ?1 AND a.id = ?2 AND (?3 IS NULL OR instr(v.metadata, ?3)) ORDER BY v.version DESC;

-- :name delete_assistant
-- tenant, id
DELETE FROM assistants WHERE tenant = ? AND id = ?;

-- :name delete_assistant_versions
-- tenant, assistant_id
DELETE FROM assistant_versions WHERE tenant = ? AND assistant_id = ?;

-- :name assistants_kept
-- tenant, JSON array of ids
SELECT id FROM assistants WHERE tenant = ? AND id IN (SELECT value FROM json_each(?));

-- Lists, without a limit: the reader stops when it has enough.
-- All take: tenant, agent or NULL, a part of the folded name or NULL, a text that the metadata contains or NULL.

-- :name matching_assistants
SELECT {assistant_columns} FROM {assistant_with_version}
WHERE a.tenant = ?1 AND (?2 IS NULL OR a.agent = ?2) AND (?3 IS NULL OR instr(a.folded, ?3))
  AND (?4 IS NULL OR instr(v.metadata, ?4))

-- :name assistants_by_created_at
{matching_assistants} ORDER BY a.created_at, a.id;

-- :name assistants_by_created_at_descending
{matching_assistants} ORDER BY a.created_at DESC, a.id DESC;

-- :name assistants_by_updated_at
{matching_assistants} ORDER BY a.updated_at, a.id;

-- :name assistants_by_updated_at_descending
{matching_assistants} ORDER BY a.updated_at DESC, a.id DESC;

-- :name assistants_by_name
{matching_assistants} ORDER BY a.name, a.id;

-- :name assistants_by_name_descending
{matching_assistants} ORDER BY a.name DESC, a.id DESC;

-- :name assistants_by_agent
{matching_assistants} ORDER BY a.agent, a.id;

-- :name assistants_by_agent_descending
{matching_assistants} ORDER BY a.agent DESC, a.id DESC;

-- :name assistants_by_id
{matching_assistants} ORDER BY a.id;

-- :name assistants_by_id_descending
{matching_assistants} ORDER BY a.id DESC;
