-- Count a blob no longer as held by its tenant.
-- KEYS  1 when each blob of the tenant expires  2 the bytes of all
-- ARGV  1 the blob, as key:size
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
  redis.call('DECRBY', KEYS[2], string.match(ARGV[1], '%d+$'))
end
