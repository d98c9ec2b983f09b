-- Look at a session.
-- KEYS  1 the session  2 its sign of life
-- gives {epoch, gateway, status, snapshot, position, alive} or nothing
local kept = redis.call('HMGET', KEYS[1], 'epoch', 'gateway_id', 'status', 'snapshot', 'position')
if not kept[1] then
  return false
end
return {kept[1], kept[2], kept[3], kept[4] or '', kept[5] or '0', redis.call('EXISTS', KEYS[2])}
