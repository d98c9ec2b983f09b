-- Count a blob as held by its tenant, unless that would be too much. What has expired is no longer counted.
-- KEYS  1 when each blob of the tenant expires  2 the bytes of all
-- ARGV  1 the blob, as key:size  2 its bytes  3 its time to live, ms  4 most bytes of the tenant
-- gives 1, or 0 when it would be too much
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, blob in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], blob)
  redis.call('DECRBY', KEYS[2], string.match(blob, '%d+$'))
end
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then -- sent again, for its answer got lost
  return 1
end
if tonumber(redis.call('GET', KEYS[2]) or 0) + tonumber(ARGV[2]) > tonumber(ARGV[4]) then
  return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('INCRBY', KEYS[2], ARGV[2])
local lasts = math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], lasts) -- both at once: a count without its blobs would never go down
redis.call('PEXPIRE', KEYS[2], lasts)
return 1
