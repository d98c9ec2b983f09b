-- Append events that are not in the log; acknowledged entries beyond the capacity are dropped.
-- KEYS  1 stream  2 hash of the entries by event; those of its groups follow from its name and are in its slot
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

local excess = redis.call('XLEN', stream) + count - capacity
if excess > 0 then
  local read -- every group has read up to here
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    for place = 1, #group, 2 do
      if group[place] == 'last-delivered-id' and (not read or before(group[place + 1], read)) then
        read = group[place + 1]
      end
    end
  end

  local function is_pending(entry)
    for number = 1, groups do
      if redis.call('ZSCORE', '{' .. stream .. '}:' .. ARGV[4 + number] .. ':due', entry) then
        return true
      end
    end
    return false
  end

  local needless, room = {}, math.max(excess, tonumber(ARGV[2]))
  local from = '-'
  for _ = 1, 10 do -- behind more pending ones than that the log counts as full
    local some = redis.call('XRANGE', stream, from, read or '+', 'COUNT', room)
    for _, found in ipairs(some) do
      if #needless < room and not is_pending(found[1]) then
        needless[#needless + 1] = found
      end
    end
    if #needless >= excess or #some < room then
      break
    end
    from = '(' .. some[#some][1]
  end
  if #needless < excess then
    return 0
  end
  for _, found in ipairs(needless) do
    local entry, fields = found[1], found[2]
    for at = 1, #fields, 2 do
      if fields[at] == 'key' and redis.call('HGET', ids, fields[at + 1]) == entry then
        redis.call('HDEL', ids, fields[at + 1])
      end
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
