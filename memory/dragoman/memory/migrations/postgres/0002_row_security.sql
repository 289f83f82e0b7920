-- Rows are seen by tenant. Two roles, which log in as nobody and own nothing: dragoman_app sees the tenant that a transaction names and
-- no row when it names none; dragoman_worker sees all, for what must look across tenants (claims, sweeps, due crons and deliveries, keys
-- by their secret). A server's connection is dragoman_app, and dragoman_worker for single transactions: see docs/postgres.md.

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['dragoman_app', 'dragoman_worker'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;  -- another database of this server is being migrated
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'the role % is missing, and % may not make it: CREATE ROLE % NOLOGIN', name, current_user, name;
            END;
        END IF;
        IF NOT pg_has_role(current_user, name, 'SET') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', name);
        END IF;
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO dragoman_app, dragoman_worker', current_schema());
END $$;

-- The tenant that the transaction has named, or NULL.
CREATE FUNCTION dragoman_tenant() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('dragoman.tenant', true), '') COLLATE "C" $$;

-- Guards each table that has a tenant, and lets the roles at the tables. Called whenever migrations have been applied, so that no table
-- is forgotten. The owner sees all: it migrates and moves rows, and serves nobody. A partition is reached through its table alone.
CREATE FUNCTION dragoman_secure() RETURNS void LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT c.oid::regclass AS name, EXISTS (
            SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped) AS of_tenants
        FROM pg_class AS c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname <> 'migrations' AND pg_has_role(c.relowner, 'USAGE')
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO dragoman_app, dragoman_worker', found.name);
        IF found.of_tenants AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = found.name AND polname = 'of_tenant') THEN
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', found.name);
            EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', found.name);
            EXECUTE format('CREATE POLICY of_tenant ON %s TO dragoman_app USING (tenant = (SELECT dragoman_tenant()))', found.name);
            EXECUTE format('CREATE POLICY of_all ON %s TO dragoman_worker, CURRENT_USER USING (true)', found.name);
        END IF;
    END LOOP;
    GRANT SELECT ON migrations TO dragoman_app, dragoman_worker;
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO dragoman_app, dragoman_worker', current_schema());
END $$;
REVOKE EXECUTE ON FUNCTION dragoman_secure() FROM PUBLIC;

-- The words of texts have no tenant of their own: it is the text's.
ALTER TABLE store_words ENABLE ROW LEVEL SECURITY;
ALTER TABLE store_words FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON store_words TO dragoman_app USING (EXISTS (SELECT FROM store_texts AS t WHERE t.id = store_words.id));
CREATE POLICY of_all ON store_words TO dragoman_worker, CURRENT_USER USING (true);

-- What a tenant's transaction must know of others.

-- How many runs are due in all, counted up to a limit: a number and nothing else.
CREATE FUNCTION dragoman_count_due(now bigint, most bigint) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$ SELECT (SELECT count(*) FROM (SELECT 1 FROM runs WHERE status = 'queued' AND wake_at IS NULL LIMIT most) AS due)
        + (SELECT count(*) FROM (SELECT 1 FROM runs WHERE status = 'queued' AND wake_at IS NOT NULL AND wake_at <= now LIMIT most) AS woken) $$;

-- How many runs of an agent are at work, whoever's they are: a number and nothing else.
CREATE FUNCTION dragoman_running_of_agent(name text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$ SELECT count(*) FROM runs WHERE status = 'running' AND agent = name $$;

-- The tenant's items whose words match. An index on words cannot be searched before rows are known to be the tenant's, for who searches
-- could learn of others' by it; here it is searched as the owner, and what is given is the tenant's.
CREATE FUNCTION dragoman_items_with_words(prefix text, until text, now bigint, wanted text[], most bigint)
    RETURNS TABLE (namespace text, key text, value bytea, created_at bigint, updated_at bigint, ttl bigint, words text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$ SELECT i.namespace, i.key, i.value, i.created_at, i.updated_at, i.ttl, w.text
        FROM store_words AS w JOIN store_texts AS t ON t.id = w.id
        JOIN store_items AS i ON i.tenant = t.tenant AND i.namespace = t.namespace AND i.key = t.key
        WHERE w.words && wanted AND t.tenant = dragoman_tenant() AND i.namespace >= prefix COLLATE "C" AND i.namespace < until COLLATE "C"
          AND (i.expires_at IS NULL OR i.expires_at > now) LIMIT most $$;
