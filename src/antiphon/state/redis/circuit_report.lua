-- Record the outcome of a call. A failure that is repeated, because the reply was lost, counts twice.
-- KEYS  1 the circuit: generation, failures in a row and, unless it is closed, until when calls are refused
-- ARGV  1 generation under which the call was admitted  2 "ok", "failed", or "void", which does not count
--       3 failures in a row that open it  4 open time, ms  5 time to live of an unused circuit, ms
-- gives 1 when the circuit is open now, or 0
local kept = redis.call('HMGET', KEYS[1], 'generation', 'until', 'failures')
local is_open = kept[2] and true or false
if (kept[1] or '0') ~= ARGV[1] or (ARGV[2] == 'void' and not is_open) then
  return is_open and 1 or 0
end
if not is_open and ARGV[2] == 'ok' then
  if kept[3] then
    redis.call('HDEL', KEYS[1], 'failures')
  end
  return 0
end
if not is_open then
  local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  if failures < tonumber(ARGV[3]) then
    return 0
  end
end
local time = redis.call('TIME')
-- from the clock, as in circuit_admit
local generation = string.format('%.0f', math.max((kept[1] or 0) + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[1], 'generation', generation)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
if ARGV[2] == 'ok' then
  redis.call('HDEL', KEYS[1], 'until', 'failures')
  return 0
end
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local refused = ARGV[2] == 'failed' and ARGV[4] or 0
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + refused))
return 1
