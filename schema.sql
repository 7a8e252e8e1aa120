-- The schema today. A test proves that it equals what migrations/ make; change it there first.
--
-- Rows written are nearly the whole bill, and every index entry is one: tables are WITHOUT ROWID,
-- indexes are partial, and the live attempt of a job lives in the job's own row.
-- Moments (`*_at`) are milliseconds since 1970 UTC. `*_json` columns hold JSON text.

-- One job that a caller was told "accepted".
CREATE TABLE jobs (
  id                 TEXT    NOT NULL PRIMARY KEY,       -- UUID v7: sorts by age
  caller             TEXT    NOT NULL,                   -- who owns it: an API key's owner, or 'anonymous'
  request_key        TEXT,                               -- the caller's name for the create; unique per caller
  fingerprint        TEXT    NOT NULL,                   -- blake3 of the canonical request: tells a repeat from a misuse of the key

  -- What was accepted. Never changes.
  template           TEXT    NOT NULL,                   -- template name, or 'raw' for a caller's own workflow
  template_version   TEXT    NOT NULL,                   -- as the contract named itself
  template_hash      TEXT    NOT NULL,                   -- blake3 of template and contract: with inputs and seed it repeats the prompt
  protocol           TEXT    NOT NULL CHECK (protocol IN ('comfyui', 'task')), -- what the worker takes
  inputs_json        TEXT    NOT NULL,                   -- checked inputs, defaults filled in, seed resolved
  files_json         TEXT    NOT NULL,                   -- input files: [{input, name, key, content_type, size_bytes, hash}]
  outputs_json       TEXT    NOT NULL,                   -- files a success must have: [{node_id, kind, label, prefix}]
  labels_json        TEXT    NOT NULL,                   -- the caller's labels
  prompt_hash        TEXT    NOT NULL,                   -- blake3 of the stored prompt
  prompt_in_blob     INTEGER NOT NULL CHECK (prompt_in_blob IN (0, 1)), -- 1: too large for the table prompts, stored as an object
  priority           INTEGER NOT NULL,                   -- higher goes first; 0 is normal
  webhook_url        TEXT,                               -- where the caller wants to be told
  webhook_events     TEXT,                               -- comma-separated statuses that are told; null: all
  provider           TEXT    NOT NULL,                   -- 'runpod' or 'simulated': who runs it
  endpoint           TEXT    NOT NULL,                   -- the provider's endpoint, kept although settings may change
  created_at         INTEGER NOT NULL,                   -- the moment in its id, too
  execution_limit_ms INTEGER NOT NULL CHECK (execution_limit_ms > 0), -- how long a worker may work on it
  start_by_ms        INTEGER NOT NULL CHECK (start_by_ms > 0), -- a round not started this long after it was asked for expires
  deadline_ms        INTEGER CHECK (deadline_ms > 0),    -- a round not ended this long after it was asked for is stopped; null: no such limit
  usual_ms           INTEGER NOT NULL,                   -- how long such a job usually takes: when to look first

  -- The round: 1, and one more for every retry by the caller.
  round              INTEGER NOT NULL DEFAULT 1 CHECK (round >= 1), -- never restarts
  opened_at          INTEGER NOT NULL,                   -- when this round was asked for
  failures           INTEGER NOT NULL DEFAULT 0,         -- attempts of this round that failed and are followed by another
  canceled_through   INTEGER NOT NULL DEFAULT 0,         -- attempts up to this one were canceled with their round: no success of theirs counts

  -- Where it stands.
  status             TEXT    NOT NULL DEFAULT 'queued'   -- as callers see it; see src/job/mod.rs
    CHECK (status IN ('queued', 'running', 'canceling', 'succeeded', 'failed', 'canceled', 'expired')),
  phase              TEXT    NOT NULL DEFAULT 'accepted' -- what an unfinished job is doing
    CHECK (phase IN ('accepted', 'submitting', 'provider_queued', 'executing')),
  version            INTEGER NOT NULL DEFAULT 1,         -- one more with every change; never restarts
  started_at         INTEGER,                            -- a worker was first seen working on this round's newest attempt
  completed_at       INTEGER,                            -- the end of this round
  error_json         TEXT,                               -- why it failed: {code, message, node_id?, class_type?}
  settle_nonce       TEXT,                               -- names the settle that won; part of its outputs' keys
  delay_ms           INTEGER,                            -- waiting at the provider, as it measured
  execution_ms       INTEGER,                            -- working, as the provider measured
  due_at             INTEGER,                            -- the sweep wakes the job after this; null when nothing is left to do

  -- The newest attempt. Its row in attempts is written when it ends.
  attempt            INTEGER NOT NULL DEFAULT 0,         -- attempts begun; never restarts
  attempt_nonce      TEXT,                               -- tells the one that began it that it won
  attempt_begun_at   INTEGER,                            -- its time to live counts from here
  attempt_ended_at   INTEGER,                            -- null while it is live
  provider_id        TEXT,                               -- the provider's name for it; null: not known
  retry_at           INTEGER,                            -- no dispatch before then; while an attempt is live, no look
  refusals           INTEGER NOT NULL DEFAULT 0,         -- submits in a row that the provider put off
  wait_reason        TEXT,                               -- why a queued job is not dispatched yet

  -- For people who query the table by hand. Computed when read: they cost no row.
  prompt             TEXT    GENERATED ALWAYS AS (inputs_json ->> '$.prompt') VIRTUAL, -- the input prompt
  model              TEXT    GENERATED ALWAYS AS (inputs_json ->> '$.model') VIRTUAL, -- the input model
  ratio              TEXT    GENERATED ALWAYS AS (inputs_json ->> '$.ratio') VIRTUAL, -- the input ratio
  seed               INTEGER GENERATED ALWAYS AS (inputs_json ->> '$.seed') VIRTUAL, -- the input seed
  steps              INTEGER GENERATED ALWAYS AS (inputs_json ->> '$.steps') VIRTUAL, -- the input steps
  cfg                REAL    GENERATED ALWAYS AS (inputs_json ->> '$.cfg') VIRTUAL, -- the input cfg
  input_key          TEXT    GENERATED ALWAYS AS (files_json ->> '$[0].key') VIRTUAL, -- its first input file

  -- Later additions stand behind the others.
  inventory_hash     TEXT,                               -- the inventory that a caller's own workflow was checked against; null: none
  webhook_key        TEXT,                               -- whose secret signs: an API key's id, or the caller's name
  credits            INTEGER,                            -- what this round costs its caller: held while it goes on, spent by a success and by a cancel when work had begun, else given back; null: nothing
  credits_before     INTEGER NOT NULL DEFAULT 0,         -- what its earlier rounds cost its caller: those that were canceled when work had begun

  CHECK ((status IN ('succeeded', 'failed', 'canceled', 'expired')) = (completed_at IS NOT NULL)),
  CHECK ((status = 'failed') = (error_json IS NOT NULL)),
  CHECK (status <> 'succeeded' OR settle_nonce IS NOT NULL),
  CHECK ((attempt = 0) = (attempt_nonce IS NULL))
) STRICT, WITHOUT ROWID;

