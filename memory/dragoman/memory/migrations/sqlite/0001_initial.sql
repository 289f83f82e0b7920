-- The tables of the embedded ledger. What can be told from another table (the last number of a thread's events, the
-- count of a run's steps) has no column: the commit of a step then writes the step and its event, and nothing else. JSON is kept as bytes (BLOB) as orjson wrote it; times are microseconds, UTC.
-- Every table begins with the tenant, and so does every index that a tenant's query uses.

CREATE TABLE threads (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    -- The order of creation: microseconds, made strictly increasing.
    ordinal INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- The values are those of this checkpoint; 0 is a thread that has none yet.
    checkpoint INTEGER NOT NULL,
    metadata BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX threads_newest ON threads (tenant, ordinal);

-- Small on purpose: a thread whose runs succeed never enters it.
CREATE INDEX threads_attention ON threads (tenant, status, ordinal) WHERE status IN ('interrupted', 'error');

CREATE TABLE checkpoints (
    tenant TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    run_id TEXT,
    step TEXT,
    created_at INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (tenant, thread_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    ordinal INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    agent TEXT NOT NULL,
    agent_version TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    subject TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    -- queued: asleep until then. waiting: goes on then, because a question expires or the run asked for it.
    wake_at INTEGER,
    cancel_requested INTEGER NOT NULL,
    cancel_reason TEXT NOT NULL,
    -- 1: the run is forgotten, and the thread's values restored, when it ends.
    rollback INTEGER NOT NULL,
    -- 1: a child run settled during this attempt, so that a sleep begun on older news must not sleep.
    woken INTEGER NOT NULL,
    parent_run_id TEXT,
    idempotency_key TEXT,
    lease_owner TEXT,
    lease_until INTEGER,
    -- The number of the run's first event: where a reader of its events begins.
    first_seq INTEGER NOT NULL,
    base_checkpoint INTEGER NOT NULL,
    -- Counts, so that a run without them is read in one statement.
    interrupts INTEGER NOT NULL,
    artifacts INTEGER NOT NULL,
    emitted INTEGER NOT NULL,
    metadata BLOB NOT NULL,
    input BLOB,
    message BLOB,
    output BLOB,
    failure BLOB,
    UNIQUE (tenant, id)
) STRICT;

-- A run that is born running and ends without a pause, which is most of them, touches four of these indexes and moves in
-- one: that is why what is active and what has ended are indexed apart.

-- One running run a thread. Also the list of leases: there are never more of them than workers have places.
CREATE UNIQUE INDEX runs_running ON runs (tenant, thread_id) WHERE status = 'running';

-- What a thread has besides its running run.
CREATE INDEX runs_pending ON runs (tenant, thread_id, ordinal, status) WHERE status IN ('queued', 'waiting');

-- What is due (wake_at NULL) in the order of submission, then what sleeps by the time it wakes.
CREATE INDEX runs_queued ON runs (wake_at, ordinal) WHERE status = 'queued';

CREATE INDEX runs_expiring ON runs (wake_at) WHERE status = 'waiting' AND wake_at IS NOT NULL;

CREATE UNIQUE INDEX runs_idempotency ON runs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Lists, newest first. What follows the ordinal is there to be tested without reading the row; it never changes again.
CREATE INDEX runs_ended ON runs (tenant, status, ordinal, agent, updated_at) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_by_thread ON runs (tenant, thread_id, ordinal);
CREATE INDEX runs_by_parent ON runs (tenant, parent_run_id, ordinal) WHERE parent_run_id IS NOT NULL;

CREATE TABLE steps (
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    key TEXT NOT NULL,
    status TEXT NOT NULL,
    digest TEXT NOT NULL,
    position INTEGER NOT NULL,
    -- The thread's checkpoint when the step was written: the values that a fork at this step begins from.
    checkpoint INTEGER NOT NULL,
    at INTEGER NOT NULL,
    result BLOB NOT NULL,
    failure BLOB,
    PRIMARY KEY (tenant, run_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    tenant TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    type TEXT NOT NULL,
    at INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (tenant, thread_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE interrupts (
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    key TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    status TEXT NOT NULL,
    -- Counts from 1 in the run: the order in which they were opened.
    position INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    answered_at INTEGER,
    answered_by TEXT NOT NULL,
    expires_at INTEGER,
    schema BLOB NOT NULL,
    payload BLOB NOT NULL,
    answer BLOB,
    PRIMARY KEY (tenant, run_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    ordinal INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (tenant, run_id, id)
) STRICT;

CREATE TABLE store_items (
    tenant TEXT NOT NULL,
    -- The elements of the namespace, escaped and each ended by U+0001, so that a prefix is a range.
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (tenant, namespace, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    ordinal INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    scopes BLOB NOT NULL,
    -- SHA-256 of the secret. The one table that is looked up without a tenant: the key tells it.
    secret_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
