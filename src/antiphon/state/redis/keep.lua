-- Give a sign of life, and keep a snapshot where there is one.
-- KEYS  1 the session  2 its sign of life
-- ARGV  1 epoch  2 how long it lives without a sign, ms  3 how long it stays known after that, ms
--       4 snapshot  5 position up to which it holds; both left out for a sign of life alone
-- gives the epoch of the owner, or an empty string when the session is over
local owner = redis.call('HGET', KEYS[1], 'epoch')
if owner ~= ARGV[1] then
  return owner or ''
end
if ARGV[4] then
  redis.call('HSET', KEYS[1], 'snapshot', ARGV[4], 'position', ARGV[5])
end
redis.call('SET', KEYS[2], owner, 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2] + ARGV[3])
return owner
