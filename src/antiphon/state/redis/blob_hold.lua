-- Count the bytes of a blob for its tenant, unless they exceed the limit. Expired blobs are not counted.
-- KEYS  1 expiry times of the tenant's blobs  2 their bytes in all
-- ARGV  1 the blob, as key:size  2 its bytes  3 its time to live, ms  4 limit of the tenant, bytes
-- gives 1, or 0 above the limit
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, blob in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], blob)
  redis.call('DECRBY', KEYS[2], string.match(blob, '%d+$'))
end
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then -- a repetition, because the reply was lost
  return 1
end
if tonumber(redis.call('GET', KEYS[2]) or 0) + tonumber(ARGV[2]) > tonumber(ARGV[4]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('INCRBY', KEYS[2], ARGV[2])
local lasts = math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], lasts) -- together: a count without its blobs would never decrease
redis.call('PEXPIRE', KEYS[2], lasts)
return 1
