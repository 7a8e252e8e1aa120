-- A caller's key. Only hashes of its secret are here.
CREATE TABLE api_keys (
  id              TEXT    NOT NULL PRIMARY KEY,          -- 12 hexadecimal characters; part of the key's text
  owner           TEXT    NOT NULL,                      -- the caller of its jobs; several keys may have one owner
  name            TEXT    NOT NULL,                      -- what people call it
  hash            TEXT    NOT NULL,                      -- blake3 of its secret
  old_hash        TEXT,                                  -- of the secret before the last rotation
  old_until       INTEGER,                               -- until when that one is good
  scopes          TEXT    NOT NULL,                      -- comma-separated: jobs:write, jobs:read, workflows:raw, admin
  jobs_per_minute INTEGER CHECK (jobs_per_minute > 0),   -- null: not limited
  jobs_per_day    INTEGER CHECK (jobs_per_day > 0),      -- null: not limited
  live_jobs       INTEGER CHECK (live_jobs > 0),         -- jobs of the owner that have not ended; null: not limited
  expires_at      INTEGER,                               -- null: never
  created_at      INTEGER NOT NULL,                      -- the first secret
  rotated_at      INTEGER,                               -- the newest secret, if it is not the first
  revoked_at      INTEGER,                               -- good for nothing since
  CHECK ((old_hash IS NULL) = (old_until IS NULL))
) STRICT, WITHOUT ROWID;

-- What an account has been charged in the current day and minute. One row, overwritten: nothing piles up.
CREATE TABLE spending (
  account     TEXT    NOT NULL PRIMARY KEY,              -- api_keys.id of a key with limits, or 'sessions'
  day         INTEGER NOT NULL,                          -- days since 1970 UTC
  day_jobs    INTEGER NOT NULL,                          -- jobs and retries charged in it
  minute      INTEGER NOT NULL,                          -- minutes since 1970 UTC
  minute_jobs INTEGER NOT NULL,                          -- jobs and retries charged in it
  charge      TEXT    NOT NULL                           -- what was charged last: <job>:<round>; lets that one happen
) STRICT, WITHOUT ROWID;

-- Also counts the live jobs of a caller, without a look at the rows.
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (due_at, caller) WHERE due_at IS NOT NULL;
