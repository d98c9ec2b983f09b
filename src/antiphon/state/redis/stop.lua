-- End a session, whoever owns it. Its owner can no longer save it, and nobody can resume it.
-- KEYS  1 the session  2 its heartbeat  3 items  4 events
-- ARGV  1 prefix of the channels that tell gateways which of their sessions they have lost
--       2 message on that channel: tenant and session
--       3 how long it stays known as ended, ms: longer than its owner may go without a heartbeat
--       4 id of this call: its repetition, because the reply was lost, gives the same
-- gives {epoch, snapshot}, or {} without such a session
local known = redis.call('HMGET', KEYS[1], 'epoch', 'until', 'gateway_id', 'status', 'snapshot')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not known[1] or tonumber(known[2]) <= now then
  return {}
end
if known[4] == 'ended' then
  local ended = redis.call('HMGET', KEYS[1], 'ended_by', 'last')
  return ended[1] == ARGV[4] and {known[1], ended[2]} or {}
end
-- from the clock, as in acquire
local epoch = string.format('%.0f', math.max(known[1] + 1, time[1] * 1000000 + time[2]))
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[1], 'epoch', epoch, 'gateway_id', '', 'status', 'ended', 'last_activity', now,
  'until', string.format('%.0f', now + ARGV[3]), 'ended_by', ARGV[4], 'last', known[5] or '')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', KEYS[1], cjson.encode({type = 'session.closed'}))
redis.call('PUBLISH', ARGV[1] .. known[3], ARGV[2] .. ' ' .. epoch)
return {epoch, known[5] or ''}
