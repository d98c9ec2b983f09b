CREATE TRIGGER audit_logs_no_update BEFORE UPDATE ON audit_logs
BEGIN
  SELECT raise(ABORT, 'audit_logs is append-only for seven years');
END;
--
CREATE TRIGGER audit_logs_no_delete BEFORE DELETE ON audit_logs
WHEN OLD.created_at >= strftime('%s', 'now') - 7 * 365 * 86400
BEGIN
  SELECT raise(ABORT, 'audit_logs is append-only for seven years');
END;
--
