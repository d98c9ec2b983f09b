-- Lease the next job: the highest priority first, then the oldest; returned jobs are older than new ones. A cancelled
-- job is removed instead.
-- KEYS  1..4 streams, high to low  5..8 for each, the due times of its claimed entries  9 time of the last claim
-- ARGV  1 group  2 consumer  3 token of the lease  4 lease, ms  5 prefix of jobs  6 prefix of cancel flags
--       7 attempts of a job  8 "exhausted" leases only jobs without attempts left, anything else only the others
--       9 first and  10 last of the streams to claim from
-- gives {id, job, attempt, reason}, or {id, job} of a cancelled job that was removed, or {ms until the next job is due,
--       or -1}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most = tonumber(ARGV[7])
local exhausted = ARGV[8] == 'exhausted'
local lease = tonumber(ARGV[4])

-- Leases cannot be renewed while Redis is down, stopped or read-only. Workers claim several times per lease: a gap of
-- half a lease without claims means that Redis was unavailable. Then every worker gets a whole lease to renew its own.
local function may_reclaim()
  local seen, back = unpack(redis.call('HMGET', KEYS[9], 'seen', 'back'))
  if not seen or math.abs(now - seen) > lease / 2 then
    redis.call('HSET', KEYS[9], 'seen', now, 'back', now)
    return false
  end
  if now - seen > lease / 8 then
    redis.call('HSET', KEYS[9], 'seen', now)
  end
  return now - back >= lease
end

local reclaims = may_reclaim()

local function older(a, b)
  local a_ms, a_seq = string.match(a, '(%d+)-(%d+)')
  local b_ms, b_seq = string.match(b, '(%d+)-(%d+)')
  if a_ms ~= b_ms then
    return tonumber(a_ms) < tonumber(b_ms)
  end
  return tonumber(a_seq) < tonumber(b_seq)
end

local function due(stream, zset)
  local oldest, id
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', zset, '-inf', now, 'LIMIT', 0, 100)) do
    if not oldest or older(entry, oldest) then
      local found = redis.call('XRANGE', stream, entry, entry)[1]
      local attempts, owner
      if found then
        attempts, owner = unpack(redis.call('HMGET', ARGV[5] .. found[2][2], 'attempt', 'owner'))
      end
      if not attempts or ((reclaims or owner == '') and (tonumber(attempts) >= most) == exhausted) then
        oldest, id = entry, found and found[2][2]
      end
    end
  end
  return oldest, id
end

local function fresh(stream)
  local read = redis.pcall('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1, 'STREAMS', stream, '>')
  if read and read.err then
    if not string.find(read.err, 'NOGROUP', 1, true) then
      error(read.err)
    end
    redis.call('XGROUP', 'CREATE', stream, ARGV[1], '0', 'MKSTREAM')
    return fresh(stream)
  end
  return read and read[1][2][1]
end

local function remove(stream, zset, entry)
  redis.call('XACK', stream, ARGV[1], entry)
  redis.call('XDEL', stream, entry)
  redis.call('ZREM', zset, entry)
end

for class = tonumber(ARGV[9]), tonumber(ARGV[10]) do
  local stream, zset = KEYS[class], KEYS[class + 4]
  while true do
    local entry, id = due(stream, zset)
    if not entry then
      local found = not exhausted and fresh(stream)
      if not found then
        break
      end
      entry, id = found[1], found[2][2]
    end
    local job = id and ARGV[5] .. id
    local data = job and redis.call('HGET', job, 'data')
    if not data then
      remove(stream, zset, entry)
    elseif redis.call('DEL', ARGV[6] .. id) == 1 then
      remove(stream, zset, entry)
      redis.call('DEL', job)
      return {id, data}
    else
      if redis.call('HGET', job, 'owner') ~= '' then
        redis.call('HSET', job, 'reason', 'its lease ran out')
      end
      redis.call('HSET', job, 'owner', ARGV[3])
      redis.call('XCLAIM', stream, ARGV[1], ARGV[2], 0, entry, 'JUSTID')
      redis.call('ZADD', zset, now + lease, entry)
      local attempt = redis.call('HINCRBY', job, 'attempt', exhausted and 0 or 1) -- burying is no attempt
      return {id, data, attempt, redis.call('HGET', job, 'reason')}
    end
  end
end

local soonest = -1
for class = tonumber(ARGV[9]), tonumber(ARGV[10]) do
  local first = redis.call('ZRANGE', KEYS[class + 4], 0, 0, 'WITHSCORES')
  if first[2] and (soonest < 0 or first[2] - now < soonest) then
    soonest = math.max(reclaims and 0 or math.floor(lease / 10), first[2] - now)
  end
end
return {soonest}
