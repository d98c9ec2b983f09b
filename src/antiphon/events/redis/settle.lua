-- Acknowledge or postpone entries as the active consumer of a group; without entries stay active, or leave.
-- KEYS  1 stream  2 hash of the group: owner, until  3 due times of its pending entries  4 how often each was delivered
-- ARGV  1 group  2 token  3 lease, ms; 0 leaves  4 delay, ms; -1 acknowledges  5… entries
-- gives 1, or 0 if another consumer is active
local stream, state, due, attempts = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease, delay = tonumber(ARGV[3]), tonumber(ARGV[4])

if redis.call('HGET', state, 'owner') ~= ARGV[2] then
  return 0
end
if lease > 0 then
  redis.call('HSET', state, 'until', now + lease)
else
  redis.call('HSET', state, 'owner', '', 'until', 0)
end
for place = 5, #ARGV do
  local entry = ARGV[place]
  if delay < 0 then
    redis.call('XACK', stream, ARGV[1], entry)
    redis.call('ZREM', due, entry)
    redis.call('HDEL', attempts, entry, 'lost:' .. entry)
  else
    redis.call('ZADD', due, 'XX', now + delay, entry)
    redis.call('HDEL', attempts, 'lost:' .. entry)
  end
end
return 1
