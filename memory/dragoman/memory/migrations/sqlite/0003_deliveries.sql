-- The outbox: to whom a run's log is told, and how far. What is told is the log itself; nothing is queued beside it.

CREATE TABLE deliveries (
    -- The order of creation.
    ordinal INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    url TEXT NOT NULL,
    status TEXT NOT NULL,
    -- The last event that is done with, and how many messages of the next one were delivered.
    cursor INTEGER NOT NULL,
    part INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- When to look at it again: after a failure, or at once. NULL waits for an event.
    next_at INTEGER,
    error TEXT NOT NULL,
    -- Rises with every claim: the fence.
    turn INTEGER NOT NULL,
    lease_owner TEXT,
    lease_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    options BLOB NOT NULL,
    UNIQUE (tenant, run_id, id)
) STRICT;

-- What nobody sends for, by when it is due.
CREATE INDEX deliveries_due ON deliveries (next_at, ordinal)
    WHERE status = 'active' AND lease_owner IS NULL AND next_at IS NOT NULL;
CREATE INDEX deliveries_by_status ON deliveries (status, ordinal);

-- Apart from what may be shown: tokens and credentials, gone when nothing is left to be sent.
CREATE TABLE delivery_secrets (
    delivery INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    secret BLOB NOT NULL
) STRICT;

CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    delivery INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    part INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- 1: its delivery waits at it. 0: its delivery went on without it.
    stopped INTEGER NOT NULL,
    body BLOB
) STRICT;

CREATE INDEX dead_letters_by_tenant ON dead_letters (tenant, number);
CREATE INDEX dead_letters_by_delivery ON dead_letters (delivery, seq, part);
