-- Whose turn it is; what the columns mean is said in the migration of the embedded ledger.

ALTER TABLE runs ADD COLUMN rank bigint NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN blocked bigint NOT NULL DEFAULT 0;
UPDATE runs SET rank = created_at WHERE ended_at IS NULL;

DROP INDEX runs_due;
-- Plain columns: where rows are guarded, a condition on what a function makes of a row is looked at after the guard, and not by an index.
CREATE INDEX runs_due ON runs (blocked, agent, agent_version, tenant, rank, ordinal)
    WHERE status = 'queued' AND wake_at IS NULL;
-- For who says rank <> 0 alone, which they all are: it would be a bad choice for the tenants of one kind.
CREATE INDEX runs_due_by_tenant ON runs (tenant) WHERE status = 'queued' AND wake_at IS NULL AND rank <> 0;

CREATE TABLE workers (
    id text COLLATE "C" PRIMARY KEY,
    until bigint NOT NULL,
    kinds bytea NOT NULL
);
