-- Webhooks to callers. An event is recorded in the batch that changes its job, and told afterwards.
ALTER TABLE jobs ADD COLUMN webhook_key TEXT;            -- whose secret signs: an API key's id, or the caller's name
ALTER TABLE api_keys ADD COLUMN webhook_secret INTEGER NOT NULL DEFAULT 1; -- which of its secrets signs webhooks
ALTER TABLE api_keys ADD COLUMN webhook_rotated_at INTEGER; -- when that one took the place of the one before

CREATE TABLE deliveries (
  job_id       TEXT    NOT NULL,                         -- jobs.id
  round        INTEGER NOT NULL CHECK (round >= 1),      -- jobs.round when it happened
  status       TEXT    NOT NULL                          -- jobs.status when it happened
    CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'canceled', 'expired')),
  happened_at  INTEGER NOT NULL,                         -- when the job came to this status
  then_json    TEXT    NOT NULL,                         -- what the job's row said then and may not say later
  due_at       INTEGER,                                  -- when it is to be told next; null: delivered or missed
  tries        INTEGER NOT NULL DEFAULT 0,               -- requests begun; never restarts
  tries_before INTEGER NOT NULL DEFAULT 0,               -- of them before the last replay
  delivered_at INTEGER,                                  -- the receiver took it
  missed_at    INTEGER,                                  -- we gave up, until a replay
  answer       INTEGER,                                  -- the status of the last answer; null: there was none
  log_json     TEXT    NOT NULL DEFAULT '[]',            -- the last tries: [{n, at, status, duration_ms, why}]
  PRIMARY KEY (job_id, round, status),
  CHECK ((due_at IS NOT NULL) + (delivered_at IS NOT NULL) + (missed_at IS NOT NULL) = 1)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_missed ON deliveries (missed_at) WHERE missed_at IS NOT NULL;
