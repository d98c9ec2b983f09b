-- Drop the count and the kept entries of a job that has ended.
-- KEYS  1 state of the pipe  2 entries that the job keeps
-- ARGV  1 job
-- gives 1 when entries were kept, else 0
redis.call('HDEL', KEYS[1], 'of ' .. ARGV[1])
return redis.call('DEL', KEYS[2])
