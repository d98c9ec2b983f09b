-- 16 partitions: rows of one tenant lie in one of them
DO $$
BEGIN
  FOR number IN 0..15 LOOP
    EXECUTE format(
      'CREATE TABLE conversation_items_partition_%s PARTITION OF conversation_items FOR VALUES WITH (MODULUS 16, REMAINDER %s)',
      number, number);
  END LOOP;
END
$$;
--
