-- Note the position of a reader, and return the next entries.
-- KEYS  1 entries  2 state of the pipe  3 its readers
-- ARGV  1 name of the reader  2 its position  3 position up to which it needs no entries, or 0
--       4 how long it counts as present, ms  5 its inbox  6 pipe  7 most entries  8 time to live of an unused pipe, ms
--       9 position after which all entries have to be kept
-- gives {"over"} or {"gone"} or {"entries", {id, fields}...}
local state = redis.call('HMGET', KEYS[2], 'over', 'head', 'read')
if state[1] then
  return {'over'}
end
local position = tonumber(ARGV[2])
if position < tonumber(state[2] or 0) then
  return {'gone'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expires = now + ARGV[4]
redis.call('HSET', KEYS[3], ARGV[1], string.format('%d %d %s', ARGV[9], expires, ARGV[5]))
redis.call('HSET', KEYS[2], 'seen', now)
if tonumber(ARGV[3]) > tonumber(state[3] or 0) then
  redis.call('HSET', KEYS[2], 'read', ARGV[3])
end
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  local inbox = string.match(field, '^waits (.*)')
  if inbox then
    redis.call('HDEL', KEYS[2], field)
    redis.call('PUBLISH', inbox, ARGV[6])
  end
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ARGV[8])
end
return {'entries', redis.call('XRANGE', KEYS[1], (position + 1) .. '-0', '+', 'COUNT', ARGV[7])}
