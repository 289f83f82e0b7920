-- The tables of the ledger on Postgres. Columns are those of the SQLite files, where what they mean is said; what differs is said here. JSON
-- is kept as bytes, as orjson wrote it; times are microseconds, UTC; flags are 0 or 1, so that both ledgers read alike. Texts sort by
-- their bytes. Every primary key begins with the tenant, by which the tables can be sharded.

-- The database's clock, which leases go by.
CREATE FUNCTION dragoman_now() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
    AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- Refuses a statement from within: what is refused cannot be committed, however many statements are sent at once.
CREATE FUNCTION dragoman_refuse(what text) RETURNS bigint LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION '%', what USING ERRCODE = 'DR001'; END $$;

CREATE TABLE threads (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    ordinal bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    checkpoint bigint NOT NULL,
    metadata bytea NOT NULL,
    expires_at bigint,
    ttl bytea,
    -- The number of the last event. Whoever writes to the thread, its runs or its log locks this row first: that is what makes the
    -- numbers gapless, in the order of the commits, and each verb alone on its thread.
    last_seq bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);

CREATE INDEX threads_newest ON threads (tenant, ordinal);
CREATE INDEX threads_updated ON threads (tenant, updated_at, ordinal);
CREATE INDEX threads_attention ON threads (tenant, status, ordinal) WHERE status IN ('interrupted', 'error');
CREATE INDEX threads_expiring ON threads (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE checkpoints (
    tenant text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    run_id text COLLATE "C",
    step text COLLATE "C",
    created_at bigint NOT NULL,
    content bytea NOT NULL,
    parent bigint,
    metadata bytea,
    PRIMARY KEY (tenant, thread_id, number)
);

-- Taken under the lock of the run's thread, so that the runs of a thread are in the order of their submission.
CREATE SEQUENCE run_ordinals;

CREATE TABLE runs (
    ordinal bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    agent text COLLATE "C" NOT NULL,
    agent_version text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    subject text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    crashes bigint NOT NULL,
    started_at bigint,
    ended_at bigint,
    wake_at bigint,
    cancel_requested bigint NOT NULL,
    cancel_reason text COLLATE "C" NOT NULL,
    rollback bigint NOT NULL,
    woken bigint NOT NULL,
    parent_run_id text COLLATE "C",
    idempotency_key text COLLATE "C",
    lease_owner text COLLATE "C",
    lease_until bigint,
    first_seq bigint NOT NULL,
    base_checkpoint bigint NOT NULL,
    interrupts bigint NOT NULL,
    artifacts bigint NOT NULL,
    emitted bigint NOT NULL,
    metadata bytea NOT NULL,
    input bytea,
    message bytea,
    output bytea,
    failure bytea,
    setup bytea,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX runs_by_ordinal ON runs (ordinal);
CREATE UNIQUE INDEX runs_running ON runs (tenant, thread_id) WHERE status = 'running';
CREATE INDEX runs_leases ON runs (lease_until) WHERE status = 'running';
CREATE INDEX runs_pending ON runs (tenant, thread_id, ordinal, status) WHERE status IN ('queued', 'waiting');
CREATE INDEX runs_due ON runs (ordinal) WHERE status = 'queued' AND wake_at IS NULL;
CREATE INDEX runs_asleep ON runs (wake_at) WHERE status IN ('queued', 'waiting') AND wake_at IS NOT NULL;
CREATE UNIQUE INDEX runs_idempotency ON runs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_ended ON runs (tenant, status, ordinal, agent, updated_at) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_by_thread ON runs (tenant, thread_id, ordinal);
CREATE INDEX runs_by_parent ON runs (tenant, parent_run_id, ordinal) WHERE parent_run_id IS NOT NULL;

CREATE TABLE steps (
    tenant text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    checkpoint bigint NOT NULL,
    at bigint NOT NULL,
    result bytea NOT NULL,
    failure bytea,
    PRIMARY KEY (tenant, run_id, key)
);

CREATE TABLE events (
    tenant text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (tenant, thread_id, seq)
);

CREATE TABLE interrupts (
    tenant text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    message text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    created_at bigint NOT NULL,
    answered_at bigint,
    answered_by text COLLATE "C" NOT NULL,
    expires_at bigint,
    schema bytea NOT NULL,
    payload bytea NOT NULL,
    answer bytea,
    PRIMARY KEY (tenant, run_id, key)
);

CREATE TABLE artifacts (
    ordinal bigint GENERATED BY DEFAULT AS IDENTITY,
    tenant text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    mime_type text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (tenant, run_id, id)
);

CREATE TABLE store_items (
    tenant text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    value bytea NOT NULL,
    ttl bigint,
    expires_at bigint,
    PRIMARY KEY (tenant, namespace, key)
);

CREATE INDEX store_items_expiring ON store_items (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE store_texts (
    id bigint GENERATED BY DEFAULT AS IDENTITY UNIQUE,
    tenant text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, namespace, key)
);

-- The words of a text as words.py folds them, so that both ledgers find the same.
CREATE TABLE store_words (
    id bigint PRIMARY KEY,
    text text COLLATE "C" NOT NULL,
    words text[] NOT NULL
);

CREATE INDEX store_words_found ON store_words USING gin (words);

CREATE TABLE api_keys (
    ordinal bigint GENERATED BY DEFAULT AS IDENTITY,
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL UNIQUE,
    subject text COLLATE "C" NOT NULL,
    scopes bytea NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    revoked_at bigint,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE facts (
    tenant text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    expires_at bigint NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (tenant, kind, key)
);

CREATE INDEX facts_expiring ON facts (expires_at);

CREATE TABLE facets (
    tenant text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    ordinal bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, kind, key, value, ordinal, id)
);

CREATE TABLE deliveries (
    ordinal bigint GENERATED BY DEFAULT AS IDENTITY,
    tenant text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    url text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    cursor bigint NOT NULL,
    part bigint NOT NULL,
    attempts bigint NOT NULL,
    next_at bigint,
    error text COLLATE "C" NOT NULL,
    turn bigint NOT NULL,
    lease_owner text COLLATE "C",
    lease_until bigint,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    options bytea NOT NULL,
    PRIMARY KEY (tenant, run_id, id)
);

CREATE UNIQUE INDEX deliveries_by_ordinal ON deliveries (ordinal);
CREATE INDEX deliveries_due ON deliveries (next_at, ordinal)
    WHERE status = 'active' AND lease_owner IS NULL AND next_at IS NOT NULL;
CREATE INDEX deliveries_by_status ON deliveries (status, ordinal);

CREATE TABLE delivery_secrets (
    delivery bigint NOT NULL UNIQUE,
    tenant text COLLATE "C" NOT NULL,
    secret bytea NOT NULL,
    PRIMARY KEY (tenant, delivery)
);

CREATE TABLE dead_letters (
    number bigint GENERATED BY DEFAULT AS IDENTITY UNIQUE,
    tenant text COLLATE "C" NOT NULL,
    delivery bigint NOT NULL,
    seq bigint NOT NULL,
    part bigint NOT NULL,
    attempts bigint NOT NULL,
    error text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    stopped bigint NOT NULL,
    body bytea,
    PRIMARY KEY (tenant, number)
);

CREATE INDEX dead_letters_by_delivery ON dead_letters (delivery, seq, part);

CREATE TABLE assistants (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    agent text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    folded text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE INDEX assistants_by_creation ON assistants (tenant, created_at, id);
CREATE INDEX assistants_by_update ON assistants (tenant, updated_at, id);
CREATE INDEX assistants_by_name ON assistants (tenant, name, id);
CREATE INDEX assistants_by_agent ON assistants (tenant, agent, id);

CREATE TABLE assistant_versions (
    tenant text COLLATE "C" NOT NULL,
    assistant_id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    agent text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    description text COLLATE "C",
    created_at bigint NOT NULL,
    config bytea NOT NULL,
    context bytea NOT NULL,
    metadata bytea NOT NULL,
    PRIMARY KEY (tenant, assistant_id, version)
);

CREATE TABLE crons (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    assistant_id text COLLATE "C" NOT NULL,
    schedule text COLLATE "C" NOT NULL,
    thread_id text COLLATE "C",
    subject text COLLATE "C" NOT NULL,
    timezone text COLLATE "C",
    end_at bigint,
    enabled bigint NOT NULL,
    on_run_completed text COLLATE "C",
    payload bytea NOT NULL,
    metadata bytea NOT NULL,
    next_at bigint,
    wake_at bigint,
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE INDEX crons_due ON crons (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX crons_by_creation ON crons (tenant, created_at, id);
CREATE INDEX crons_by_thread ON crons (tenant, thread_id) WHERE thread_id IS NOT NULL;
CREATE INDEX crons_by_assistant ON crons (tenant, assistant_id);
