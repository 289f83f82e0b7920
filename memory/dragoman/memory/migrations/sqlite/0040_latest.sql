-- Runs of an agent by their last change, as A2A lists tasks.
CREATE INDEX runs_changed ON runs (tenant, agent, status, updated_at, ordinal);
