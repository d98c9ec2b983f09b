-- Give the bytes of a blob back to its tenant.
-- KEYS  1 expiry times of the tenant's blobs  2 their bytes in all
-- ARGV  1 the blob, as key:size
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
  redis.call('DECRBY', KEYS[2], string.match(ARGV[1], '%d+$'))
end
