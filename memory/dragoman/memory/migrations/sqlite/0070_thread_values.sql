-- The index of threads' values: facets of the kind 'value', as 0004 has them of metadata. Of a tenant with a data key there is nothing in it.
-- A thread whose newest values are not to be read here (they are in a blob, or have a NUL) is marked by one of the kind 'unread'.

INSERT OR IGNORE INTO facets (tenant, kind, key, value, ordinal, id)
SELECT t.tenant, 'value', substr(j.key, 1, 128),
    CASE j.type
        WHEN 'text' THEN 's' || substr(j.value, 1, 128)
        WHEN 'true' THEN 'b1'
        WHEN 'false' THEN 'b0'
        WHEN 'null' THEN 'z'
        ELSE CASE WHEN j.value BETWEEN -9007199254740992 AND 9007199254740992
            THEN 'n' || CAST(j.value AS INTEGER) ELSE 'n~' END
    END,
    t.ordinal, t.id
FROM threads AS t
CROSS JOIN checkpoints AS c ON c.tenant = t.tenant AND c.thread_id = t.id AND c.number = t.checkpoint
CROSS JOIN json_each(CASE WHEN substr(c.content, 1, 1) = x'7b' AND NOT instr(c.content, CAST('\u0000' AS BLOB))
    THEN CAST(c.content AS TEXT) ELSE '{}' END) AS j
WHERE j.type NOT IN ('array', 'object') AND j.key <> 'traceparent'
  AND NOT EXISTS (SELECT 1 FROM data_keys AS d WHERE d.tenant = t.tenant);

INSERT INTO facets (tenant, kind, key, value, ordinal, id)
SELECT t.tenant, 'unread', '', '', t.ordinal, t.id
FROM threads AS t
CROSS JOIN checkpoints AS c ON c.tenant = t.tenant AND c.thread_id = t.id AND c.number = t.checkpoint
WHERE (substr(c.content, 1, 1) <> x'7b' OR instr(c.content, CAST('\u0000' AS BLOB)))
  AND NOT EXISTS (SELECT 1 FROM data_keys AS d WHERE d.tenant = t.tenant);
