-- Renew a lease.
-- KEYS  1 the job  2..5 streams  6..9 for each, the due times of its claimed entries
-- ARGV  1 group  2 consumer  3 token of the lease  4 lease, ms
-- gives 1, or 0 when the lease was lost
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[3] then
  return 0
end
local time = redis.call('TIME')
local stream, entry = unpack(redis.call('HMGET', KEYS[1], 'stream', 'entry'))
for class = 2, 5 do
  if KEYS[class] == stream then
    redis.call('ZADD', KEYS[class + 4], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[4], entry)
    redis.call('XCLAIM', stream, ARGV[1], ARGV[2], 0, entry, 'JUSTID')
  end
end
return 1
