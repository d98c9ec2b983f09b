ALTER TABLE function_calls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
--
CREATE POLICY tenant ON function_calls TO antiphon_app
  USING (tenant_id = nullif(current_setting('antiphon.tenant', true), ''))
  WITH CHECK (tenant_id = nullif(current_setting('antiphon.tenant', true), ''));
--
CREATE POLICY upkeep ON function_calls TO antiphon_jobs USING (true);
--
GRANT SELECT, INSERT, UPDATE, DELETE ON function_calls TO antiphon_app;
--
GRANT SELECT, DELETE ON function_calls TO antiphon_jobs;
