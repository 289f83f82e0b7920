-- The data keys of tenants, wrapped by a master key that is kept elsewhere; master is its id.
CREATE TABLE data_keys (
    tenant text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    master text COLLATE "C" NOT NULL,
    wrapped bytea NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (tenant, number)
);
