-- Whose turn it is: what a tenant has queued, by agent and version, in the order in which it is to start.

-- The time of the submission, a minute earlier for each level of priority: that is how long a run of a lower level waits for one that was
-- submitted later, and no longer.
ALTER TABLE runs ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
-- 1: known to wait for another run of its thread; 0: perhaps not. Whoever takes runs looks, and marks it; what ends a wait unmarks it.
ALTER TABLE runs ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET rank = created_at WHERE ended_at IS NULL;

DROP INDEX runs_queued;
CREATE INDEX runs_due ON runs (blocked, agent || '@' || agent_version, tenant, rank, ordinal)
    WHERE status = 'queued' AND wake_at IS NULL;
CREATE INDEX runs_due_by_tenant ON runs (tenant) WHERE status = 'queued' AND wake_at IS NULL;
CREATE INDEX runs_asleep ON runs (wake_at) WHERE status = 'queued' AND wake_at IS NOT NULL;

-- Who drives what, until when unless told again.
CREATE TABLE workers (
    id TEXT NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL,
    kinds BLOB NOT NULL
) STRICT, WITHOUT ROWID;
