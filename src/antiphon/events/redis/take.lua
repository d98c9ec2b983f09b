-- Become or stay the active consumer of a group, and take the events that are due: oldest first, then new ones.
-- KEYS  1 stream  2 hash of the group: owner, until  3 due times of its pending entries
--       4 how often each was delivered, and how often without an outcome: "lost:" and the entry
-- ARGV  1 group  2 consumer  3 token  4 lease, ms  5 limit  6 lost deliveries after which an entry comes alone
--       7 most due entries to look at  8… entries that this consumer holds: of others the reply was lost
-- gives {entry, deliveries before, fields} for each
local stream, state, due, attempts = unpack(KEYS)
local group, consumer, token = ARGV[1], ARGV[2], ARGV[3]
local lease, limit, suspect = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local never = '+inf' -- due time of an entry that is being processed

local owner, till = unpack(redis.call('HMGET', state, 'owner', 'until'))
if owner ~= token then
  if owner and owner ~= '' and tonumber(till) > now then
    return {}
  end
end
local held = {}
for place = 8, #ARGV do
  held[ARGV[place]] = owner == token
end
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', due, never, never)) do
  if not held[entry] then
    redis.call('ZADD', due, 0, entry)
    redis.call('HINCRBY', attempts, 'lost:' .. entry, 1)
  end
end
redis.call('HSET', state, 'owner', token, 'until', now + lease)

local function numbers(entry)
  local ms, seq = string.match(entry, '(%d+)-(%d+)')
  return tonumber(ms), tonumber(seq)
end

local function before(a, b)
  local a_ms, a_seq = numbers(a)
  local b_ms, b_seq = numbers(b)
  return a_ms < b_ms or (a_ms == b_ms and a_seq < b_seq)
end

local taken = {}

local function add(entry, fields, deliveries)
  redis.call('ZADD', due, never, entry)
  redis.call('HSET', attempts, entry, deliveries + 1)
  taken[#taken + 1] = {entry, deliveries, fields}
end

local waiting = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, tonumber(ARGV[7]))
table.sort(waiting, before)
for _, entry in ipairs(waiting) do
  if #taken >= limit then
    return taken
  end
  local deliveries = tonumber(redis.call('HGET', attempts, entry) or '0')
  local lost = tonumber(redis.call('HGET', attempts, 'lost:' .. entry) or '0')
  local found = redis.call('XRANGE', stream, entry, entry)[1]
  if not found then -- somebody removed it by hand
    redis.call('XACK', stream, group, entry)
    redis.call('ZREM', due, entry)
    redis.call('HDEL', attempts, entry, 'lost:' .. entry)
  elseif lost >= suspect then
    if #taken == 0 then
      redis.call('XCLAIM', stream, group, consumer, 0, entry, 'JUSTID')
      add(entry, found[2], deliveries)
      return taken
    end
  else
    redis.call('XCLAIM', stream, group, consumer, 0, entry, 'JUSTID')
    add(entry, found[2], deliveries)
  end
end

local function fresh(count)
  local read = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>')
  if read and read.err then
    if not string.find(read.err, 'NOGROUP', 1, true) then
      error(read.err)
    end
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    return fresh(count)
  end
  return read and read[1][2] or {}
end

if #taken < limit then
  for _, found in ipairs(fresh(limit - #taken)) do
    local only
    for at = 1, #found[2], 2 do
      if found[2][at] == 'group' then
        only = found[2][at + 1]
      end
    end
    if only and only ~= '' and only ~= group then
      redis.call('XACK', stream, group, found[1])
    else
      add(found[1], found[2], 0)
    end
  end
end
return taken
