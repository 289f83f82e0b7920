-- Functions that run as the owner look for names where the owner made them and nowhere before that: without being told, Postgres looks first
-- among a session's temporary tables and views, and a view that stands there in a table's place would be run as the owner. They are the
-- server's roles' alone: whoever else may connect could name a tenant to them.

CREATE FUNCTION dragoman_secure_functions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT p.oid::regprocedure AS name, p.proacl IS NULL AS of_all FROM pg_proc AS p
        WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef AND p.proname LIKE 'dragoman\_%'
          AND pg_has_role(p.proowner, 'USAGE')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', found.name, current_schema());
        IF found.of_all THEN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', found.name);
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO dragoman_app, dragoman_worker', found.name);
        END IF;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION dragoman_secure_functions() FROM PUBLIC;

-- As it was, and the functions: called whenever migrations have been applied.
ALTER FUNCTION dragoman_secure() RENAME TO dragoman_secure_tables;
CREATE FUNCTION dragoman_secure() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM dragoman_secure_tables();
    PERFORM dragoman_secure_functions();
END $$;
REVOKE EXECUTE ON FUNCTION dragoman_secure() FROM PUBLIC;
