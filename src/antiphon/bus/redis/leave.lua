-- Remove a reader, so that writers no longer wait for it.
-- KEYS  1 state of the pipe  2 its readers
-- ARGV  1 name of the reader  2 position up to which it needs no entries, or 0  3 pipe
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then
  return 0
end
if tonumber(ARGV[2]) > tonumber(redis.call('HGET', KEYS[1], 'read') or 0) then
  redis.call('HSET', KEYS[1], 'read', ARGV[2])
end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  local inbox = string.match(field, '^waits (.*)')
  if inbox then
    redis.call('HDEL', KEYS[1], field)
    redis.call('PUBLISH', inbox, ARGV[3])
  end
end
return 1
