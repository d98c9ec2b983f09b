-- Look at a session.
-- KEYS  1 the session  2 its heartbeat
-- gives {epoch, gateway, status, alive, owner} or nothing
local kept = redis.call('HMGET', KEYS[1], 'epoch', 'gateway_id', 'status', 'until', 'owner')
local time = redis.call('TIME')
if not kept[1] or tonumber(kept[4]) <= time[1] * 1000 + math.floor(time[2] / 1000) then
  return false
end
return {kept[1], kept[2], kept[3], redis.call('EXISTS', KEYS[2]), kept[5] or ''}
