-- A further attempt of a job begins: older ones may write no more.
-- KEYS  1 state of the pipe
-- ARGV  1 job  2 number of the attempt  3 how long an untouched pipe is kept, ms
-- gives how many entries the job has written so far, or -1 when a later attempt has begun
local attempt, written = string.match(redis.call('HGET', KEYS[1], 'of ' .. ARGV[1]) or '0 0', '(%d+) (%d+)')
if tonumber(attempt) > tonumber(ARGV[2]) then
  return -1
end
redis.call('HSET', KEYS[1], 'of ' .. ARGV[1], ARGV[2] .. ' ' .. written)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return tonumber(written)
