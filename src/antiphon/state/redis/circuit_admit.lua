-- Ask whether a call may go to an endpoint. The first that asks when its circuit was open long enough is its probe.
-- Carried out twice, because the answer got lost, it costs the probe its place until the time of a probe is over.
-- KEYS  1 the circuit
-- ARGV  1 how long a probe may be out, ms  2 how long an untouched circuit is kept, ms
-- gives {generation, 1 for a probe or 0}, or {} where the call is refused
local kept = redis.call('HMGET', KEYS[1], 'generation', 'until')
if not kept[2] then
  return {kept[1] or '0', 0}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now < tonumber(kept[2]) then
  return {}
end
-- by the clock, so that a generation of a circuit that was forgotten never comes again
local generation = string.format('%.0f', math.max(kept[1] + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[1], 'generation', generation, 'until', string.format('%.0f', now + ARGV[1]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {generation, 1}
