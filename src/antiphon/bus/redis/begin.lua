-- Begin an attempt of a job, after which older ones cannot write.
-- KEYS  1 state of the pipe
-- ARGV  1 job  2 number of the attempt  3 time to live of an unused pipe, ms
-- gives the number of entries that the job has written, or -1 when a later attempt has begun
local attempt, written = string.match(redis.call('HGET', KEYS[1], 'of ' .. ARGV[1]) or '0 0', '(%d+) (%d+)')
if tonumber(attempt) > tonumber(ARGV[2]) then
  return -1
end
redis.call('HSET', KEYS[1], 'of ' .. ARGV[1], ARGV[2] .. ' ' .. written)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return tonumber(written)
