-- The data keys of tenants, wrapped by a master key that is kept elsewhere; master is its id.
CREATE TABLE data_keys (
    tenant TEXT NOT NULL,
    number INTEGER NOT NULL,
    master TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, number)
) STRICT, WITHOUT ROWID;
