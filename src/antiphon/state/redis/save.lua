-- Send a heartbeat, and save a change if there is one.
-- KEYS  1 the session  2 its heartbeat  3 items  4 events
-- ARGV  1 epoch  2 longest time between heartbeats, ms  3 resume window after that, ms
--       4 how much longer its data stays for clean-up, ms
--       5 snapshot, omitted with all that follows for a heartbeat alone  6 pipe position of the snapshot
--       7 jobs  8 events sent since the last change, or empty  9 how long they are kept, ms
--       10 how many items follow  11... id and item in turns, then ids of removed items
-- gives the epoch of the owner, or an empty string when the session is over
local known = redis.call('HMGET', KEYS[1], 'epoch', 'until')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not known[1] or tonumber(known[2]) <= now then
  return ''
end
if known[1] ~= ARGV[1] then
  return known[1]
end
if ARGV[5] then
  redis.call('HSET', KEYS[1], 'snapshot', ARGV[5], 'position', ARGV[6], 'jobs', ARGV[7], 'last_activity', now)
  local last = 10 + 2 * ARGV[10]
  for at = 11, last, 2 do
    redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1])
  end
  for at = last + 1, #ARGV do
    redis.call('HDEL', KEYS[3], ARGV[at])
  end
  if ARGV[8] ~= '' then
    redis.call('XADD', KEYS[4], '*', 'events', ARGV[8])
    redis.call('XTRIM', KEYS[4], 'MINID', string.format('%.0f', now - ARGV[9]))
  end
  redis.call('PUBLISH', KEYS[1], cjson.encode({type = 'session.updated'}))
end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[2] + ARGV[3]))
redis.call('SET', KEYS[2], known[1], 'PX', ARGV[2])
for _, key in ipairs({KEYS[1], KEYS[3], KEYS[4]}) do
  redis.call('PEXPIRE', key, ARGV[2] + ARGV[3] + ARGV[4])
end
return known[1]
