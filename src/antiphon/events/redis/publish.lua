-- Append events that are not in the log; acknowledged entries beyond the capacity are dropped.
-- KEYS  1 stream  2 hash of the entries by event
-- ARGV  1 capacity  2 entries to drop at once  3 the only group that the events are for, or ""
--       4 number of groups, then their names, then for each event: tenant, id, type, payload, time, session, sequence
-- gives 1, or 0 if the log has no room; then nothing is appended
local stream, ids = KEYS[1], KEYS[2]
local capacity, only = tonumber(ARGV[1]), ARGV[3]
local groups = tonumber(ARGV[4])
local first = 5 + groups
local count = (#ARGV - first + 1) / 7

local function before(a, b)
  local a_ms, a_seq = string.match(a, '(%d+)-(%d+)')
  local b_ms, b_seq = string.match(b, '(%d+)-(%d+)')
  if a_ms ~= b_ms then
    return tonumber(a_ms) < tonumber(b_ms)
  end
  return tonumber(a_seq) < tonumber(b_seq)
end

-- an event that is written before any consumer came is for all of them
for number = 1, groups do
  redis.pcall('XGROUP', 'CREATE', stream, ARGV[4 + number], '0', 'MKSTREAM')
end

-- the last entry that no group needs any more: behind it lie those that are unread or pending
local function needless(entry)
  for number = 1, groups do
    local pending = redis.call('XPENDING', stream, ARGV[4 + number])
    if pending[1] > 0 and not before(entry, pending[2]) then
      return false
    end
  end
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    for place = 1, #group, 2 do
      if group[place] == 'last-delivered-id' and before(group[place + 1], entry) then
        return false
      end
    end
  end
  return true
end

local excess = redis.call('XLEN', stream) + count - capacity
if excess > 0 then
  local dropped = 0
  local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', math.max(excess, tonumber(ARGV[2])))
  local low, high = 0, #oldest -- entries up to `low` are needless: those of a prefix are
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if needless(oldest[middle][1]) then
      low = middle
    else
      high = middle - 1
    end
  end
  if low < excess then
    return 0
  end
  for place = 1, low do
    local entry, fields = oldest[place][1], oldest[place][2]
    local key
    for at = 1, #fields, 2 do
      if fields[at] == 'key' then
        key = fields[at + 1]
      end
    end
    if key and redis.call('HGET', ids, key) == entry then
      redis.call('HDEL', ids, key)
    end
    redis.call('XDEL', stream, entry)
  end
end

for at = first, #ARGV, 7 do
  local key = only .. ':' .. ARGV[at + 1]
  if only ~= '' or redis.call('HEXISTS', ids, key) == 0 then
    local entry = redis.call('XADD', stream, '*', 'type', ARGV[at + 2], 'payload', ARGV[at + 3], 'event_id', ARGV[at + 1],
      'tenant_id', ARGV[at], 'created_at', ARGV[at + 4], 'session_id', ARGV[at + 5], 'session_sequence', ARGV[at + 6],
      'group', only, 'key', key)
    redis.call('HSET', ids, key, entry)
  end
end
return 1
