-- `event` is an event as msgpack. Times are seconds since the epoch.
CREATE TABLE IF NOT EXISTS entries (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  log TEXT NOT NULL,
  only_group TEXT NOT NULL DEFAULT '',
  event_id TEXT NOT NULL,
  event BLOB NOT NULL,
  published_at REAL NOT NULL,
  UNIQUE (log, event_id, only_group)
);
CREATE INDEX IF NOT EXISTS entries_by_log ON entries (log, position);
CREATE TABLE IF NOT EXISTS groups (
  log TEXT NOT NULL,
  "group" TEXT NOT NULL,
  read INTEGER NOT NULL DEFAULT 0,
  owner TEXT NOT NULL DEFAULT '',
  until REAL NOT NULL DEFAULT 0,
  PRIMARY KEY (log, "group")
);
CREATE TABLE IF NOT EXISTS pending (
  log TEXT NOT NULL,
  "group" TEXT NOT NULL,
  position INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  losses INTEGER NOT NULL DEFAULT 0,
  due_at REAL,
  PRIMARY KEY (log, "group", position)
);
CREATE INDEX IF NOT EXISTS pending_by_position ON pending (log, position);
CREATE INDEX IF NOT EXISTS pending_due ON pending (log, "group", due_at);
CREATE TABLE IF NOT EXISTS dead (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  dead_id TEXT NOT NULL UNIQUE,
  log TEXT NOT NULL,
  "group" TEXT NOT NULL,
  reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  at REAL NOT NULL,
  event BLOB NOT NULL
);
