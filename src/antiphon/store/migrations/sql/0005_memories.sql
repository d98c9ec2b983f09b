ALTER TABLE ltm_embeddings ENABLE ROW LEVEL SECURITY;
--
ALTER TABLE ltm_embeddings FORCE ROW LEVEL SECURITY;
--
DO $$
DECLARE
  own text := 'tenant_id = nullif(current_setting(''antiphon.tenant'', true), '''')';
BEGIN
  EXECUTE format('CREATE POLICY tenant ON ltm_embeddings TO antiphon_app USING (%s) WITH CHECK (%s)', own, own);
END
$$;
--
GRANT SELECT, INSERT, UPDATE, DELETE ON ltm_embeddings TO antiphon_app;
--
CREATE POLICY upkeep ON ltm_embeddings TO antiphon_jobs USING (true);
--
GRANT SELECT, DELETE ON ltm_embeddings TO antiphon_jobs;
--
-- Only a superuser may create the extension, which a server may also not have: vectors are then compared outside it.
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS vector;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR duplicate_object
            OR unique_violation THEN
  NULL;
END
$$;
--
-- Searches need iterative scans, which pgvector has since 0.8. The table has no rows yet.
DO $$
BEGIN
  IF to_regtype('halfvec') IS NOT NULL AND EXISTS (
    SELECT FROM pg_extension
    WHERE extname = 'vector' AND string_to_array(substring(extversion FROM '^[0-9.]*[0-9]'), '.')::int[] >= ARRAY[0, 8]
  ) THEN
    ALTER TABLE ltm_embeddings ALTER COLUMN embedding TYPE halfvec(384) USING NULL;
    CREATE INDEX ltm_embeddings_by_vector ON ltm_embeddings USING hnsw (embedding halfvec_cosine_ops);
  END IF;
END
$$;
