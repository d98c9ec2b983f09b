DROP FUNCTION audit_logs_append_only() CASCADE;
--
DROP POLICY tenant ON conversation_items;
--
DROP POLICY upkeep ON conversation_items;
--
ALTER TABLE conversation_items NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
--
DO $$
BEGIN
  FOR number IN 0..15 LOOP
    EXECUTE format('ALTER TABLE conversation_items_partition_%s NO FORCE ROW LEVEL SECURITY', number);
    EXECUTE format('ALTER TABLE conversation_items_partition_%s DISABLE ROW LEVEL SECURITY', number);
  END LOOP;
END
$$;
--
REVOKE ALL ON conversation_items FROM antiphon_app, antiphon_jobs;
--
REVOKE ALL ON alembic_version FROM antiphon_app, antiphon_jobs;
--
