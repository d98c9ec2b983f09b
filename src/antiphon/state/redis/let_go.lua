-- Let go of a session, unless a newer owner has it.
-- KEYS  1 the session  2 its sign of life
-- ARGV  1 epoch  2 how long it stays resumable, ms; 0 forgets it
-- gives 1 when it was ours
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[2])
if tonumber(ARGV[2]) > 0 then
  redis.call('HSET', KEYS[1], 'status', 'disconnected')
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
return 1
