-- Release a session, unless it has a newer owner.
-- KEYS  1 the session  2 its heartbeat  3 items  4 events
-- ARGV  1 epoch  2 how long it stays resumable, ms; 0 forgets it
--       3 how much longer its data stays for clean-up, ms
-- gives 1, or 0 when it has a newer owner
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
local told = {type = 'session.closed'}
if tonumber(ARGV[2]) > 0 then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'status', 'disconnected',
    'until', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]))
  for _, key in ipairs({KEYS[1], KEYS[3], KEYS[4]}) do
    redis.call('PEXPIRE', key, ARGV[2] + ARGV[3])
  end
  told.type = 'session.disconnected'
else
  redis.call('DEL', KEYS[1], KEYS[3], KEYS[4])
end
redis.call('PUBLISH', KEYS[1], cjson.encode(told))
return 1
