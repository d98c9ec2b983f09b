-- Append as many entries to a pipe as have room; entries that every present reader has read make room.
-- KEYS  1 entries  2 state of the pipe  3 its readers: name -> "position expires inbox"  4 entries that the job keeps
-- ARGV  1 most entries  2 most weight  3 inbox of the writer  4 number of this write  5 pipe  6 time to live of
--       an unused pipe, ms  7 job that writes, or empty  8 number of its attempt
--       9 how long a full pipe waits for a new reader, ms  10 1 when the job keeps its entries, else 0
--       11... weight and entry, msgpack, in turns
-- gives {"done", how many} or {"superseded", attempt} or {"over"}
local state = redis.call('HMGET', KEYS[2], 'over', 'tail', 'tail_weight', 'head', 'head_weight', 'read',
  'by ' .. ARGV[3], 'of ' .. ARGV[7], 'seen')
if state[1] then
  return {'over'}
end
if state[7] then -- this write is repeated, because its reply was lost
  local number, done = string.match(state[7], '(%d+) (%d+)')
  if number == ARGV[4] then
    return {'done', tonumber(done)}
  end
end
local attempt, written = string.match(state[8] or '0 0', '(%d+) (%d+)')
if ARGV[7] ~= '' and tonumber(ARGV[8]) < tonumber(attempt) then
  return {'superseded', tonumber(attempt)}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local tail, tail_weight = tonumber(state[2] or 0), tonumber(state[3] or 0)
local head, head_weight = tonumber(state[4] or 0), tonumber(state[5] or 0)

local floor = tonumber(state[6] or 0)
local inboxes, is_read = {}, false
local readers = redis.call('HGETALL', KEYS[3])
for at = 1, #readers, 2 do
  local position, expires, inbox = string.match(readers[at + 1], '(%d+) (%d+) (.*)')
  position = tonumber(position)
  if tonumber(expires) < now then
    redis.call('HDEL', KEYS[3], readers[at])
  else
    inboxes[inbox] = true
    if not is_read or position < floor then
      floor, is_read = position, true
    end
  end
end

local length, done = redis.call('XLEN', KEYS[1]), 0
for at = 11, #ARGV, 2 do
  local weight = tonumber(ARGV[at])
  local function fits()
    return length == 0 or (length < tonumber(ARGV[1]) and tail_weight - head_weight + weight <= tonumber(ARGV[2]))
  end
  local read = math.min(floor, tail)
  if not fits() and read > head then
    local last = redis.call('XRANGE', KEYS[1], read .. '-0', read .. '-0')[1]
    redis.call('XTRIM', KEYS[1], 'MINID', (read + 1) .. '-0')
    length, head, head_weight = redis.call('XLEN', KEYS[1]), read, tonumber(last[2][4])
    redis.call('HSET', KEYS[2], 'head', head, 'head_weight', head_weight)
  end
  if not fits() then
    if not is_read and state[9] and now - tonumber(state[9]) > tonumber(ARGV[9]) then
      return {'over'} -- its reader is gone, and no other came
    end
    redis.call('HSET', KEYS[2], 'waits ' .. ARGV[3], 1)
    break
  end
  tail, tail_weight, length, done = tail + 1, tail_weight + weight, length + 1, done + 1
  redis.call('XADD', KEYS[1], tail .. '-0', 'entry', ARGV[at + 1], 'weight', tail_weight)
  if ARGV[10] == '1' then
    redis.call('RPUSH', KEYS[4], ARGV[at + 1])
  end
end

redis.call('HSET', KEYS[2], 'tail', tail, 'tail_weight', tail_weight, 'by ' .. ARGV[3], ARGV[4] .. ' ' .. done)
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[2], 'of ' .. ARGV[7], ARGV[8] .. ' ' .. string.format('%d', written + done))
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ARGV[6])
end
if done > 0 then
  for inbox in pairs(inboxes) do
    redis.call('PUBLISH', inbox, ARGV[5])
  end
end
return {'done', done}
