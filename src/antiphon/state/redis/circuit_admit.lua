-- Admit a call to an endpoint, or refuse it. The first call after the open time of a circuit is its probe.
-- A repetition, because the reply was lost, is refused until the lost probe times out.
-- KEYS  1 the circuit
-- ARGV  1 timeout of a probe, ms  2 time to live of an unused circuit, ms
-- gives {generation, 1 for a probe or 0}, or {} when the call is refused
local kept = redis.call('HMGET', KEYS[1], 'generation', 'until')
if not kept[2] then
  return {kept[1] or '0', 0}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now < tonumber(kept[2]) then
  return {}
end
-- from the clock, so that generations of forgotten circuits are never reused
local generation = string.format('%.0f', math.max(kept[1] + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[1], 'generation', generation, 'until', string.format('%.0f', now + ARGV[1]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {generation, 1}
