-- Events by day: a partition for each day (UTC), made ahead, and dropped whole when its day is forgotten. A day is told by `at`. What has no
-- partition of its own is in events_rest: events of a host whose clock is far off, imported ones, and those that outlive their day.
--
-- That a thread has no number twice is not an index's doing (one over all partitions would need the day in it): numbers are given under the
-- lock of the thread's row, whose last_seq is written in the same transaction.

-- Between when a thread's events are, so that reading them looks at their days alone. A thread that was brought here has no bounds.
ALTER TABLE threads ADD COLUMN first_at bigint NOT NULL DEFAULT 0, ADD COLUMN last_at bigint NOT NULL DEFAULT 9223372036854775807;

ALTER TABLE events RENAME TO events_rest;
ALTER TABLE events_rest DROP CONSTRAINT events_pkey;
CREATE TABLE events (LIKE events_rest, PRIMARY KEY (tenant, thread_id, seq, at)) PARTITION BY RANGE (at);
ALTER TABLE events ATTACH PARTITION events_rest DEFAULT;
REVOKE ALL ON events_rest FROM dragoman_app, dragoman_worker;  -- reached through the table, and guarded there

CREATE FUNCTION dragoman_day_name(day bigint) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT 'events_' || to_char(to_timestamp(day * 86400) AT TIME ZONE 'UTC', 'YYYYMMDD') $$;

-- Makes the partitions from today on for so many days more, those that are missing; how many those were. One at a time: who comes second
-- leaves it to the first.
CREATE FUNCTION dragoman_make_days(ahead bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    length CONSTANT bigint := 86400000000;
    today CONSTANT bigint := dragoman_now() / 86400000000;
    made bigint := 0;
    name text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(4201710002) THEN
        RETURN 0;
    END IF;
    FOR day IN today..today + ahead LOOP
        name := dragoman_day_name(day);
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE events, CHECK (at >= %s AND at < %s))', name, day * length, (day + 1) * length);
        LOCK TABLE events_rest IN ACCESS EXCLUSIVE MODE;  -- as ATTACH will
        EXECUTE format('WITH moved AS (DELETE FROM events_rest WHERE at >= %s AND at < %s RETURNING *) INSERT INTO %I SELECT * FROM moved',
            day * length, (day + 1) * length, name);
        EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, day * length, (day + 1) * length);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

-- Drops the partitions of the days that were over before a time. What must be kept longer moves to events_rest: all of the tenants that are
-- named, all of threads that a run is at work on or waits on, or of which somebody is still to be told. Of any other thread that is still
-- there its last event of these stays, as the mark of what is gone.
CREATE FUNCTION dragoman_drop_days(before bigint, keeping text[]) RETURNS TABLE (day text, dropped bigint, kept bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    CREATE TEMPORARY TABLE dragoman_kept (LIKE events) ON COMMIT DROP;
    FOR day IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'events'::regclass AND c.relname <= dragoman_day_name(before / 86400000000 - 1) AND c.relname <> 'events_rest'
        ORDER BY c.relname
    LOOP
        EXECUTE format('LOCK TABLE %I IN EXCLUSIVE MODE', day);  -- it may be read until the end
        EXECUTE format($q$
            WITH logs AS (SELECT tenant, thread_id, max(seq) AS last FROM %1$I GROUP BY tenant, thread_id), held AS (
                SELECT l.tenant, l.thread_id, l.last, l.tenant = ANY ($1)
                    OR EXISTS (SELECT FROM runs AS r WHERE r.tenant = l.tenant AND r.thread_id = l.thread_id
                        AND (r.ended_at IS NULL
                            OR EXISTS (SELECT FROM runs AS p WHERE p.tenant = r.tenant AND p.id = r.parent_run_id AND p.ended_at IS NULL)
                            OR EXISTS (SELECT FROM deliveries AS d
                                WHERE d.tenant = r.tenant AND d.run_id = r.id AND d.status = 'active'))) AS whole
                FROM logs AS l JOIN threads AS t ON t.tenant = l.tenant AND t.id = l.thread_id)
            INSERT INTO dragoman_kept (tenant, thread_id, seq, run_id, at, type, data)
            SELECT e.tenant, e.thread_id, e.seq, e.run_id, e.at,
                CASE WHEN h.whole THEN e.type ELSE 'log.purged' END,
                CASE WHEN h.whole THEN e.data ELSE convert_to('{"through":' || e.seq || '}', 'UTF8') END
            FROM held AS h JOIN %1$I AS e ON e.tenant = h.tenant AND e.thread_id = h.thread_id AND (h.whole OR e.seq = h.last)
            $q$, day) USING keeping;
        GET DIAGNOSTICS kept = ROW_COUNT;
        EXECUTE format('SELECT count(*) - $1 FROM %I', day) INTO dropped USING kept;
        EXECUTE format('ALTER TABLE events DETACH PARTITION %I', day);
        EXECUTE format('DROP TABLE %I', day);
        -- A thread's earlier mark says less than this one.
        DELETE FROM events_rest AS old USING dragoman_kept AS new
        WHERE new.type = 'log.purged' AND old.tenant = new.tenant AND old.thread_id = new.thread_id AND old.type = 'log.purged'
          AND old.seq < new.seq;
        INSERT INTO events SELECT * FROM dragoman_kept;
        TRUNCATE dragoman_kept;
        RETURN NEXT;
    END LOOP;
    DROP TABLE dragoman_kept;
END $$;

REVOKE EXECUTE ON FUNCTION dragoman_make_days(bigint), dragoman_drop_days(bigint, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dragoman_make_days(bigint), dragoman_drop_days(bigint, text[]) TO dragoman_worker;