-- A caller's list of its jobs, newest first.
CREATE INDEX jobs_by_caller ON jobs (caller, id);
-- A repeated create finds its job.
CREATE UNIQUE INDEX jobs_by_request_key ON jobs (caller, request_key) WHERE request_key IS NOT NULL;
-- All that has not ended, and nothing else: the sweep finds what was forgotten, and the live jobs of a caller are
-- counted without a look at the rows, or at others'.
CREATE INDEX jobs_due ON jobs (caller, due_at) WHERE due_at IS NOT NULL;

-- The compiled prompt, written once at create and sent by every attempt, with the job's mark in the names of its files.
CREATE TABLE prompts (
  job_id TEXT NOT NULL PRIMARY KEY,                      -- jobs.id
  body   TEXT NOT NULL                                   -- at most 256 KiB; larger ones are objects
) STRICT, WITHOUT ROWID;

-- One submission that has ended. Also the receipt of the news that ended it.
CREATE TABLE attempts (
  job_id       TEXT    NOT NULL,                         -- jobs.id
  n            INTEGER NOT NULL CHECK (n >= 1),          -- counts from 1 within the job
  provider     TEXT    NOT NULL,                         -- who ran it
  provider_id  TEXT,                                     -- null: the provider never confirmed it
  begun_at     INTEGER NOT NULL,                         -- before the submit left
  ended_at     INTEGER NOT NULL,                         -- when we heard of the end
  outcome      TEXT    NOT NULL CHECK (outcome IN ('succeeded', 'failed', 'canceled', 'expired', 'lost')), -- how it ended
  heard_by     TEXT    NOT NULL CHECK (heard_by IN ('webhook', 'look', 'submit', 'cancel', 'deadline')), -- how we know
  error_json   TEXT,                                     -- why it failed
  delay_ms     INTEGER,                                  -- waiting, as the provider measured
  execution_ms INTEGER,                                  -- working, as the provider measured
  PRIMARY KEY (job_id, n)
) STRICT, WITHOUT ROWID;

