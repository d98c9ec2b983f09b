DO $$
DECLARE
  name text;
  own text := 'tenant_id = nullif(current_setting(''antiphon.tenant'', true), '''')';
BEGIN
  FOREACH name IN ARRAY ARRAY['analytics_events', 'erasures'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I TO antiphon_app USING (%s) WITH CHECK (%s)', name, own, own);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO antiphon_app', name);
    EXECUTE format('CREATE POLICY upkeep ON %I TO antiphon_jobs USING (true)', name);
    EXECUTE format('GRANT SELECT, DELETE ON %I TO antiphon_jobs', name);
  END LOOP;
END
$$;
