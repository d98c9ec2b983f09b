-- Become the gateway of a session under the next epoch: make it, or take it up.
-- KEYS  1 the session  2 its sign of life  3 items  4 events
-- ARGV  1 gateway  2 how long it lives without a sign, ms  3 how long it stays known after that, ms
--       4 how much longer its data stays for whoever clears up, ms  5 "resume" takes up a saved session alone
--       6 prefix of the channels on which gateways hear of sessions that were taken from them
--       7 what they are told: tenant and session
--       8 the owner, empty for nobody; who resumes names the one that the session must have
--       9... names and values that the session has from its beginning, for whoever looks at it
-- gives {epoch} or, to resume, {epoch, snapshot, position, jobs, items, events}, or {} where that owner has none
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
-- by the clock, so that an epoch of a session that is long forgotten never comes again
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
