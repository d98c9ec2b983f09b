-- Add a dead event; one that is there already is replaced, and the oldest beyond the capacity are dropped.
-- KEYS  1 stream of dead events  2 hash of its entries by name
-- ARGV  1 name  2 capacity  3… fields and values of the entry
local former = redis.call('HGET', KEYS[2], ARGV[1])
if former then
  redis.call('XDEL', KEYS[1], former)
end
local fields = {}
for place = 3, #ARGV do
  fields[#fields + 1] = ARGV[place]
end
local entry = redis.call('XADD', KEYS[1], '*', unpack(fields))
redis.call('HSET', KEYS[2], ARGV[1], entry)
while redis.call('XLEN', KEYS[1]) > tonumber(ARGV[2]) do
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  for place = 1, #oldest[2], 2 do
    if oldest[2][place] == 'dead_id' then
      redis.call('HDEL', KEYS[2], oldest[2][place + 1])
    end
  end
  redis.call('XDEL', KEYS[1], oldest[1])
end
return entry
