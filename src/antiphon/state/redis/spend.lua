-- Count one use of a limited resource.
-- KEYS  1 the ids of its uses
-- ARGV  1 id of this use, which counts once  2 maximum number of uses  3 expiry of the count, ms since the epoch
-- gives 1, or 0 when the maximum was reached before
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 and redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 1
