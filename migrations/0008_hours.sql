-- What happened, hour by hour: charts and counters cost a few rows instead of every job's.
CREATE TABLE hours (
  hour             INTEGER NOT NULL,                     -- hours since 1970 UTC, of the jobs' creation; 0: all before those that are kept
  template         TEXT    NOT NULL,                     -- as in jobs
  status           TEXT    NOT NULL,                     -- as in jobs, when they were counted last
  queue_bucket     INTEGER NOT NULL,                     -- how many of the limits its wait is above; -1: never started
  execution_bucket INTEGER NOT NULL,                     -- likewise of its execution; -1: not known
  jobs             INTEGER NOT NULL,                     -- how many jobs are alike in all of that
  queue_ms         INTEGER NOT NULL,                     -- their waits together
  execution_ms     INTEGER NOT NULL,                     -- their last executions together
  paid_ms          INTEGER NOT NULL,                     -- executions of all their attempts together
  PRIMARY KEY (hour, template, status, queue_bucket, execution_bucket)
) STRICT, WITHOUT ROWID;

-- How far counting has come. One row.
CREATE TABLE counted (
  what TEXT    NOT NULL PRIMARY KEY,                     -- 'jobs'
  hour INTEGER NOT NULL                                  -- the newest hour in hours; it is counted again
) STRICT, WITHOUT ROWID;