-- One file of a succeeded job. It is in the object store before this row exists.
CREATE TABLE outputs (
  job_id       TEXT    NOT NULL,                         -- jobs.id
  i            INTEGER NOT NULL,                         -- order of delivery, from 0
  key          TEXT    NOT NULL,                         -- <job>/<attempt>/<settle nonce>/<i>.<ext>
  kind         TEXT    NOT NULL CHECK (kind IN ('image', 'video', 'audio', 'text', 'file', 'latent')), -- told by its magic bytes
  content_type TEXT    NOT NULL,                         -- told by its magic bytes
  size_bytes   INTEGER NOT NULL CHECK (size_bytes > 0),  -- stored and checked
  hash         TEXT    NOT NULL,                         -- blake3 of the bytes
  name         TEXT    NOT NULL,                         -- the file name the caller sees
  node_id      TEXT,                                     -- the node that made it, where it can be told
  label        TEXT,                                     -- the contract's name for it
  width        INTEGER,                                  -- pixels, for images
  height       INTEGER,                                  -- pixels, for images
  PRIMARY KEY (job_id, i)
) STRICT, WITHOUT ROWID;

-- A file that a caller uploaded. Content-addressed within the caller.
CREATE TABLE assets (
  caller       TEXT    NOT NULL,                         -- who uploaded it
  hash         TEXT    NOT NULL,                         -- blake3 of the bytes; the caller's input_key
  key          TEXT    NOT NULL,                         -- where the bytes are
  content_type TEXT    NOT NULL,                         -- told by its magic bytes
  kind         TEXT    NOT NULL CHECK (kind IN ('image', 'video', 'audio', 'text', 'file', 'latent')), -- told by its magic bytes
  size_bytes   INTEGER NOT NULL CHECK (size_bytes > 0),  -- stored and checked
  width        INTEGER,                                  -- pixels, for images
  height       INTEGER,                                  -- pixels, for images
  created_at   INTEGER NOT NULL,                         -- the last upload
  name         TEXT,                                     -- what its uploader called it last
  PRIMARY KEY (caller, hash)
) STRICT, WITHOUT ROWID;

-- The oldest uploads are deleted first.
CREATE INDEX assets_by_age ON assets (created_at);

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
  webhook_secret  INTEGER NOT NULL DEFAULT 1,            -- which of its secrets signs webhooks
  webhook_rotated_at INTEGER,                            -- when that one took the place of the one before
  CHECK ((old_hash IS NULL) = (old_until IS NULL))
) STRICT, WITHOUT ROWID;

-- What an account has been charged in the current day and minute. One row, overwritten: nothing piles up.
CREATE TABLE spending (
  account     TEXT    NOT NULL PRIMARY KEY,              -- api_keys.id of a key with limits, 'sessions:<share>', or that and ':uploads' or ':purchases'
  day         INTEGER NOT NULL,                          -- days since 1970 UTC
  day_jobs    INTEGER NOT NULL,                          -- jobs and retries charged in it
  minute      INTEGER NOT NULL,                          -- minutes since 1970 UTC
  minute_jobs INTEGER NOT NULL,                          -- jobs and retries charged in it
  charge      TEXT    NOT NULL                           -- what was charged last: <job>:<round>; lets that one happen
) STRICT, WITHOUT ROWID;

