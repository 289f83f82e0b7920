-- The index of threads' values: facets of the kind 'value', as those of metadata. Of a tenant with a data key there is nothing in it.
-- A thread whose newest values are not to be read here (they are in a blob, or have a NUL) is marked by one of the kind 'unread'.
-- Threads of servers of an older version that write meanwhile are not indexed: stop those first.

INSERT INTO facets (tenant, kind, key, value, ordinal, id)
SELECT t.tenant, 'value', left(j.key, 128),
    CASE json_typeof(j.value)
        WHEN 'string' THEN 's' || left(j.value #>> '{}', 128)
        WHEN 'boolean' THEN CASE j.value #>> '{}' WHEN 'true' THEN 'b1' ELSE 'b0' END
        WHEN 'null' THEN 'z'
        ELSE CASE WHEN (j.value #>> '{}')::numeric BETWEEN -9007199254740992 AND 9007199254740992
            THEN 'n' || trunc((j.value #>> '{}')::numeric) ELSE 'n~' END
    END,
    t.ordinal, t.id
FROM threads AS t
JOIN checkpoints AS c ON c.tenant = t.tenant AND c.thread_id = t.id AND c.number = t.checkpoint
CROSS JOIN LATERAL json_each(CASE WHEN substr(c.content, 1, 1) = '\x7b' AND position('\x5c7530303030'::bytea IN c.content) = 0
    THEN convert_from(c.content, 'UTF8')::json ELSE '{}' END) AS j
WHERE json_typeof(j.value) NOT IN ('array', 'object') AND j.key <> 'traceparent'
  AND NOT EXISTS (SELECT FROM data_keys AS d WHERE d.tenant = t.tenant)
ON CONFLICT DO NOTHING;

INSERT INTO facets (tenant, kind, key, value, ordinal, id)
SELECT t.tenant, 'unread', '', '', t.ordinal, t.id
FROM threads AS t
JOIN checkpoints AS c ON c.tenant = t.tenant AND c.thread_id = t.id AND c.number = t.checkpoint
WHERE (substr(c.content, 1, 1) <> '\x7b' OR position('\x5c7530303030'::bytea IN c.content) > 0)
  AND NOT EXISTS (SELECT FROM data_keys AS d WHERE d.tenant = t.tenant);
