-- Small things that are known for a while: sessions of clients, tokens that were used. They are not runs, and go by themselves.

CREATE TABLE facts (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (tenant, kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX facts_expiring ON facts (expires_at);
