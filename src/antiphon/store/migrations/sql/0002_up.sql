DO $$
BEGIN
  FOR number IN 0..15 LOOP
    EXECUTE format(
      'CREATE TABLE sessions_partition_%s PARTITION OF sessions FOR VALUES WITH (MODULUS 16, REMAINDER %s)', number, number);
  END LOOP;
END
$$;
--
-- Roles belong to the whole server: another database may have created them, or be doing so now.
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['antiphon_app', 'antiphon_jobs'] LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS', role);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END LOOP;
END
$$;
--
-- The owner has no policy: with row-level security forced it sees no row of these tables.
DO $$
DECLARE
  name text;
  own text := 'tenant_id = nullif(current_setting(''antiphon.tenant'', true), '''')';
BEGIN
  FOREACH name IN ARRAY ARRAY['tenants', 'projects', 'api_keys', 'sessions', 'conversation_items', 'function_calls',
                              'usage_records', 'audit_logs', 'outbox_events'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I TO antiphon_app USING (%s) WITH CHECK (%s)', name, own, own);
    EXECUTE format('GRANT SELECT, INSERT ON %I TO antiphon_app', name);
    IF name <> 'audit_logs' THEN
      EXECUTE format('GRANT UPDATE, DELETE ON %I TO antiphon_app', name);
    END IF;
  END LOOP;
  -- rows are reached through their table and its policy, never through a partition
  FOREACH name IN ARRAY ARRAY['sessions', 'conversation_items'] LOOP
    FOR number IN 0..15 LOOP
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name || '_partition_' || number);
      EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name || '_partition_' || number);
    END LOOP;
  END LOOP;
  FOREACH name IN ARRAY ARRAY['sessions', 'conversation_items', 'function_calls', 'usage_records', 'audit_logs',
                              'outbox_events'] LOOP
    EXECUTE format('CREATE POLICY upkeep ON %I TO antiphon_jobs USING (true)', name);
    EXECUTE format('GRANT SELECT, DELETE ON %I TO antiphon_jobs', name);
  END LOOP;
END
$$;
--
CREATE POLICY upkeep ON tenants FOR SELECT TO antiphon_jobs USING (true);
--
GRANT SELECT ON tenants TO antiphon_jobs;
--
GRANT UPDATE (delivered, attempts, next_attempt_at) ON outbox_events TO antiphon_jobs;
--
GRANT USAGE ON SEQUENCE outbox_events_id_seq TO antiphon_app;
--
GRANT SELECT ON alembic_version TO antiphon_app, antiphon_jobs;
--
CREATE FUNCTION audit_logs_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.created_at < extract(epoch FROM now()) - 7 * 365 * 86400 THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'audit_logs is append-only for seven years' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
--
CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE ON audit_logs
  FOR EACH ROW EXECUTE FUNCTION audit_logs_append_only();
--
CREATE TRIGGER audit_logs_no_truncate BEFORE TRUNCATE ON audit_logs
  FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_append_only();
--
