-- Whether a run of an agent is due, whoever's it is: a yes or no, for a tenant's transaction that must pass nobody.
CREATE FUNCTION dragoman_due_of_agent(name text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    AS $$ SELECT EXISTS (SELECT FROM runs WHERE status = 'queued' AND wake_at IS NULL AND blocked = 0 AND agent = name) $$;
