-- Put a job into its queue, unless its id is known or the queue is full.
-- KEYS  1 stream of the job's priority  2 the job  3..6 the streams of all priorities
-- ARGV  1 job id  2 job, msgpack  3 most jobs in the queue  4 channel of the queue
-- gives "ok", "known" or "full"
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 'known'
end
local held = 0
for at = 3, 6 do
  held = held + redis.call('XLEN', KEYS[at])
end
if held >= tonumber(ARGV[3]) then
  return 'full'
end
local entry = redis.call('XADD', KEYS[1], '*', 'id', ARGV[1])
redis.call('HSET', KEYS[2], 'data', ARGV[2], 'attempt', 0, 'owner', '', 'reason', '', 'stream', KEYS[1], 'entry', entry)
redis.call('PUBLISH', ARGV[4], '')
return 'ok'
