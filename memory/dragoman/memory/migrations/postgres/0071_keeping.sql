-- Days of events are dropped in short steps, each a transaction of its own: what must be kept is copied beside the day thread by thread, while
-- all goes on; then, in one transaction that waits for a lock for some milliseconds only and holds it for as long, the copy takes the day's
-- place. If the day was written to meanwhile, nothing is done and it is begun anew. What says when is postgres/days.py.

DROP FUNCTION dragoman_drop_days(bigint, text[]);

-- Who waits for a lock on events has all commits wait behind it.
ALTER FUNCTION dragoman_make_days(bigint) SET lock_timeout = '200ms';

CREATE FUNCTION dragoman_days_before(before bigint) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$ SELECT c.relname::text FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'events'::regclass AND c.relname <= dragoman_day_name(before / 86400000000 - 1) AND c.relname <> 'events_rest'
        ORDER BY c.relname $$;

-- Where a day begins, in microseconds; refuses what is no day of events.
CREATE FUNCTION dragoman_day_begins(day text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF day !~ '^events_[0-9]{8}$' OR NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'events'::regclass AND inhrelid = to_regclass(day)) THEN
        RAISE EXCEPTION '% is no day of events', day USING ERRCODE = 'undefined_table';
    END IF;
    RETURN extract(epoch FROM to_date(substr(day, 8), 'YYYYMMDD'))::bigint * 1000000;
END $$;

