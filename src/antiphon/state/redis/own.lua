-- Become the owner of a session: make it, or take it over under the next epoch.
-- KEYS  1 the session  2 its sign of life
-- ARGV  1 gateway  2 how long it lives without a sign, ms  3 how long it stays known after that, ms
-- gives {epoch, snapshot, position}
local time = redis.call('TIME')
-- by the clock, so that an epoch of a session that is long forgotten never comes again
local epoch = math.max(tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0) + 1, time[1] * 1000000 + time[2])
local known = string.format('%.0f', epoch)
redis.call('HSET', KEYS[1], 'epoch', known, 'gateway_id', ARGV[1], 'status', 'connected')
redis.call('SET', KEYS[2], known, 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2] + ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'snapshot', 'position')
return {known, kept[1] or '', kept[2] or '0'}
