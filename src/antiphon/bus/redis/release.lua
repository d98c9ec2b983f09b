-- Return a job to its queue for another attempt.
-- KEYS  1 the job  2..5 streams  6..9 for each, the due times of its claimed entries
-- ARGV  1 token of the lease  2 delay, ms  3 reason  4 channel of the queue  5 "0" when this attempt does not count
-- gives 1, or 0 when the lease was lost
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local stream, entry = unpack(redis.call('HMGET', KEYS[1], 'stream', 'entry'))
redis.call('HSET', KEYS[1], 'owner', '', 'reason', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'attempt', tonumber(ARGV[5]) - 1)
for class = 2, 5 do
  if KEYS[class] == stream then
    redis.call('ZADD', KEYS[class + 4], time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2], entry)
  end
end
redis.call('PUBLISH', ARGV[4], '')
return 1
