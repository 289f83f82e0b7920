-- Checkpoints with a parent and words about them; threads that expire; runs with a setup; metadata that is searched by.

-- The checkpoint that this one was made of, where that is not the one before it.
ALTER TABLE checkpoints ADD COLUMN parent INTEGER;
-- What is told of it beyond its run and step.
ALTER TABLE checkpoints ADD COLUMN metadata BLOB;

-- When the thread expires, and how: JSON {"strategy", "minutes"}; what it is set from when the thread is used.
ALTER TABLE threads ADD COLUMN expires_at INTEGER;
ALTER TABLE threads ADD COLUMN ttl BLOB;
CREATE INDEX threads_expiring ON threads (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX threads_updated ON threads (tenant, updated_at, ordinal);

-- What the run was opened with beyond its input: JSON of model.RunSetup, NULL where that is nothing.
ALTER TABLE runs ADD COLUMN setup BLOB;

-- Top-level pairs of metadata whose value is no list and no object, by key and value. The value as matching.facet
-- writes it: texts by their first 128 characters, numbers by their whole part; the exact test is the reader's.
CREATE TABLE facets (
    tenant TEXT NOT NULL,
    -- 'thread' or 'run'
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    -- That of the thread or the run, so that a list of them is in order.
    ordinal INTEGER NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, key, value, ordinal, id)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO facets (tenant, kind, key, value, ordinal, id)
SELECT t.tenant, 'thread', substr(j.key, 1, 128),
    CASE j.type
        WHEN 'text' THEN 's' || substr(j.value, 1, 128)
        WHEN 'true' THEN 'b1'
        WHEN 'false' THEN 'b0'
        WHEN 'null' THEN 'z'
        ELSE CASE WHEN j.value BETWEEN -9007199254740992 AND 9007199254740992
            THEN 'n' || CAST(j.value AS INTEGER) ELSE 'n~' END
    END,
    t.ordinal, t.id
FROM threads AS t, json_each(CAST(t.metadata AS TEXT)) AS j
WHERE t.metadata <> x'7b7d' AND j.type NOT IN ('array', 'object') AND j.key <> 'traceparent';

INSERT OR IGNORE INTO facets (tenant, kind, key, value, ordinal, id)
SELECT r.tenant, 'run', substr(j.key, 1, 128),
    CASE j.type
        WHEN 'text' THEN 's' || substr(j.value, 1, 128)
        WHEN 'true' THEN 'b1'
        WHEN 'false' THEN 'b0'
        WHEN 'null' THEN 'z'
        ELSE CASE WHEN j.value BETWEEN -9007199254740992 AND 9007199254740992
            THEN 'n' || CAST(j.value AS INTEGER) ELSE 'n~' END
    END,
    r.ordinal, ''
FROM runs AS r, json_each(CAST(r.metadata AS TEXT)) AS j
WHERE r.metadata <> x'7b7d' AND j.type NOT IN ('array', 'object') AND j.key <> 'traceparent';
