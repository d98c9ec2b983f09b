-- Drop a pipe and wake its readers and writers.
-- KEYS  1 entries  2 state of the pipe  3 its readers
-- ARGV  1 pipe  2 how long the pipe stays known as dropped, ms
local woken = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  local inbox = string.match(field, '^waits (.*)')
  if inbox then
    woken[inbox] = true
  end
end
for _, reader in ipairs(redis.call('HVALS', KEYS[3])) do
  woken[string.match(reader, '%d+ %d+ (.*)')] = true
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[2], 'over', 1)
redis.call('PEXPIRE', KEYS[2], ARGV[2])
for inbox in pairs(woken) do
  redis.call('PUBLISH', inbox, ARGV[1])
end
return 1
