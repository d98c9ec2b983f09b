-- Forget a session whose resume window is over.
-- KEYS  1 the session  2 its heartbeat  3 items  4 events
-- gives {"over", snapshot, epoch}, or {"gone"} for a session that is unknown or was stopped, or {"known", ms until its window may be over}
local kept = redis.call('HMGET', KEYS[1], 'until', 'snapshot', 'epoch', 'status')
if not kept[1] then
  return {'gone'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(kept[1]) > now then
  return {'known', kept[1] - now}
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
if kept[4] == 'ended' then -- its end was told before
  return {'gone'}
end
redis.call('PUBLISH', KEYS[1], cjson.encode({type = 'session.closed'}))
return {'over', kept[2] or '', kept[3]}
