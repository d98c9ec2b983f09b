-- Look at the saved state of a session.
-- KEYS  1 the session  2 its items
-- ARGV  1 1 with its items, 0 without
-- gives {snapshot, items}, or {} for a session that is unknown, over, or was never saved
local known = redis.call('HMGET', KEYS[1], 'until', 'snapshot')
local time = redis.call('TIME')
if not known[2] or tonumber(known[1]) <= time[1] * 1000 + math.floor(time[2] / 1000) then
  return {}
end
return {known[2], ARGV[1] == '1' and redis.call('HGETALL', KEYS[2]) or {}}