-- What the rows of a day are, so that it is seen whether one was added, changed or taken away.
CREATE FUNCTION dragoman_print_of_day(day text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE found text;
BEGIN
    EXECUTE format('SELECT count(*) || '':'' || coalesce(sum(hashtid(ctid)::bigint # (xmin::text::bigint << 20)), 0) FROM ONLY %I', day)
        INTO found;
    RETURN found;
END $$;

-- Begins a day: makes the table beside it, and gives what names this attempt: its time and the print of the day. Nothing where another
-- replica is at it or has dropped it, or where it was found lately that most of it is kept.
CREATE FUNCTION dragoman_begin_day(day text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '50ms' AS $$
DECLARE
    beside CONSTANT text := 'kept_of_' || day;
    now CONSTANT bigint := dragoman_now();
    begins bigint;
    token text;
BEGIN
    -- Two who made the table at once would meet in the catalogs, each time in another one.
    IF NOT pg_try_advisory_xact_lock(hashtextextended(beside, 2)) THEN
        RETURN NULL;
    END IF;
    begins := dragoman_day_begins(day);
    IF substring(obj_description(to_regclass(day), 'pg_class') FROM '^([0-9]{1,18}):')::bigint > now - 86400000000
        OR substring(obj_description(to_regclass(beside), 'pg_class') FROM '^([0-9]{1,18}):')::bigint > now - 900000000 THEN
        RETURN NULL;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', beside);
    EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING INDEXES, CHECK (at >= %s AND at < %s))', beside, begins, begins + 86400000000);
    token := now || ':' || dragoman_print_of_day(day);
    EXECUTE format('COMMENT ON TABLE %I IS %L', beside, token);
    RETURN token;
EXCEPTION
    WHEN lock_not_available OR undefined_table THEN RETURN NULL;
END $$;

-- Copies what must be kept of the next threads of a day: all of the tenants that are named, all of threads that a run is at work on or waits
-- on, or of which somebody is still to be told. Of any other thread that is still there its last event stays, as the mark of what is gone.
-- Gives the last of the threads; nothing at the end.
CREATE FUNCTION dragoman_keep_of_day(day text, token text, keeping text[], tenant_after text, thread_after text, most bigint)
    RETURNS TABLE (tenant text, thread_id text) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    beside CONSTANT text := 'kept_of_' || day;
    last_tenant text;
    last_thread text;
BEGIN
    PERFORM dragoman_day_begins(day);
    IF obj_description(to_regclass(beside), 'pg_class') IS DISTINCT FROM token THEN
        RAISE EXCEPTION 'another replica is at %', day USING ERRCODE = 'object_in_use';
    END IF;
    EXECUTE format($q$
        WITH logs AS MATERIALIZED (SELECT tenant, thread_id, max(seq) AS last FROM ONLY %1$I WHERE (tenant, thread_id) > ($2, $3)
            GROUP BY tenant, thread_id ORDER BY tenant, thread_id LIMIT $4), held AS (
            SELECT l.tenant, l.thread_id, l.last, l.tenant = ANY ($1)
                OR EXISTS (SELECT FROM runs AS r WHERE r.tenant = l.tenant AND r.thread_id = l.thread_id
                    AND (r.ended_at IS NULL
                        OR EXISTS (SELECT FROM runs AS p WHERE p.tenant = r.tenant AND p.id = r.parent_run_id AND p.ended_at IS NULL)
                        OR EXISTS (SELECT FROM deliveries AS d
                            WHERE d.tenant = r.tenant AND d.run_id = r.id AND d.status = 'active'))) AS whole
            FROM logs AS l JOIN threads AS t ON t.tenant = l.tenant AND t.id = l.thread_id), copied AS (
            INSERT INTO %2$I (tenant, thread_id, seq, run_id, at, type, data)
            SELECT e.tenant, e.thread_id, e.seq, e.run_id, e.at,
                CASE WHEN h.whole THEN e.type ELSE 'log.purged' END,
                CASE WHEN h.whole THEN e.data ELSE convert_to('{"through":' || e.seq || '}', 'UTF8') END
            FROM held AS h JOIN ONLY %1$I AS e ON e.tenant = h.tenant AND e.thread_id = h.thread_id AND (h.whole OR e.seq = h.last))
        SELECT l.tenant, l.thread_id FROM logs AS l ORDER BY l.tenant DESC, l.thread_id DESC LIMIT 1
        $q$, day, beside) INTO last_tenant, last_thread USING keeping, tenant_after, thread_after, most;
    IF last_thread IS NOT NULL THEN
        RETURN QUERY SELECT last_tenant, last_thread;
    END IF;
END $$;

-- Says of events_rest that it has none of a day, so that nobody has to look under a lock: 'fenced', or 'busy'. It is proven later, while all
-- goes on.
CREATE FUNCTION dragoman_fence_day(day text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '50ms' AS $$
DECLARE begins CONSTANT bigint := dragoman_day_begins(day);
BEGIN
    ALTER TABLE events_rest DROP CONSTRAINT IF EXISTS events_fence;
    EXECUTE format('ALTER TABLE events_rest ADD CONSTRAINT events_fence CHECK (at < %s OR at >= %s) NOT VALID', begins, begins + 86400000000);
    RETURN 'fenced';
EXCEPTION
    WHEN lock_not_available OR deadlock_detected THEN RETURN 'busy';
END $$;

CREATE FUNCTION dragoman_prove_fence() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '1s' AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'events_rest'::regclass AND conname = 'events_fence' AND NOT convalidated) THEN
        ALTER TABLE events_rest VALIDATE CONSTRAINT events_fence;
    END IF;
EXCEPTION
    WHEN lock_not_available OR deadlock_detected THEN NULL;  -- it is tried again
END $$;

-- Ends a day: 'done'; 'changed' when it was written to since it was begun, 'busy' when somebody holds a lock, 'unfenced' when it must be
-- fenced first, 'left' when most of it is kept, which is not worth the copy. Up to so many rows that are kept move to events_rest, more of them take the day's place.
CREATE FUNCTION dragoman_end_day(day text, token text, most bigint, OUT state text, OUT dropped bigint, OUT kept bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '50ms' AS $$
DECLARE
    begins CONSTANT bigint := dragoman_day_begins(day);
    beside CONSTANT text := 'kept_of_' || day;
BEGIN
    IF obj_description(to_regclass(beside), 'pg_class') IS DISTINCT FROM token THEN
        RAISE EXCEPTION 'another replica is at %', day USING ERRCODE = 'object_in_use';
    END IF;
    EXECUTE format('SELECT count(*) FROM %I', beside) INTO kept;
    dropped := split_part(token, ':', 2)::bigint - kept;
    IF kept > most AND dropped < kept THEN
        EXECUTE format('DROP TABLE %I', beside);
        EXECUTE format('COMMENT ON TABLE %I IS %L', day, dragoman_now() || ':left');
        state := 'left';
        RETURN;
    END IF;
    IF kept > most AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'events_rest'::regclass AND conname = 'events_fence'
            AND convalidated AND pg_get_constraintdef(oid) LIKE '%' || begins || '%') THEN
        state := 'unfenced';
        RETURN;
    END IF;
    EXECUTE format('LOCK TABLE ONLY %I IN EXCLUSIVE MODE', day);  -- it may be read until the end
    IF substr(token, strpos(token, ':') + 1) <> dragoman_print_of_day(day) THEN
        EXECUTE format('DROP TABLE %I', beside);
        state := 'changed';
        RETURN;
    END IF;
    IF kept <= most THEN
        -- A thread's earlier mark says less than this one.
        EXECUTE format($q$DELETE FROM events AS old USING %I AS new
            WHERE new.type = 'log.purged' AND old.tenant = new.tenant AND old.thread_id = new.thread_id AND old.type = 'log.purged'
              AND old.seq < new.seq AND old.at < %s$q$, beside, begins + 86400000000);
    END IF;
    EXECUTE format('LOCK TABLE ONLY events, ONLY events_rest, ONLY %I IN ACCESS EXCLUSIVE MODE', day);
    EXECUTE format('ALTER TABLE events DETACH PARTITION %I', day);
    EXECUTE format('DROP TABLE %I', day);
    IF kept <= most THEN
        ALTER TABLE events_rest DROP CONSTRAINT IF EXISTS events_fence;
        EXECUTE format('INSERT INTO events_rest (tenant, thread_id, seq, run_id, at, type, data)
            SELECT tenant, thread_id, seq, run_id, at, type, data FROM %I', beside);
        EXECUTE format('DROP TABLE %I', beside);
    ELSE
        EXECUTE format('ALTER TABLE %I RENAME TO %I', beside, day);
        EXECUTE format('REVOKE ALL ON %I FROM dragoman_app, dragoman_worker', day);
        EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', day, begins, begins + 86400000000);
        ALTER TABLE events_rest DROP CONSTRAINT IF EXISTS events_fence;
        EXECUTE format('COMMENT ON TABLE %I IS %L', day, dragoman_now() || ':left');
    END IF;
    state := 'done';
EXCEPTION
    WHEN lock_not_available OR deadlock_detected THEN state := 'busy';
END $$;

-- What is beside a day that is not ended now goes.
CREATE FUNCTION dragoman_leave_day(day text, token text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM dragoman_day_begins(day);
    IF obj_description(to_regclass('kept_of_' || day), 'pg_class') = token THEN
        EXECUTE format('DROP TABLE %I', 'kept_of_' || day);
    END IF;
END $$;

-- Of the next threads that a day has a mark of: their earlier marks go, which say less. Gives the last of the threads; nothing at the end.
CREATE FUNCTION dragoman_drop_marks(day text, tenant_after text, thread_after text, most bigint)
    RETURNS TABLE (tenant text, thread_id text) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE begins CONSTANT bigint := dragoman_day_begins(day);
BEGIN
    RETURN QUERY EXECUTE format($q$
        WITH new AS MATERIALIZED (SELECT tenant, thread_id, seq FROM ONLY %I WHERE type = 'log.purged' AND (tenant, thread_id) > ($1, $2)
            ORDER BY tenant, thread_id LIMIT $3), gone AS (
            DELETE FROM events AS old USING new WHERE old.tenant = new.tenant AND old.thread_id = new.thread_id AND old.type = 'log.purged'
              AND old.seq < new.seq AND old.at < %s)
        SELECT new.tenant, new.thread_id FROM new ORDER BY new.tenant DESC, new.thread_id DESC LIMIT 1
        $q$, day, begins + 86400000000) USING tenant_after, thread_after, most;
END $$;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['dragoman_days_before(bigint)', 'dragoman_day_begins(text)', 'dragoman_print_of_day(text)',
        'dragoman_begin_day(text)', 'dragoman_keep_of_day(text, text, text[], text, text, bigint)', 'dragoman_fence_day(text)',
        'dragoman_prove_fence()', 'dragoman_end_day(text, text, bigint)', 'dragoman_leave_day(text, text)',
        'dragoman_drop_marks(text, text, text, bigint)'] LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO dragoman_worker', name);
    END LOOP;
END $$;

-- What this ledger is called, where it is not what it was born as: one that was moved here keeps the name that its blobs are claimed with.
CREATE TABLE identity (
    one bigint PRIMARY KEY CHECK (one = 1),
    name text COLLATE "C" NOT NULL
);
