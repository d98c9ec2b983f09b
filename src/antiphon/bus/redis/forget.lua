-- A job has ended: what it has written is neither counted nor kept any more.
-- KEYS  1 state of the pipe  2 what the job keeps
-- ARGV  1 job
-- gives 1 where something was kept, else 0
redis.call('HDEL', KEYS[1], 'of ' .. ARGV[1])
return redis.call('DEL', KEYS[2])
