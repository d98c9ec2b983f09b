-- End a job: acknowledged, under any lease, or as a dead letter, under its present lease only.
-- KEYS  1 the job  2..5 streams  6..9 for each, the due times of its claimed entries  10 dead letters  11 cancel flag
-- ARGV  1 group  2 token of the lease, or empty to acknowledge  3 maximum number of dead letters
--       4 how long the job stays known as ended, ms
--       5.. names and values of the dead letter, without the work, which is personal data
-- gives 1 when the cancel flag was up, else 0, or -1 when nothing was done
local stream, entry, owner = unpack(redis.call('HMGET', KEYS[1], 'stream', 'entry', 'owner'))
if not stream or (ARGV[2] ~= '' and owner ~= ARGV[2]) then
  return -1
end
if ARGV[2] ~= '' then
  redis.call('XADD', KEYS[10], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 5))
end
for class = 2, 5 do
  if KEYS[class] == stream then
    redis.call('XACK', stream, ARGV[1], entry)
    redis.call('XDEL', stream, entry)
    redis.call('ZREM', KEYS[class + 4], entry)
  end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'ended', 1) -- a repeated submission has no effect
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return redis.call('DEL', KEYS[11])
