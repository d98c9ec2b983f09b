-- Refuse writers of an older epoch, or, with an empty epoch, forget the pipe: whatever waits at it goes on.
-- KEYS  1 entries  2 state of the pipe  3 its readers
-- ARGV  1 epoch, or empty  2 pipe  3 how long the state is kept, ms
local woken = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  local inbox = string.match(field, '^waits (.*)')
  if inbox then
    woken[inbox] = true
    redis.call('HDEL', KEYS[2], field)
  end
end
if ARGV[1] ~= '' then
  if tonumber(ARGV[1]) > tonumber(redis.call('HGET', KEYS[2], 'fence') or 0) then
    redis.call('HSET', KEYS[2], 'fence', ARGV[1])
  end
else
  local readers = redis.call('HVALS', KEYS[3])
  for _, reader in ipairs(readers) do
    woken[string.match(reader, '%d+ %d+ (.*)')] = true
  end
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[2], 'over', 1)
end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
for inbox in pairs(woken) do
  redis.call('PUBLISH', inbox, ARGV[2])
end
return 1
