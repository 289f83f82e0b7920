-- Assistants and their versions. An assistant's row says which of its versions is the current one, and repeats what it is listed by.

CREATE TABLE assistants (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    agent TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The name without its case, to be searched.
    folded TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX assistants_by_creation ON assistants (tenant, created_at, id);
CREATE INDEX assistants_by_update ON assistants (tenant, updated_at, id);
CREATE INDEX assistants_by_name ON assistants (tenant, name, id);
CREATE INDEX assistants_by_agent ON assistants (tenant, agent, id);

CREATE TABLE assistant_versions (
    tenant TEXT NOT NULL,
    assistant_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    agent TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    created_at INTEGER NOT NULL,
    config BLOB NOT NULL,
    context BLOB NOT NULL,
    metadata BLOB NOT NULL,
    PRIMARY KEY (tenant, assistant_id, version)
) STRICT, WITHOUT ROWID;
