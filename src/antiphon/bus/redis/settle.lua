-- End a job: acknowledged, whoever has its lease by now, or, with a reason and under its lease, a dead letter.
-- KEYS  1 the job  2..4 streams  5..7 for each, when its claimed entries are due again  8 dead letters  9 cancel flag
-- ARGV  1 group  2 token of the lease, or empty to acknowledge  3 reason  4 most dead letters
--       5 how long it is remembered, ms
-- gives 1 when the cancel flag was up, else 0, or -1 when nothing was done
local stream, entry, owner, data, attempt =
  unpack(redis.call('HMGET', KEYS[1], 'stream', 'entry', 'owner', 'data', 'attempt'))
if not stream or (ARGV[2] ~= '' and owner ~= ARGV[2]) then
  return -1
end
if ARGV[2] ~= '' then
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', ARGV[4], '*', 'data', data, 'attempt', attempt, 'reason', ARGV[3])
end
for class = 2, 4 do
  if KEYS[class] == stream then
    redis.call('XACK', stream, ARGV[1], entry)
    redis.call('XDEL', stream, entry)
    redis.call('ZREM', KEYS[class + 3], entry)
  end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'ended', 1) -- whoever submits it once more, for want of an answer, starts nothing
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return redis.call('DEL', KEYS[9])