-- What an owner may spend on jobs. What is left is granted less spent less reserved.
CREATE TABLE credits (
  owner      TEXT    NOT NULL PRIMARY KEY,               -- jobs.caller
  opened_at  INTEGER NOT NULL,                           -- from here on its jobs are paid for
  begun_with INTEGER NOT NULL CHECK (begun_with >= 0),   -- part of granted that was there from the beginning
  granted    INTEGER NOT NULL CHECK (granted >= 0),      -- all that it ever got
  spent      INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0), -- on jobs that succeeded, or were canceled when work had begun
  reserved   INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0), -- held by jobs that have not ended
  charge     TEXT    NOT NULL DEFAULT '',                -- what was reserved last: <job>:<round>; lets that one happen
  CHECK (spent + reserved <= granted)
) STRICT, WITHOUT ROWID;

-- Credits that an owner was given, by the operator or by a purchase.
CREATE TABLE grants (
  owner      TEXT    NOT NULL,                           -- credits.owner
  id         TEXT    NOT NULL,                           -- names the payment: a repeat grants nothing
  credits    INTEGER NOT NULL CHECK (credits > 0),       -- how many
  granted_at INTEGER NOT NULL,                           -- when
  why        TEXT    NOT NULL,                           -- 'purchase', or what the operator noted
  PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;

-- A job that was kept long enough and is gone: that it was there, whose, and until when.
CREATE TABLE tombstones (
  job_id     TEXT    NOT NULL PRIMARY KEY,               -- what jobs.id was: sorts by age
  caller     TEXT    NOT NULL,                           -- who owned it
  expired_at INTEGER NOT NULL                            -- until when it was kept
) STRICT, WITHOUT ROWID;

-- What is known of the providers' endpoints beside their jobs.
CREATE TABLE endpoints (
  endpoint        TEXT NOT NULL PRIMARY KEY,             -- the provider's name for it
  paused_at       INTEGER,                               -- the operator stopped submission; null: it goes on
  no_worker_since INTEGER                                -- it shows no worker although jobs wait; null: it has some
) STRICT, WITHOUT ROWID;

-- Which inventory of an endpoint counts.
CREATE TABLE inventories (
  endpoint            TEXT    NOT NULL PRIMARY KEY,      -- as in jobs.endpoint
  hash                TEXT    NOT NULL,                  -- blake3 of its classes; the rows of node_classes with it count
  classes             INTEGER NOT NULL CHECK (classes > 0), -- how many
  lists               INTEGER NOT NULL,                  -- lists of choices that are kept
  lists_left_out_json TEXT    NOT NULL,                  -- ["<class>.<input>"]: lists too long to keep, whose values are not checked
  size_bytes          INTEGER NOT NULL,                  -- of all entries
  put_at              INTEGER NOT NULL                   -- when it was adopted
) STRICT, WITHOUT ROWID;

-- One node class of an inventory, so that a create reads only those it uses.
CREATE TABLE node_classes (
  endpoint TEXT NOT NULL,                                -- inventories.endpoint
  hash     TEXT NOT NULL,                                -- of the whole inventory
  class    TEXT NOT NULL,                                -- the name that a prompt uses
  entry    TEXT NOT NULL,                                -- its entry in object_info, cut to what is judged; at most 512 KiB
  PRIMARY KEY (endpoint, hash, class)
) STRICT, WITHOUT ROWID;

-- One change of a job that its caller wants to be told of, and how telling it went.
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
-- The sweep finds those whose watcher has forgotten them.
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
-- The operator finds those that nobody took.
CREATE INDEX deliveries_missed ON deliveries (missed_at) WHERE missed_at IS NOT NULL;

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
