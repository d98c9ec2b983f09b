DROP FUNCTION audit_logs_append_only() CASCADE;
--
DROP POLICY tenant ON conversation_items;
--
DROP POLICY upkeep ON conversation_items;
--
ALTER TABLE conversation_items NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
--
REVOKE ALL ON conversation_items FROM antiphon_app, antiphon_jobs;
--
REVOKE ALL ON alembic_version FROM antiphon_app, antiphon_jobs;
--
