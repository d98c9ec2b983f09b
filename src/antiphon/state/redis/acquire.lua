-- Become the gateway of a session under the next epoch: create it, or resume it.
-- KEYS  1 the session  2 its heartbeat  3 items  4 events
-- ARGV  1 gateway  2 longest time between heartbeats, ms  3 resume window after that, ms
--       4 how much longer its data stays for clean-up, ms  5 "resume" requires a saved session
--       6 prefix of the channels that tell gateways which of their sessions were taken
--       7 message on that channel: tenant and session
--       8 the owner, empty for none; to resume, it has to be that of the session
--       9... names and values of a new session, readable in Redis
-- gives {epoch} or, to resume, {epoch, snapshot, position, jobs, items, events}, or {} without such a session
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'epoch', 'until', 'gateway_id', 'snapshot', 'owner')
local lives = known[2] and tonumber(known[2]) > now
if ARGV[5] == 'resume' and not (lives and known[4] and (known[5] or '') == ARGV[8]) then
  return {}
end
if not lives then
  redis.call('DEL', KEYS[1], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'created_at', now, 'owner', ARGV[8], unpack(ARGV, 9))
end
-- from the clock, so that epochs of forgotten sessions are never reused
local epoch = math.max(tonumber(known[1] or 0) + 1, time[1] * 1000000 + time[2])
local named = string.format('%.0f', epoch)
redis.call('HSET', KEYS[1], 'epoch', named, 'gateway_id', ARGV[1], 'status', 'connected', 'last_activity', now,
  'until', string.format('%.0f', now + ARGV[2] + ARGV[3]))
redis.call('SET', KEYS[2], named, 'PX', ARGV[2])
for _, key in ipairs({KEYS[1], KEYS[3], KEYS[4]}) do
  redis.call('PEXPIRE', key, ARGV[2] + ARGV[3] + ARGV[4])
end
redis.call('PUBLISH', KEYS[1], cjson.encode({type = 'session.connected', epoch = named, gateway_id = ARGV[1]}))
if ARGV[5] ~= 'resume' then
  return {named}
end
redis.call('PUBLISH', ARGV[6] .. known[3], ARGV[7] .. ' ' .. named)
local saved = redis.call('HMGET', KEYS[1], 'snapshot', 'position', 'jobs')
local events = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[4], '-', '+')) do
  events[#events + 1] = entry[2][2]
end
return {named, saved[1], saved[2], saved[3] or '', redis.call('HGETALL', KEYS[3]), events}
