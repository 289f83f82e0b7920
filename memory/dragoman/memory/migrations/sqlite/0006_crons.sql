-- Crons: when a run is opened next, and with what.

CREATE TABLE crons (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    assistant_id TEXT NOT NULL,
    schedule TEXT NOT NULL,
    thread_id TEXT,
    subject TEXT NOT NULL,
    timezone TEXT,
    end_at INTEGER,
    enabled INTEGER NOT NULL,
    on_run_completed TEXT,
    payload BLOB NOT NULL,
    metadata BLOB NOT NULL,
    -- The due time that no run was opened for yet. NULL: there is none.
    next_at INTEGER,
    -- When to look at it: next_at, or later after a failure.
    wake_at INTEGER,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX crons_due ON crons (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX crons_by_creation ON crons (tenant, created_at, id);
CREATE INDEX crons_by_thread ON crons (tenant, thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX crons_by_assistant ON crons (tenant, assistant_id);
