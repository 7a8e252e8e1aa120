-- A job that was kept long enough and is gone: that it was there, whose, and until when.
CREATE TABLE tombstones (
  job_id     TEXT    NOT NULL PRIMARY KEY,               -- what jobs.id was: sorts by age
  caller     TEXT    NOT NULL,                           -- who owned it
  expired_at INTEGER NOT NULL                            -- until when it was kept
) STRICT, WITHOUT ROWID;

-- The oldest uploads are deleted first.
CREATE INDEX assets_by_age ON assets (created_at);
